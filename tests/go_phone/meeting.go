package main

import (
	"context"
	"crypto/ecdh"
	"errors"
	"time"

	errorv1 "dispatch/api/error/v1"
	pairingv1 "dispatch/api/pairing/v1"

	"google.golang.org/protobuf/proto"
)

const confirmWithin = 120 * time.Second

// meet claims the offer behind a link and pairs. ask shows the code and waits for the person's word.
func (p *pairingService) meet(ctx context.Context, link string, rng draw, ask func(ctx context.Context, shown, peer string) bool) (*ceremony, error) {
	c, err := readLink(link)
	if err != nil {
		return nil, refused("NOT_A_PAIRING_CODE")
	}
	own, err := ecdh.X25519().NewPrivateKey(rng(keyBytes)) // made for this pairing alone
	if err != nil {
		return nil, err
	}
	met, step1, err := beginCeremony(c, p.device, p.name, own, rng)
	if err != nil {
		return nil, refused("HANDSHAKE_FAILED")
	}
	ctx, stop := context.WithTimeout(ctx, confirmWithin)
	defer stop()
	if err := p.call(ctx, pairings+"ClaimOffer", &pairingv1.ClaimOfferRequest{OfferId: c.offerID, ClaimToken: c.claimToken()}, &pairingv1.ClaimOfferResponse{}); err != nil {
		return nil, err
	}
	err = p.leave(ctx, c, 1, step1)
	if err == nil {
		err = p.followed(ctx, met, ask)
	}
	if err == nil {
		return met, nil
	}
	var why *refusal
	if !errors.As(err, &why) {
		why = &refusal{reason: "HANDSHAKE_FAILED"} // a step that does not fit
	}
	ended := &pairingv1.EndOfferRequest{OfferId: c.offerID, Reason: errorv1.Reason(errorv1.Reason_value["REASON_"+why.reason])}
	_ = p.call(ctx, pairings+"EndOffer", ended, &pairingv1.EndOfferResponse{}) // as far as it can be told: the offer's time ends it otherwise
	return nil, why
}

// followed takes the host's steps in order, and leaves the answers, until there is a pair.
func (p *pairingService) followed(ctx context.Context, met *ceremony, ask func(ctx context.Context, shown, peer string) bool) error {
	call, err := p.follow(ctx, pairings+"FollowOffer", &pairingv1.FollowOfferRequest{OfferId: met.code.offerID})
	if err != nil {
		return err
	}
	defer call.close()
	said := make(chan bool, 1) // the person's word
	steps := make(chan *pairingv1.FollowOfferResponse)
	broken := make(chan error, 1)
	go func() {
		for {
			message, err := call.read()
			told := &pairingv1.FollowOfferResponse{}
			if err == nil {
				err = proto.Unmarshal(message, told)
			}
			if err != nil {
				broken <- err
				return
			}
			select {
			case steps <- told:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case told := <-steps:
			if ended := told.GetEnded(); ended != nil {
				return refused(word(ended.Reason))
			}
			step := told.GetStep()
			if step == nil {
				continue
			}
			answer, err := met.receive(int(step.Step), step.Payload)
			if err != nil {
				return err
			}
			switch {
			case step.Step == 8:
				return nil // commit: the pair is final
			case step.Step == 6:
				go func() { said <- ask(ctx, met.shown, met.peerName) }()
			default:
				if err := p.leave(ctx, met.code, step.Step+1, answer); err != nil {
					return err
				}
			}
		case yes := <-said:
			if err := p.decided(ctx, met, yes); err != nil {
				return err
			}
		case <-broken:
			return refused("NO_NETWORK")
		}
	}
}

func (p *pairingService) decided(ctx context.Context, met *ceremony, yes bool) error {
	if !yes {
		return refused("PAIRING_REFUSED")
	}
	step7, err := met.confirm()
	if err != nil {
		return err
	}
	// commit: the keys, as provisional, before the host can hear of the yes
	return p.leave(ctx, met.code, 7, step7)
}

func (p *pairingService) leave(ctx context.Context, c code, step uint32, payload []byte) error {
	return p.call(ctx, pairings+"SendStep", &pairingv1.SendStepRequest{OfferId: c.offerID, Step: step, Payload: payload}, &pairingv1.SendStepResponse{})
}
