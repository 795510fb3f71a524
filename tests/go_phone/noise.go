package main

import (
	"bytes"
	"crypto/ecdh"
	"encoding/binary"
	"errors"
	"strings"
)

// One side of a Noise handshake (revision 34) in the two patterns that are used here, the side that begins.

var errNoise = errors.New("the handshake does not fit")

// patterns: the static keys that are known beforehand are mixed in, then the tokens of each message.
var patterns = map[string]struct {
	known    string // "r": the responder's; "ir": both
	messages []string
}{
	"Noise_XKpsk3_25519_ChaChaPoly_SHA256": {"r", []string{"e es", "e ee", "s se psk"}},
	"Noise_KKpsk0_25519_ChaChaPoly_SHA256": {"ir", []string{"psk e es ss", "e ee se"}},
}

// noiseState is all that a message changes. A message that does not fit leaves the handshake with the state before it.
type noiseState struct {
	h, ck, key []byte
	n          uint64
	e          *ecdh.PrivateKey
	re         *ecdh.PublicKey
}

type handshake struct {
	state    noiseState
	messages []string
	s        *ecdh.PrivateKey
	rs       *ecdh.PublicKey
	psk      []byte
	rng      draw
}

func beginHandshake(name string, prologue []byte, s *ecdh.PrivateKey, rs, psk []byte, rng draw) (*handshake, error) {
	theirs, err := ecdh.X25519().NewPublicKey(rs)
	if err != nil {
		return nil, errNoise
	}
	pattern := patterns[name]
	h := hash([]byte(name)) // both names are longer than a hash
	begun := &handshake{state: noiseState{h: h, ck: h}, messages: pattern.messages, s: s, rs: theirs, psk: psk, rng: rng}
	begun.state.mixHash(prologue)
	if strings.Contains(pattern.known, "i") {
		begun.state.mixHash(s.PublicKey().Bytes())
	}
	begun.state.mixHash(rs)
	return begun, nil
}

func (s *noiseState) mixHash(data []byte) { s.h = hash(s.h, data) }

// mixKey takes what was agreed on into the key: three outputs for a psk, of which the second goes into the hash.
func (s *noiseState) mixKey(secret []byte, psk bool) {
	prk := mac(s.ck, secret)
	first := mac(prk, []byte{1})
	second := mac(prk, first, []byte{2})
	s.ck, s.key, s.n = first, second, 0
	if psk {
		s.mixHash(second)
		s.key = mac(prk, second, []byte{3})
	}
}

func (s *noiseState) nonce() []byte {
	s.n++
	return binary.LittleEndian.AppendUint64(make([]byte, 4), s.n-1)
}

func (s *noiseState) seal(text []byte) []byte {
	sealed := text
	if s.key != nil {
		sealed = aead(s.key).Seal(nil, s.nonce(), text, s.h)
	}
	s.mixHash(sealed)
	return sealed
}

func (s *noiseState) open(sealed []byte) ([]byte, error) {
	text := sealed
	if s.key != nil {
		opened, err := aead(s.key).Open(nil, s.nonce(), sealed, s.h)
		if err != nil {
			return nil, errNoise
		}
		text = opened
	}
	s.mixHash(sealed)
	return text, nil
}

// agree mixes in what two keys give. A shared secret of zeros is an error of ecdh's already.
func (h *handshake) agree(state *noiseState, token string) error {
	own, theirs := h.s, h.rs
	if token[0] == 'e' {
		own = state.e
	}
	if token[1] == 'e' {
		theirs = state.re
	}
	secret, err := own.ECDH(theirs)
	if err != nil {
		return errNoise
	}
	state.mixKey(secret, false)
	return nil
}

func (h *handshake) next() (string, error) {
	if len(h.messages) == 0 {
		return "", errUsedUp
	}
	return h.messages[0], nil
}

func (h *handshake) write(payload []byte) ([]byte, error) {
	tokens, err := h.next()
	if err != nil {
		return nil, err
	}
	state, message := h.state, []byte(nil)
	for _, token := range strings.Fields(tokens) {
		switch token {
		case "e":
			if state.e, err = ecdh.X25519().NewPrivateKey(h.rng(keyBytes)); err != nil {
				return nil, err
			}
			public := state.e.PublicKey().Bytes()
			message = append(message, public...)
			state.mixHash(public)
			state.mixKey(public, false) // in psk patterns each e goes into the key as well
		case "s":
			message = append(message, state.seal(h.s.PublicKey().Bytes())...)
		case "psk":
			state.mixKey(h.psk, true)
		default:
			if err := h.agree(&state, token); err != nil {
				return nil, err
			}
		}
	}
	message = append(message, state.seal(payload)...)
	h.state, h.messages = state, h.messages[1:]
	return message, nil
}

func (h *handshake) read(message []byte) ([]byte, error) {
	tokens, err := h.next()
	if err != nil {
		return nil, err
	}
	state := h.state
	for _, token := range strings.Fields(tokens) {
		if token != "e" { // the other side never sends its static key in these patterns
			// The initiator's key comes first in a token: "se" is our s and their e.
			if err := h.agree(&state, token); err != nil {
				return nil, err
			}
			continue
		}
		if len(message) < keyBytes {
			return nil, errNoise
		}
		if state.re, err = ecdh.X25519().NewPublicKey(message[:keyBytes]); err != nil {
			return nil, errNoise
		}
		state.mixHash(message[:keyBytes])
		state.mixKey(message[:keyBytes], false)
		message = message[keyBytes:]
	}
	payload, err := state.open(message)
	if err != nil {
		return nil, err
	}
	h.state, h.messages = state, h.messages[1:]
	return bytes.Clone(payload), nil
}

// split gives prk of docs/encryption.md "The second secret", and the handshake's hash.
func (h *handshake) split(kemSecret []byte) (prk, finished []byte) {
	prk0 := mac(h.state.ck, nil)
	k1 := mac(prk0, []byte{1})
	k2 := mac(prk0, k1, []byte{2})
	return extract(h.state.h, join(k1, k2, kemSecret)), h.state.h
}
