package main

import (
	"context"
	"encoding/hex"
	"time"

	relayv1 "dispatch/api/relay/v1"
	threadv1 "dispatch/api/thread/v1"
)

// What a thread does with what it hears, and by itself from time to time.

func (t *thread) received(frames []*relayv1.RelayFrame) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	defer t.news.Broadcast()
	t.heard = time.Now()
	before := t.cursor
	for _, frame := range frames {
		if err := t.hear(frame); err != nil {
			return err
		}
	}
	if t.cursor != before {
		// A store has committed the rows by now.
		t.say(&relayv1.DeviceFrame{Frame: &relayv1.DeviceFrame_Ack{Ack: &relayv1.Ack{ThroughSeq: t.cursor}}})
	}
	t.tell.tend(t)
	return nil
}

func (t *thread) hear(frame *relayv1.RelayFrame) error {
	switch said := frame.Frame.(type) {
	case *relayv1.RelayFrame_Ping:
		t.say(&relayv1.DeviceFrame{Frame: &relayv1.DeviceFrame_Pong{Pong: &relayv1.Pong{Number: said.Ping.Number}}})
	case *relayv1.RelayFrame_Draining:
		return &refusal{reason: "DRAINING", retry: time.Duration(said.Draining.ReconnectInMs) * time.Millisecond}
	case *relayv1.RelayFrame_Presence:
		t.peer = said.Presence
	case *relayv1.RelayFrame_Live:
		t.live(said.Live.Sealed)
	case *relayv1.RelayFrame_Deliver:
		if t.passTo(said.Deliver.Seq) && len(said.Deliver.Sealed) > 0 {
			return t.row(t.reader.take(said.Deliver.Sealed))
		}
	case *relayv1.RelayFrame_Receipt:
		t.passTo(said.Receipt.Seq)
		t.verdicts[key(said.Receipt.MessageId)] = verdict{}
	case *relayv1.RelayFrame_Refusal:
		t.passTo(said.Refusal.Seq)
		if len(said.Refusal.MessageId) > 0 {
			t.verdicts[key(said.Refusal.MessageId)] = verdict{word(said.Refusal.Reason)}
		}
	}
	return nil
}

// passTo moves the cursor to a row; false for one that was here before. Rows in between never came: what they said is asked for again.
func (t *thread) passTo(seq uint64) bool {
	if seq <= t.cursor {
		return false
	}
	t.reader.holes += int(min(seq-t.cursor-1, 1<<20))
	t.cursor = seq
	return true
}

func (t *thread) row(read row) error {
	if t.session != nil && same(read.epoch, t.session.id) {
		t.confirmed, t.tries, t.notBefore = true, 0, time.Time{}
	}
	if read.revoked {
		return refused("HOST_REVOKED")
	}
	return nil
}

func (t *thread) live(sealed []byte) {
	if len(sealed) == 0 {
		return
	}
	if sealed[0] != message2 {
		if t.session != nil {
			if _, turned, err := t.session.downLive.open(sealed); err == nil {
				t.session.downLive = turned // this phone shows nothing of what is said in passing
			}
		}
		return
	}
	if t.greeting == nil || time.Since(t.greeting.began) > handshakeLimit {
		return
	}
	begun, err := t.greeting.finish(sealed, time.Now())
	if err != nil {
		return // the true answer may still come
	}
	t.greeting, t.session, t.confirmed = nil, begun, false
	t.sessionWith = key(t.peer.Instance)
	t.reader.chains = t.reader.chains.pruned(begun.downKeep, begun.hostEpoch)
	// A store commits the chains here, before Confirm: a row may come that needs the new one.
	t.sayPassing(&threadv1.UpLiveItem{Item: &threadv1.UpLiveItem_Confirm{Confirm: &threadv1.Confirm{}}})
}

// tending does what is due, for as long as the stream is open.
func (t *thread) tending(ctx context.Context, opened *stream) {
	ticks := time.NewTicker(tendEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			t.mutex.Lock()
			if t.silence > 0 && now.Sub(t.heard) > t.silence {
				opened.close() // the line is dead, though nobody said so
			}
			t.shakeHands(now)
			t.askAgain(now)
			t.mutex.Unlock()
		}
	}
}

// shakeHands begins a session with a host that is there, once for each stream and each process of the host.
func (t *thread) shakeHands(now time.Time) {
	there := t.peer.State == relayv1.Reachability_REACHABILITY_REACHABLE
	if !there || t.session != nil && t.sessionWith == key(t.peer.Instance) || now.Before(t.notBefore) {
		return
	}
	if t.greeting != nil && now.Sub(t.greeting.began) < handshakeLimit {
		return
	}
	begun, message, err := greet(t.keys, t.grant, t.reader.at, now, t.rng)
	if err != nil {
		return
	}
	t.greeting, t.tries = begun, min(t.tries+1, 5)
	t.notBefore = now.Add(time.Second << (t.tries - 1))
	t.sayLive(message)
}

// askAgain asks for events that are missing, and says how far this phone has the thread.
func (t *thread) askAgain(now time.Time) {
	if t.session == nil || t.cursor < t.headSeq {
		return
	}
	if from, to := t.reader.missing(); from <= to && now.Sub(t.resendAt) > resendEvery {
		t.resendAt = now
		t.sayPassing(&threadv1.UpLiveItem{Item: &threadv1.UpLiveItem_Resend{Resend: &threadv1.Resend{From: from, To: to}}})
	}
	if at := t.reader.at; at.number > t.seen {
		t.seen = at.number
		t.sayPassing(&threadv1.UpLiveItem{Item: &threadv1.UpLiveItem_Seen{Seen: &threadv1.Seen{Head: &threadv1.Head{Number: at.number, Hash: at.hash}}}})
	}
}

// tend says when the thread has become whole, or is not any more.
func (tell *teller) tend(t *thread) {
	from, to := t.reader.missing()
	whole := t.session != nil && t.confirmed && t.cursor >= t.headSeq && from > to
	if whole != t.caughtUp {
		t.caughtUp = whole
		tell.say(line{"event": "changed", "complete": whole})
	}
}

func id(text string, rng draw) []byte {
	if named, err := hex.DecodeString(text); err == nil && len(named) == idBytes {
		return named
	}
	return rng(idBytes)
}
