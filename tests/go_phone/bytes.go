package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/big"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// The primitives of docs/encryption.md, "Conventions" and "Box".

const (
	idBytes  = 16
	keyBytes = 32
)

// draw gives random bytes. A parameter, so that known answers can be checked.
type draw func(count int) []byte

// sealError says why something sealed does not open; its text is a word of the vectors.
type sealError string

func (e sealError) Error() string { return string(e) }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// enc writes fields so that no two lists give the same bytes. Fields here are short: one over 65,535 bytes is a mistake in the program.
func enc(label string, fields ...[]byte) []byte {
	return encFields(append([][]byte{[]byte(label)}, fields...))
}

func encFields(fields [][]byte) []byte {
	var written []byte
	for _, field := range fields {
		if len(field) > 1<<16-1 {
			panic("a field is too long")
		}
		written = append(binary.BigEndian.AppendUint16(written, uint16(len(field))), field...)
	}
	return written
}

func hash(parts ...[]byte) []byte {
	sum := sha256.Sum256(join(parts...))
	return sum[:]
}

func mac(key []byte, data ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range data {
		h.Write(part)
	}
	return h.Sum(nil)
}

func extract(salt, secret []byte) []byte {
	prk, err := hkdf.Extract(sha256.New, secret, salt)
	if err != nil {
		panic(err)
	}
	return prk
}

// kdf is the document's KDF; its labels may hold raw bytes.
func kdf(prk []byte, label string, length int) []byte {
	key, err := hkdf.Expand(sha256.New, prk, "dispatch/1 "+label, length)
	if err != nil {
		panic(err)
	}
	return key
}

func deviceID(key []byte) []byte     { return hash([]byte("dispatch/device/1"), key)[:idBytes] }
func messageID(sealed []byte) []byte { return hash(sealed)[:idBytes] }
func keyID(key []byte) []byte        { return hash(key)[:8] }

const boxOverhead = 32

func sealBox(key, aad, text []byte, rng draw) []byte {
	salt := rng(16)
	return aead(mac(key, salt)).Seal(salt, make([]byte, chacha20poly1305.NonceSize), text, aad)
}

func openBox(key, aad, box []byte) ([]byte, error) {
	if len(box) < boxOverhead {
		return nil, sealError("MALFORMED")
	}
	text, err := aead(mac(key, box[:16])).Open(nil, make([]byte, chacha20poly1305.NonceSize), box[16:], aad)
	if err != nil {
		return nil, sealError("BAD_TAG")
	}
	return text, nil
}

func aead(key []byte) interface {
	Seal(dst, nonce, plaintext, additionalData []byte) []byte
	Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
} {
	cipher, err := chacha20poly1305.New(key)
	if err != nil {
		panic(err)
	}
	return cipher
}

// verify refuses keys of small order as well: under such a key one signature fits every message.
func verify(key, message, signature []byte) bool {
	return usable(key) && len(signature) == ed25519.SignatureSize && ed25519.Verify(key, message, signature)
}

var smallOrder = smallOrders()

func smallOrders() []*big.Int {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	y8, _ := new(big.Int).SetString("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
	return []*big.Int{
		big.NewInt(0), big.NewInt(1), new(big.Int).Sub(p, big.NewInt(1)), y8, new(big.Int).Sub(p, y8),
		// The same points, written with y + p where that fits.
		p, new(big.Int).Add(p, big.NewInt(1)),
	}
}

// usable tells whether these bytes may be somebody's Ed25519 key.
func usable(key []byte) bool {
	if len(key) != ed25519.PublicKeySize {
		return false
	}
	reversed := slices.Clone(key)
	slices.Reverse(reversed)
	reversed[0] &= 0x7f
	y := new(big.Int).SetBytes(reversed)
	return !slices.ContainsFunc(smallOrder, func(small *big.Int) bool { return small.Cmp(y) == 0 })
}

func same(a, b []byte) bool { return bytes.Equal(a, b) }

var errUsedUp = errors.New("used out of its order")
