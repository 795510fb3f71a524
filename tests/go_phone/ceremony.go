package main

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"encoding/binary"
	"fmt"
)

// The phone's side of the pairing ceremony (docs/encryption.md "Pairing"): it writes 1, 3, 5 and 7 and takes 2, 4, 6 and 8.
// Any error is the end of it: the caller drops it and ends the offer.

// pairKeys is what a phone keeps of a pairing. Secret.
type pairKeys struct {
	pairID                           []byte
	own                              *ecdh.PrivateKey
	peerX25519, ownKey, peerKey, psk []byte
}

type ceremony struct {
	code       code
	name       string
	device     ed25519.PrivateKey
	own        *ecdh.PrivateKey
	kem        *mlkem.DecapsulationKey768
	noise      *handshake
	rng        draw
	taken      int // the host's last step
	keys       pairKeys
	peerName   string
	prk, h     []byte
	commitment []byte
	nPhone     []byte
	shown      string
	attested   []byte
}

// beginCeremony draws the KEM's seed; the ephemeral key is drawn with step 1.
func beginCeremony(c code, device ed25519.PrivateKey, name string, own *ecdh.PrivateKey, rng draw) (*ceremony, []byte, error) {
	kem, err := mlkem.NewDecapsulationKey768(rng(mlkem.SeedSize))
	if err != nil {
		return nil, nil, err
	}
	noise, err := beginHandshake("Noise_XKpsk3_25519_ChaChaPoly_SHA256", enc("dispatch/pair/1", c.offerID, []byte(c.service)), own, c.hostX25519, c.psk(), rng)
	if err != nil {
		return nil, nil, err
	}
	begun := &ceremony{code: c, name: name, device: device, own: own, kem: kem, noise: noise, rng: rng}
	step1, err := noise.write(kem.EncapsulationKey().Bytes())
	return begun, step1, err
}

// receive takes a step of the host and gives the answer; nil when the person is asked next (after 6), or nothing is left to say (8).
func (c *ceremony) receive(step int, payload []byte) ([]byte, error) {
	if step != c.taken+2 || (step == 8) != (c.attested != nil) {
		return nil, fmt.Errorf("step %d is out of its order", step)
	}
	c.taken = step
	switch step {
	case 2:
		return c.meet(payload)
	case 4:
		return c.tellNumber(payload)
	case 6:
		return nil, c.showCode(payload)
	default:
		return nil, c.finish(payload)
	}
}

func (c *ceremony) meet(message []byte) ([]byte, error) {
	payload, err := c.noise.read(message)
	if err != nil {
		return nil, err
	}
	if len(payload) < mlkem.CiphertextSize768+keyBytes {
		return nil, sealError("MALFORMED")
	}
	secret, err := c.kem.Decapsulate(payload[:mlkem.CiphertextSize768])
	if err != nil {
		return nil, err
	}
	hostKey, name := payload[mlkem.CiphertextSize768:][:keyBytes], string(payload[mlkem.CiphertextSize768+keyBytes:])
	ownKey := c.device.Public().(ed25519.PublicKey)
	if !usable(hostKey) || same(hostKey, ownKey) || !tidy(name, 64) {
		return nil, sealError("MALFORMED")
	}
	step3, err := c.noise.write(join(ownKey, []byte(c.name)))
	if err != nil {
		return nil, err
	}
	c.peerName = name
	c.prk, c.h = c.noise.split(secret)
	c.keys = pairKeys{
		pairID: kdf(c.prk, "pair id", idBytes), own: c.own, peerX25519: c.code.hostX25519,
		ownKey: ownKey, peerKey: hostKey, psk: kdf(c.prk, "session psk", keyBytes),
	}
	return step3, nil
}

func (c *ceremony) tellNumber(payload []byte) ([]byte, error) {
	commitment, err := c.unbox(4, payload, 32)
	if err != nil {
		return nil, err
	}
	c.commitment, c.nPhone = commitment, c.rng(32)
	return c.box(5, c.nPhone), nil
}

func (c *ceremony) showCode(payload []byte) error {
	nHost, err := c.unbox(6, payload, 32)
	if err != nil {
		return err
	}
	if !same(hash([]byte("dispatch/pair/1 commit"), c.h, nHost), c.commitment) {
		return sealError("COMMITMENT")
	}
	number := binary.BigEndian.Uint64(kdf(c.prk, "sas"+string(nHost)+string(c.nPhone), 8)) % 1_000_000
	c.shown = fmt.Sprintf("%03d %03d", number/1000, number%1000)
	return nil
}

// confirm is the person's yes. The caller commits keys, as provisional, before it sends what this gives.
func (c *ceremony) confirm() ([]byte, error) {
	if c.shown == "" || c.attested != nil {
		return nil, errUsedUp
	}
	c.attested = enc("dispatch/attest/1", c.keys.pairID, []byte(c.code.service), c.keys.peerKey, c.keys.ownKey)
	return c.box(7, ed25519.Sign(c.device, c.attested)), nil
}

func (c *ceremony) finish(payload []byte) error {
	signature, err := c.unbox(8, payload, ed25519.SignatureSize)
	if err != nil {
		return err
	}
	if !verify(c.keys.peerKey, c.attested, signature) {
		return sealError("SIGNATURE")
	}
	return nil
}

func (c *ceremony) box(step byte, content []byte) []byte {
	return sealBox(kdf(c.prk, "pair p2h", keyBytes), append([]byte("dispatch/pair/1"), step), content, c.rng)
}

func (c *ceremony) unbox(step byte, payload []byte, length int) ([]byte, error) {
	content, err := openBox(kdf(c.prk, "pair h2p", keyBytes), append([]byte("dispatch/pair/1"), step), payload)
	if err == nil && len(content) != length {
		err = sealError("MALFORMED")
	}
	return content, err
}
