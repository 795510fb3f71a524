package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// phone is one device: a key, a sign-in, a pairing. Each wish is one call of a method; wishes may run side by side.
type phone struct {
	ctx      context.Context
	tell     *teller
	service  *pairingService
	keys     pairKeys
	thread   *thread
	word     chan bool // the person's, on the code that is shown
	attempts map[string]uint32
}

func random(count int) []byte {
	drawn := make([]byte, count)
	_, _ = rand.Read(drawn) // never fails: the program ends where there is no randomness
	return drawn
}

func newPhone(ctx context.Context, tell *teller) *phone {
	_, device, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return &phone{
		ctx: ctx, tell: tell, word: make(chan bool, 1), attempts: map[string]uint32{},
		service: &pairingService{channel: newChannel(), device: device},
	}
}

var errNotYet = errors.New("not attached")

func (p *phone) wish(wish line) (line, error) {
	switch name := wish.text("wish"); name {
	case "sign_in":
		p.service.address, p.service.name = wish.text("address"), wish.text("name")
		service, err := p.service.signIn(p.ctx, wish.text("account"), wish.text("password"))
		return line{"service": service}, err
	case "pair":
		return p.pair(wish.text("link"))
	case "yes", "no":
		p.word <- name == "yes"
		return nil, nil
	case "attach":
		p.thread = newThread(p.service, p.keys, random, p.tell)
		go p.hold()
		return nil, nil
	case "compute":
		return compute(wish.text("what"), wish)
	}
	if p.thread == nil {
		return nil, errNotYet
	}
	switch name := wish.text("wish"); name {
	case "send":
		return p.send(wish.text("text"), wish.text("id"))
	case "events":
		p.thread.mutex.Lock()
		defer p.thread.mutex.Unlock()
		return line{"events": strings.Join(p.thread.reader.events, " "), "holes": p.thread.reader.holes}, nil
	case "cut":
		p.thread.cut()
		return nil, nil
	case "leave":
		p.thread.leave()
		return nil, nil
	default:
		return line{"unknown": name}, nil
	}
}

func (p *phone) pair(link string) (line, error) {
	met, err := p.service.meet(p.ctx, link, random, func(ctx context.Context, shown, peer string) bool {
		p.tell.say(line{"event": "code", "code": shown, "peer": peer})
		select {
		case yes := <-p.word:
			return yes
		case <-ctx.Done():
			return false
		}
	})
	if err != nil {
		return nil, err
	}
	p.keys = met.keys
	return line{"peer": met.peerName, "pair_id": hex.EncodeToString(met.keys.pairID)}, nil
}

func (p *phone) hold() {
	if err := p.thread.run(p.ctx); err != nil {
		p.tell.say(line{"event": "gone", "reason": reasonOf(err)})
		return
	}
	p.tell.say(line{"event": "left"})
}

// send sends words as a task; with an id, once more as the next attempt of that task. One at a time.
func (p *phone) send(text, named string) (line, error) {
	taskID := id(named, random)
	action, err := taskAction(taskID, text)
	if err != nil {
		return nil, err
	}
	known := hex.EncodeToString(taskID)
	came := p.thread.send(taskID, action, p.attempts[known]+1)
	p.attempts[known] = came.attempt
	verdict := "taken"
	if came.reason != "" {
		verdict = "refused"
	}
	return line{"task": known, "verdict": verdict, "reason": came.reason, "attempt": came.attempt}, nil
}

// reasonOf gives a reason's word; what is none is said as it is.
func reasonOf(err error) string {
	var why *refusal
	if errors.As(err, &why) {
		return why.reason
	}
	return fmt.Sprintf("INTERNAL: %v", err)
}
