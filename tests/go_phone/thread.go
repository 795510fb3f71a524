package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	relayv1 "dispatch/api/relay/v1"
	threadv1 "dispatch/api/thread/v1"

	"google.golang.org/protobuf/proto"
)

// thread holds the stream of one pairing, made anew whenever it breaks, and the session on it. docs/protocol.md.

const (
	attachMethod   = "/dispatch.api.relay.v1.ThreadService/Attach"
	tendEvery      = 100 * time.Millisecond
	handshakeLimit = 5 * time.Second
	resendEvery    = 3 * time.Second
	comeBackAfter  = 200 * time.Millisecond
)

// final: after these nothing is gained by coming back; a person has to do something first.
var final = []string{
	"STREAM_SUPERSEDED", "NOT_PAIRED", "HOST_REVOKED", "DEVICE_REVOKED", "SIGN_IN_REQUIRED", "APP_TOO_OLD", "VERSION_UNSUPPORTED",
}

type thread struct {
	service  *pairingService
	keys     pairKeys
	rng      draw
	tell     *teller
	instance []byte

	mutex   sync.Mutex // guards all below
	news    *sync.Cond
	stream  *stream // nil while there is none
	left    bool
	grant   []byte
	relays  []string
	reader  *reader
	cursor  uint64 // the last row taken
	headSeq uint64 // the newest row when the stream was opened
	peer    *relayv1.Presence
	heard   time.Time
	silence time.Duration

	session     *epoch
	sessionWith string // the host's process
	confirmed   bool
	greeting    *greeting
	tries       int
	notBefore   time.Time
	seen        uint64
	resendAt    time.Time
	verdicts    map[string]verdict // by message id
	caughtUp    bool               // as it was last told
}

// verdict is the relay's one decision on a command; "" for taken.
type verdict struct{ reason string }

func newThread(service *pairingService, keys pairKeys, rng draw, tell *teller) *thread {
	t := &thread{
		service: service, keys: keys, rng: rng, tell: tell, instance: rng(idBytes), verdicts: map[string]verdict{}, peer: &relayv1.Presence{},
	}
	t.news = sync.NewCond(&t.mutex)
	t.reader = newReader(keys, func(id string, of *task) {
		tell.say(line{"event": "task", "task": id, "state": of.state, "reason": of.reason, "text": of.text})
	})
	return t
}

