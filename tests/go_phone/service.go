package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"sync"

	pairingv1 "dispatch/api/pairing/v1"
	relayv1 "dispatch/api/relay/v1"

	"google.golang.org/protobuf/proto"
)

const (
	appVersion = "0.1.0"
	accounts   = "/dispatch.api.pairing.v1.AccountService/"
	pairings   = "/dispatch.api.pairing.v1.PairingService/"
)

// pairingService calls the pairing service as a device: each call proven with its key over the service's nonce (docs/pairing.md).
type pairingService struct {
	channel *channel
	address string
	name    string // what people call this device
	device  ed25519.PrivateKey

	mutex          sync.Mutex // guards the two below
	nonce, session []byte
}

func (p *pairingService) key() ed25519.PublicKey { return p.device.Public().(ed25519.PublicKey) }

// proof is the metadata of one call. The bytes that are signed are the bytes that are sent.
func (p *pairingService) proof(method string, request []byte) http.Header {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	id := deviceID(p.key())
	signature := ed25519.Sign(p.device, callProof(p.address, method, id, p.nonce, request))
	metadata := http.Header{
		"dispatch-device-bin": {toBinary(id)}, "dispatch-dialled": {p.address},
		"dispatch-nonce-bin": {toBinary(p.nonce)}, "dispatch-proof-bin": {toBinary(signature)},
	}
	if len(p.session) > 0 {
		metadata["dispatch-session-bin"] = []string{toBinary(p.session)}
	}
	return metadata
}

func callProof(dialled, method string, device, nonce, request []byte) []byte {
	return enc("dispatch-pop/1 call", []byte(dialled), []byte(method), device, nonce, hash(request))
}

// call makes a call, and makes it once more with a fresh nonce when the first had none that counts.
func (p *pairingService) call(ctx context.Context, method string, request, response proto.Message) error {
	written, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	for again := true; ; again = false {
		call, err := p.channel.unary(ctx, p.address, method, p.proof(method, written), written, response)
		if err == nil {
			p.noted(call)
			return nil
		}
		if !again || !p.freshNonce(err) {
			return err
		}
	}
}

// follow begins a call that answers with a stream. Its nonce is a moment old: the call before brought it.
func (p *pairingService) follow(ctx context.Context, method string, request proto.Message) (*stream, error) {
	written, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	call := p.channel.open(ctx, p.address, method, p.proof(method, written))
	if err := call.write(written); err != nil {
		return nil, err
	}
	return call, call.out.Close()
}

func (p *pairingService) noted(call *stream) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if next := call.header("Dispatch-Next-Nonce-Bin"); len(next) > 0 {
		p.nonce = next
	}
}

func (p *pairingService) freshNonce(err error) bool {
	var why *refusal
	if !errors.As(err, &why) || why.reason != "NONCE_EXPIRED" {
		return false
	}
	nonce, err := base64.StdEncoding.DecodeString(why.metadata["nonce"])
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.nonce = nonce
	return err == nil
}

func (p *pairingService) signIn(ctx context.Context, account, password string) (string, error) {
	var signedIn pairingv1.SignInResponse
	err := p.call(ctx, accounts+"SignIn", &pairingv1.SignInRequest{
		Account: account, Password: password, DeviceKey: p.key(), DeviceName: p.name,
		DeviceKind: relayv1.DeviceKind_DEVICE_KIND_PHONE, AppVersion: appVersion,
	}, &signedIn)
	p.keepSession(signedIn.Session)
	return signedIn.ServiceName, err
}

// keepSession commits a fresh token before it is used.
func (p *pairingService) keepSession(fresh []byte) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(fresh) > 0 {
		p.session = fresh
	}
}

// grant asks for the right to attach: a serialized SignedGrant, and the relays that take it.
func (p *pairingService) grant(ctx context.Context, pairID []byte) ([]byte, []string, error) {
	var answer pairingv1.RenewGrantResponse
	if err := p.call(ctx, pairings+"RenewGrant", &pairingv1.RenewGrantRequest{PairId: pairID, AppVersion: appVersion}, &answer); err != nil {
		return nil, nil, err
	}
	p.keepSession(answer.Session)
	if len(answer.Relays) == 0 {
		return nil, nil, refused("NO_RELAY")
	}
	grant, err := proto.Marshal(answer.Grant)
	return grant, answer.Relays, err
}
