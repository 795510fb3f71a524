package main

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strconv"
	"time"
)

// What the vectors ask for: known answers to known draws. docs/conformance.md "Computing" lists what goes in and what comes out.

// compute answers one question of the vectors; `unknown` says that this client has no use for it.
func compute(what string, in line) (line, error) {
	switch what {
	case "enc":
		var fields [][]byte
		for _, field := range list(in, "fields") {
			fields = append(fields, raw(field))
		}
		return hexed("bytes", encFields(fields)), nil
	case "kdf":
		return hexed("bytes", kdf(in.bytes("prk"), in.text("label"), keyBytes)), nil
	case "ids":
		key := in.bytes("ed25519_public")
		return line{
			"message_id": hex.EncodeToString(messageID(in.bytes("sealed"))), "device_id": hex.EncodeToString(deviceID(key)),
			"key_id": hex.EncodeToString(keyID(key)),
		}, nil
	case "name":
		return line{"taken": tidy(in.text("name"), 64)}, nil
	case "link":
		return computeLink(in.text("link"))
	case "ceremony":
		return computeCeremony(in)
	case "session":
		return computeSession(in)
	case "open":
		body, _, err := readChain(in).open(in.bytes("sealed"))
		if err != nil {
			return line{"why": err.Error()}, nil
		}
		return hexed("body", body), nil
	case "seal":
		sealed, _ := readChain(in).seal(in.bytes("body"), draws(in.bytes("salt")))
		return hexed("sealed", sealed), nil
	case "event_hash":
		return hexed("hash", eventHash(in.bytes("previous"), in.bytes("event"))), nil
	case "task_words":
		attempt, _ := strconv.Atoi(in.text("attempt"))
		words := taskWords(in.bytes("pair_id"), in.bytes("task_id"), uint32(attempt), in.bytes("body"), readHead(in))
		return signedBy(in, words), nil
	case "head_words":
		return signedBy(in, headWords(in.bytes("pair_id"), readHead(in))), nil
	case "stream_proof":
		id := deviceID(publicOf(in))
		return signedBy(in, streamProof(in.text("dialled"), id, in.bytes("client_nonce"), in.bytes("server_nonce"), in.bytes("grant"))), nil
	case "call_proof":
		id := deviceID(publicOf(in))
		return signedBy(in, callProof(in.text("dialled"), in.text("method"), id, in.bytes("nonce"), in.bytes("request"))), nil
	default:
		return line{"unknown": what}, nil
	}
}

func computeLink(text string) (line, error) {
	read, err := readLink(text)
	if err != nil {
		return line{"fault": err.Error()}, nil
	}
	return line{
		"offer_id": hex.EncodeToString(read.offerID), "secret": hex.EncodeToString(read.secret), "service": read.service,
		"host_x25519": hex.EncodeToString(read.hostX25519), "claim_token": hex.EncodeToString(read.claimToken()),
		"psk": hex.EncodeToString(read.psk()),
	}, nil
}

func computeCeremony(in line) (line, error) {
	link, err := readLink(in.text("link"))
	if err != nil {
		return nil, err
	}
	own, err := ecdh.X25519().NewPrivateKey(in.bytes("x25519_private"))
	if err != nil {
		return nil, err
	}
	var drawn [][]byte
	for _, one := range list(in, "draws") {
		drawn = append(drawn, raw(one))
	}
	device := ed25519.NewKeyFromSeed(in.bytes("ed25519_private"))
	met, step1, err := beginCeremony(link, device, in.text("name"), own, draws(drawn...))
	if err != nil {
		return nil, err
	}
	said := hexed("step_1", step1)
	for _, step := range []int{2, 4, 6, 8} {
		if step == 8 {
			step7, err := met.confirm()
			if err != nil {
				return nil, err
			}
			said["step_7"] = hex.EncodeToString(step7)
		}
		answer, err := met.receive(step, in.bytes("step_"+strconv.Itoa(step)))
		if err != nil {
			return line{"failed_at": step}, nil
		}
		if answer != nil {
			said["step_"+strconv.Itoa(step+1)] = hex.EncodeToString(answer)
		}
	}
	said["code"], said["peer"] = met.shown, met.peerName
	said["pair_id"], said["pair_psk"] = hex.EncodeToString(met.keys.pairID), hex.EncodeToString(met.keys.psk)
	return said, nil
}

func computeSession(in line) (line, error) {
	own, err := ecdh.X25519().NewPrivateKey(in.bytes("own_x25519_private"))
	if err != nil {
		return nil, err
	}
	keys := pairKeys{
		pairID: in.bytes("pair_id"), own: own, peerX25519: in.bytes("peer_x25519_public"), psk: in.bytes("pair_psk"),
		ownKey: in.bytes("own_ed25519_public"), peerKey: in.bytes("peer_ed25519_public"),
	}
	var now time.Time
	begun, message, err := greet(keys, in.bytes("grant"), readHead(in), now, draws(in.bytes("kem_seed"), in.bytes("ephemeral")))
	if err != nil {
		return nil, err
	}
	said := hexed("message1", message)
	session, err := begun.finish(in.bytes("message2"), now)
	if err != nil {
		return line{"message1": said["message1"], "why": err.Error()}, nil
	}
	said["epoch"], said["host_epoch"] = hex.EncodeToString(session.id), hex.EncodeToString(session.hostEpoch)
	for label, one := range map[string]chain{
		"up command": session.upCommand, "up live": session.upLive, "down keep": session.downKeep, "down live": session.downLive,
	} {
		said[label] = hex.EncodeToString(one.key)
	}
	return said, nil
}

func readChain(in line) chain {
	number := func(name string) uint64 {
		n, _ := strconv.ParseUint(in.text(name), 10, 64)
		return n
	}
	return chain{in.bytes("pair_id"), in.bytes("epoch"), byte(number("direction")), byte(number("class")), number("n"), in.bytes("key")}
}

func readHead(in line) head {
	number, _ := strconv.ParseUint(in.text("head_number"), 10, 64)
	return head{number, in.bytes("head_hash")}
}

func publicOf(in line) []byte {
	return ed25519.NewKeyFromSeed(in.bytes("ed25519_private")).Public().(ed25519.PublicKey)
}

func signedBy(in line, words []byte) line {
	signature := ed25519.Sign(ed25519.NewKeyFromSeed(in.bytes("ed25519_private")), words)
	return line{"signed_bytes": hex.EncodeToString(words), "signature": hex.EncodeToString(signature)}
}

// draws gives the draws of a vector in order, in place of randomness.
func draws(drawn ...[]byte) draw {
	return func(count int) []byte {
		if len(drawn) == 0 || len(drawn[0]) != count {
			panic(errors.New("the vector has no such draw"))
		}
		next := drawn[0]
		drawn = drawn[1:]
		return append([]byte(nil), next...)
	}
}

func (l line) bytes(name string) []byte { return raw(l.text(name)) }

func raw(text string) []byte {
	data, _ := hex.DecodeString(text)
	return data
}

func list(in line, name string) []string {
	var found []string
	values, _ := in[name].([]any)
	for _, value := range values {
		text, _ := value.(string)
		found = append(found, text)
	}
	return found
}

func hexed(name string, data []byte) line { return line{name: hex.EncodeToString(data)} }