// run holds the stream until leave, or until coming back is of no use.
func (t *thread) run(ctx context.Context) error {
	for renewed := false; ; {
		err := t.oneStream(ctx)
		t.lost()
		if t.hasLeft() {
			return nil
		}
		var why *refusal
		if !errors.As(err, &why) {
			why = &refusal{reason: "INTERNAL"}
		}
		if slices.Contains(final, why.reason) {
			return why
		}
		if slices.Contains([]string{"GRANT_EXPIRED", "GRANT_INVALID", "PROOF_INVALID"}, why.reason) {
			t.mutex.Lock()
			t.grant = nil
			t.mutex.Unlock()
			if !renewed {
				renewed = true // a fresh grant may help, at once and once
				continue
			}
		}
		renewed = false
		select {
		case <-time.After(max(why.retry, comeBackAfter)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *thread) hasLeft() bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.left
}

// lost forgets what does not outlive a stream.
func (t *thread) lost() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.stream, t.session, t.greeting, t.confirmed = nil, nil, nil, false
	t.peer = &relayv1.Presence{}
	t.tries, t.notBefore = 0, time.Time{}
	t.news.Broadcast()
}

func (t *thread) oneStream(ctx context.Context) error {
	if t.grant == nil {
		grant, relays, err := t.service.grant(ctx, t.keys.pairID)
		if err != nil {
			return err
		}
		t.mutex.Lock()
		t.grant, t.relays = grant, relays
		t.mutex.Unlock()
	}
	relay := t.relays[0]
	opened := t.service.channel.open(ctx, relay, attachMethod, nil)
	defer opened.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	first, err := t.opening(opened, relay)
	if err != nil {
		return err
	}
	go t.tending(ctx, opened)
	for frames := first; ; {
		if err := t.received(frames); err != nil {
			return err
		}
		if frames, err = readFrames(opened); err != nil {
			if err == io.EOF {
				err = refused("NO_NETWORK")
			}
			return err
		}
	}
}

// opening says Hello, proves the key over the relay's nonce, and asks for what is behind the cursor.
func (t *thread) opening(opened *stream, relay string) ([]*relayv1.RelayFrame, error) {
	late := time.AfterFunc(10*time.Second, opened.close)
	defer late.Stop()
	id, nonce := deviceID(t.keys.ownKey), t.rng(32)
	hello := &relayv1.Hello{
		DeviceId: id, Grant: t.grant, AppVersion: appVersion, DeviceKind: relayv1.DeviceKind_DEVICE_KIND_PHONE,
		ProtocolVersions: []uint32{1}, Nonce: nonce, Instance: t.instance,
	}
	if err := writeFrames(opened, &relayv1.DeviceFrame{Frame: &relayv1.DeviceFrame_Hello{Hello: hello}}); err != nil {
		return nil, streamError(opened, err)
	}
	frames, err := readFrames(opened)
	if err != nil {
		return nil, err
	}
	challenge := frames[0].GetChallenge()
	if challenge == nil {
		return nil, refused("PROTOCOL_VIOLATION")
	}
	signature := ed25519.Sign(t.service.device, streamProof(relay, id, nonce, challenge.Nonce, t.grant))
	t.mutex.Lock()
	resume := t.cursor
	t.mutex.Unlock()
	err = writeFrames(opened,
		&relayv1.DeviceFrame{Frame: &relayv1.DeviceFrame_Proof{Proof: &relayv1.Proof{Dialled: relay, Signature: signature}}},
		&relayv1.DeviceFrame{Frame: &relayv1.DeviceFrame_Open{Open: &relayv1.Open{ResumeAfter: resume, Looking: true}}})
	if err != nil {
		return nil, streamError(opened, err)
	}
	if frames, err = readFrames(opened); err != nil {
		return nil, err
	}
	said := frames[0].GetOpened()
	if said == nil {
		return nil, refused("PROTOCOL_VIOLATION")
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.stream, t.headSeq, t.heard = opened, said.HeadSeq, time.Now()
	t.silence = time.Duration(said.GetLimits().GetSilenceMs()) * time.Millisecond
	t.news.Broadcast()
	return frames[1:], nil
}

func streamProof(dialled string, device, clientNonce, serverNonce, grant []byte) []byte {
	return enc("dispatch-pop/1 stream", []byte(dialled), device, clientNonce, serverNonce, hash(grant))
}

// streamError prefers the relay's word on why it ended a stream to our not being able to write on it.
func streamError(opened *stream, failed error) error {
	if _, err := opened.read(); err != nil && err != io.EOF {
		return err
	}
	return failed
}

func readFrames(opened *stream) ([]*relayv1.RelayFrame, error) {
	for {
		message, err := opened.read()
		if err != nil {
			return nil, err
		}
		var batch relayv1.AttachResponse
		if proto.Unmarshal(message, &batch) != nil {
			return nil, refused("PROTOCOL_VIOLATION")
		}
		if len(batch.Frames) > 0 {
			return batch.Frames, nil
		}
	}
}

func writeFrames(opened *stream, frames ...*relayv1.DeviceFrame) error {
	message, err := proto.Marshal(&relayv1.AttachRequest{Frames: frames})
	if err != nil {
		return err
	}
	return opened.write(message)
}

// say writes frames on the open stream; without one nothing is kept for later. Called with the mutex held, so that frames keep their order.
func (t *thread) say(frames ...*relayv1.DeviceFrame) {
	if t.stream != nil {
		_ = writeFrames(t.stream, frames...) // a stream that is broken ends where it is read
	}
}

func (t *thread) sayLive(sealed []byte) {
	t.say(&relayv1.DeviceFrame{Frame: &relayv1.DeviceFrame_Live{Live: &relayv1.Live{Sealed: sealed}}})
}

// sayPassing seals words of the session; the first of an epoch are its Confirm.
func (t *thread) sayPassing(items ...*threadv1.UpLiveItem) {
	body, err := proto.Marshal(&threadv1.UpLive{Items: items})
	if err != nil || t.session == nil {
		return
	}
	sealed, turned := t.session.upLive.seal(body, t.rng)
	t.session.upLive = turned
	t.sayLive(sealed)
}

func key(id []byte) string { return hex.EncodeToString(id) }
