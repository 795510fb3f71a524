package main

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// linkError is what is wrong with a text that should be a pairing code; its text is a word of the vectors.
type linkError string

func (e linkError) Error() string { return string(e) }

const scheme = "dispatch:pair#"

// code is what a host shows. Secret until the offer has ended.
type code struct {
	offerID, secret, hostX25519 []byte
	service                     string
}

func (c code) claimToken() []byte { return kdf(extract(nil, c.secret), "claim", keyBytes) }
func (c code) psk() []byte        { return kdf(extract(nil, c.secret), "pair psk", keyBytes) }

func readLink(text string) (code, error) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, scheme) || len(text) > 2048 {
		return code{}, linkError("NOT_OURS")
	}
	coded := strings.TrimPrefix(text, scheme)
	data, err := base64.RawURLEncoding.Strict().DecodeString(coded)
	// Go's decoder passes over ends of lines, so it is compared with what encoding gives.
	if err != nil || base64.RawURLEncoding.EncodeToString(data) != coded {
		return code{}, linkError("DAMAGED")
	}
	const fixed = 1 + idBytes + 2*keyBytes
	switch {
	case len(data) > 0 && data[0] > 1:
		return code{}, linkError("NEWER")
	case len(data) <= fixed || data[0] != 1 || !tidy(string(data[fixed:]), 253):
		return code{}, linkError("DAMAGED")
	}
	return code{data[1:17], data[17:49], data[49:fixed], string(data[fixed:])}, nil
}

var turns = []*unicode.RangeTable{unicode.Bidi_Control, unicode.Cc, unicode.Cs, unicode.Zl, unicode.Zp}

// tidy tells whether a name that somebody else sent can play no tricks on a person.
func tidy(name string, longest int) bool {
	return name != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= longest &&
		norm.NFC.IsNormalString(name) && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(sign rune) bool { return unicode.In(sign, turns...) })
}
