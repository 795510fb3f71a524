package main

import (
	"crypto/sha256"

	threadv1 "dispatch/api/thread/v1"

	"google.golang.org/protobuf/proto"
)

// reader turns sealed rows into the thread: it opens them, checks the chain of events and every signature, and tells what became of
// tasks. What does not fit is a hole: counted, and never taken. docs/encryption.md "Keep chains", "Events", "Signed words".

const mostWaiting = 1024

type reader struct {
	keys    pairKeys
	chains  keepChains
	at      head
	hashes  map[uint64][]byte
	waiting map[uint64][]byte // events that came before their turn, by number
	host    uint64            // the newest event that the host is known to have
	holes   int
	events  []string // the kinds of events, in order
	tasks   map[string]*task
	changed func(id string, of *task)
}

// task is what the thread says of one: how it stands and what the answer is.
type task struct{ state, reason, text string }

func newReader(keys pairKeys, changed func(string, *task)) *reader {
	return &reader{
		keys: keys, at: noHead(), hashes: map[uint64][]byte{}, waiting: map[uint64][]byte{}, tasks: map[string]*task{}, changed: changed,
	}
}

// missing tells which events the host has and this phone has not; none when from is behind to.
func (r *reader) missing() (from, to uint64) {
	to = r.host
	for number := range r.waiting {
		to = max(to, number-1)
	}
	return r.at.number + 1, to
}

// row is what a row turned out to be, beyond events.
type row struct {
	epoch          []byte // nil when it did not open
	begin, revoked bool
}

func (r *reader) take(sealed []byte) row {
	body, chains, err := r.chains.open(sealed)
	var keep threadv1.DownKeep
	if err == nil {
		err = proto.Unmarshal(body, &keep)
	}
	if err != nil {
		if err != sealError("TOO_OLD") { // that one was here before
			r.holes++
		}
		return row{}
	}
	// A store commits what follows, the turned chain and the cursor together; then the row is acknowledged.
	r.chains = chains
	read := row{epoch: sealed[1:9]}
	for _, item := range keep.Items {
		switch said := item.Item.(type) {
		case *threadv1.DownKeepItem_Begin:
			read.begin = true
			r.host = said.Begin.GetHead().GetNumber()
		case *threadv1.DownKeepItem_Event:
			r.event(said.Event)
		case *threadv1.DownKeepItem_HeadSignature:
			r.signature(said.HeadSignature)
		case *threadv1.DownKeepItem_Lost:
			r.lost(said.Lost)
		case *threadv1.DownKeepItem_Revoked:
			read.revoked = true
		}
	}
	return read
}

// event takes an event in its turn, and those that waited for it.
func (r *reader) event(written []byte) {
	var event threadv1.Event
	if proto.Unmarshal(written, &event) != nil {
		r.holes++
		return
	}
	if event.Number > r.at.number {
		r.waiting[event.Number] = written // the newest copy of a number wins
	}
	for len(r.waiting) > mostWaiting {
		r.forgetFurthest()
	}
	r.host = max(r.host, event.Number)
	r.goOn()
}

func (r *reader) goOn() {
	for {
		written, there := r.waiting[r.at.number+1]
		if !there {
			return
		}
		delete(r.waiting, r.at.number+1)
		var event threadv1.Event
		_ = proto.Unmarshal(written, &event) // it was read when it came
		if !same(event.PreviousHash, r.at.hash) {
			r.holes++ // it does not link: it is asked for again
			return
		}
		r.at = head{event.Number, eventHash(r.at.hash, written)}
		r.hashes[r.at.number] = r.at.hash
		r.told(&event)
	}
}

func (r *reader) forgetFurthest() {
	var furthest uint64
	for number := range r.waiting {
		furthest = max(furthest, number)
	}
	delete(r.waiting, furthest)
}

func (r *reader) lost(lost *threadv1.Lost) {
	if lost.From > r.at.number+1 || lost.To <= r.at.number || len(lost.HashAtTo) != sha256.Size {
		return
	}
	r.at = head{lost.To, lost.HashAtTo}
	r.goOn()
}

// signature checks the host's word on a head that this phone has reached too.
func (r *reader) signature(said *threadv1.HeadSignature) {
	at := head{said.GetHead().GetNumber(), said.GetHead().GetHash()}
	known, there := r.hashes[at.number]
	if !there {
		return // of events that are still missing; it comes with them again
	}
	if !same(known, at.hash) || !verify(r.keys.peerKey, headWords(r.keys.pairID, at), said.Signature) {
		r.holes++
	}
}

func eventHash(before, written []byte) []byte {
	return hash([]byte("dispatch/event/1"), before, written)
}

func headWords(pairID []byte, at head) []byte {
	return enc("dispatch/head/1", pairID, u64(at.number), at.hash)
}

func taskWords(pairID, taskID []byte, attempt uint32, action []byte, at head) []byte {
	return enc("dispatch/task/1", pairID, taskID, u32(attempt), hash(action), at.bytes())
}
