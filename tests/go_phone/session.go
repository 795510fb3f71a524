package main

import (
	"crypto/mlkem"
	"encoding/binary"
	"slices"
	"time"
)

// A session: its handshake, its four chains, and the frames that they seal and open. docs/encryption.md "Session".

const (
	up, down                           = 0, 1
	classCommand, classLive, classKeep = 0, 1, 2
	message1, message2                 = 0x81, 0x82
	furthestAhead                      = 16_384
	headerBytes                        = 17
)

var textSizes = []int{256, 1024, 4096, 16384, 65536}

// chain is a value: turning it gives another, which is put in its place only when the tag was right.
type chain struct {
	pairID, epoch    []byte
	direction, class byte
	n                uint64
	key              []byte
}

func (c chain) aad(header []byte) []byte {
	return join([]byte("dispatch/frame/1"), c.pairID, []byte{c.direction, c.class}, header)
}

func (c chain) turned() chain {
	c.key, c.n = mac(c.key, []byte{2}), c.n+1
	return c
}

func (c chain) seal(body []byte, rng draw) ([]byte, chain) {
	size := textSizes[slices.IndexFunc(textSizes, func(size int) bool { return size >= 4+len(body) })]
	text := append(append(u32(uint32(len(body))), body...), make([]byte, size-4-len(body))...)
	header := join([]byte{1}, c.epoch, u64(c.n))
	return append(header, sealBox(mac(c.key, []byte{1}), c.aad(header), text, rng)...), c.turned()
}

func (c chain) open(sealed []byte) ([]byte, chain, error) {
	switch {
	case len(sealed) == 0:
		return nil, c, sealError("MALFORMED")
	case sealed[0] != 1:
		return nil, c, sealError("VERSION")
	case !slices.Contains(textSizes, len(sealed)-headerBytes-boxOverhead):
		return nil, c, sealError("MALFORMED")
	case !same(sealed[1:9], c.epoch):
		return nil, c, sealError("UNKNOWN_EPOCH")
	}
	n := binary.BigEndian.Uint64(sealed[9:headerBytes])
	if n < c.n {
		return nil, c, sealError("TOO_OLD")
	}
	if n-c.n > furthestAhead {
		return nil, c, sealError("TOO_FAR")
	}
	ahead := c
	for ahead.n < n {
		ahead = ahead.turned()
	}
	text, err := openBox(mac(ahead.key, []byte{1}), c.aad(sealed[:headerBytes]), sealed[headerBytes:])
	if err != nil {
		return nil, c, err
	}
	length := uint64(binary.BigEndian.Uint32(text))
	if length > uint64(len(text)-4) || slices.ContainsFunc(text[4+length:], func(pad byte) bool { return pad != 0 }) {
		return nil, c, sealError("MALFORMED")
	}
	return text[4 : 4+length], ahead.turned(), nil
}

// head is a place in the thread.
type head struct {
	number uint64
	hash   []byte
}

func noHead() head { return head{hash: make([]byte, 32)} }

func (h head) bytes() []byte { return append(u64(h.number), h.hash...) }

// epoch is the keys of one session. Never written down, but for its keep chain.
type epoch struct {
	id                                    []byte
	began                                 time.Time
	upCommand, upLive, downKeep, downLive chain
	hostEpoch                             []byte // where the host sealed until now; nil for nowhere
}

// greeting is an open handshake.
type greeting struct {
	keys  pairKeys
	kem   *mlkem.DecapsulationKey768
	noise *handshake
	began time.Time
}

// greet writes message 1. It draws the KEM's seed, then the ephemeral key.
func greet(keys pairKeys, grant []byte, at head, now time.Time, rng draw) (*greeting, []byte, error) {
	header := join(keys.pairID, []byte{1, 1}) // one version: 1
	kem, err := mlkem.NewDecapsulationKey768(rng(mlkem.SeedSize))
	if err != nil {
		return nil, nil, err
	}
	noise, err := beginHandshake("Noise_KKpsk0_25519_ChaChaPoly_SHA256", enc("dispatch/session/1", header, keys.peerKey, keys.ownKey), keys.own, keys.peerX25519, keys.psk, rng)
	if err != nil {
		return nil, nil, err
	}
	written, err := noise.write(join(kem.EncapsulationKey().Bytes(), encFields([][]byte{grant}), at.bytes()))
	return &greeting{keys, kem, noise, now}, join([]byte{message1}, header, written), err
}

// finish reads message 2; one that does not fit leaves the handshake open for the true one.
func (g *greeting) finish(message []byte, now time.Time) (*epoch, error) {
	if len(message) == 0 || message[0] != message2 {
		return nil, sealError("MALFORMED")
	}
	payload, err := g.noise.read(message[1:])
	if err != nil {
		return nil, sealError("BAD_TAG")
	}
	const ct = mlkem.CiphertextSize768
	if len(payload) != ct+9 || payload[ct] != 1 {
		return nil, sealError("VERSION")
	}
	secret, err := g.kem.Decapsulate(payload[:ct])
	if err != nil {
		return nil, sealError("MALFORMED")
	}
	prk, _ := g.noise.split(secret)
	id := kdf(prk, "epoch", 8)
	of := func(label string, direction, class byte) chain {
		return chain{g.keys.pairID, id, direction, class, 0, kdf(prk, label, keyBytes)}
	}
	begun := &epoch{
		id: id, began: now,
		upCommand: of("up command", up, classCommand), upLive: of("up live", up, classLive),
		downKeep: of("down keep", down, classKeep), downLive: of("down live", down, classLive),
	}
	if host := payload[ct+1:]; !same(host, make([]byte, 8)) {
		begun.hostEpoch = host
	}
	return begun, nil
}

// keepChains are the phone's chains of down keep, oldest first: rows of an older epoch may still wait at the relay.
type keepChains []chain

// pruned makes room for a new epoch: what was started after the one that the host named goes, the newest three of the rest stay.
func (k keepChains) pruned(fresh chain, hostEpoch []byte) keepChains {
	kept := slices.Clone(k)
	if at := slices.IndexFunc(kept, func(one chain) bool { return same(one.epoch, hostEpoch) }); hostEpoch != nil && at >= 0 {
		kept = kept[:at+1]
	}
	return append(kept[max(0, len(kept)-3):], fresh)
}

// open opens a row with the chain of its epoch; older chains are not needed any more.
func (k keepChains) open(sealed []byte) ([]byte, keepChains, error) {
	for at, one := range k {
		if len(sealed) > 9 && same(sealed[1:9], one.epoch) {
			body, turned, err := one.open(sealed)
			if err != nil {
				return nil, k, err
			}
			return body, append(keepChains{turned}, k[at+1:]...), nil
		}
	}
	return nil, k, sealError("UNKNOWN_EPOCH")
}
