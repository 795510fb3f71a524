package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// gRPC as far as it is needed here, on the HTTP/2 of the standard library: a message is a byte 0, its length in 4 bytes, its
// bytes; how a call ended stands in the trailers. A client that has grpc-go uses that.

const longestMessage = 4 << 20

// refusal is why a call or a stream ended: a word of dispatch.api.error.v1.Reason.
type refusal struct {
	reason   string
	metadata map[string]string
	retry    time.Duration
}

func (r *refusal) Error() string { return r.reason }

func refused(reason string) error { return &refusal{reason: reason} }

// channel makes calls to servers. Off loopback it speaks TLS, by the rule of docs/operations.md.
type channel struct{ transport *http.Transport }

func newChannel() *channel {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &channel{&http.Transport{Protocols: protocols}}
}

func target(address, method string) *url.URL {
	host, _, _ := net.SplitHostPort(address)
	scheme := "https"
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		scheme = "http"
	}
	return &url.URL{Scheme: scheme, Host: address, Path: method}
}

// stream is one call: messages in both directions until either side ends it.
type stream struct {
	out      *io.PipeWriter
	cancel   context.CancelFunc
	answered chan struct{} // closed when response or failed is set
	response *http.Response
	failed   error
}

// open begins a call. Nothing is on the wire before the first message of either side.
func (c *channel) open(ctx context.Context, address, method string, metadata http.Header) *stream {
	body, out := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	begun := &stream{out: out, cancel: cancel, answered: make(chan struct{})}
	header := http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	for name, values := range metadata {
		header[http.CanonicalHeaderKey(name)] = values
	}
	request := (&http.Request{Method: http.MethodPost, URL: target(address, method), Header: header, Body: body}).WithContext(ctx)
	go func() {
		defer close(begun.answered)
		begun.response, begun.failed = c.transport.RoundTrip(request)
		if begun.failed != nil {
			body.CloseWithError(begun.failed) // so that no writer waits for a server that is not there
		}
	}()
	return begun
}

func (s *stream) write(message []byte) error {
	_, err := s.out.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
	if err != nil {
		return refused("NO_NETWORK")
	}
	return nil
}

// read gives the next message; io.EOF when the call ended well, a refusal when not.
func (s *stream) read() ([]byte, error) {
	<-s.answered
	if s.failed != nil {
		return nil, refused("NO_NETWORK")
	}
	prefix := make([]byte, 5)
	if _, err := io.ReadFull(s.response.Body, prefix); err != nil {
		return nil, s.ended()
	}
	size := binary.BigEndian.Uint32(prefix[1:])
	if prefix[0] != 0 || size > longestMessage {
		return nil, refused("PROTOCOL_VIOLATION")
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(s.response.Body, message); err != nil {
		return nil, s.ended()
	}
	return message, nil
}

func (s *stream) close() {
	_ = s.out.Close()
	s.cancel()
}

func (s *stream) header(name string) []byte {
	return fromBinary(s.response.Header.Get(name))
}

// ended reads the trailers; a call that is refused at once has them in place of headers.
func (s *stream) ended() error {
	trailers := s.response.Trailer
	if trailers.Get("Grpc-Status") == "" {
		trailers = s.response.Header
	}
	switch status := trailers.Get("Grpc-Status"); status {
	case "0":
		return io.EOF
	case "":
		return refused("NO_NETWORK") // the line broke
	default:
		if found := readStatus(fromBinary(trailers.Get("Grpc-Status-Details-Bin"))); found != nil {
			return found
		}
		if status == "14" || status == "1" || status == "4" {
			return refused("NO_NETWORK")
		}
		return refused("INTERNAL")
	}
}

// unary makes a call with one message in each direction.
func (c *channel) unary(ctx context.Context, address, method string, metadata http.Header, request []byte, response proto.Message) (*stream, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	call := c.open(ctx, address, method, metadata)
	defer call.close()
	if err := call.write(request); err != nil {
		return call, err
	}
	_ = call.out.Close()
	message, err := call.read()
	if err != nil {
		return call, err
	}
	if err := proto.Unmarshal(message, response); err != nil {
		return call, refused("PROTOCOL_VIOLATION")
	}
	if _, err := call.read(); err != io.EOF {
		return call, err
	}
	return call, nil
}

func fromBinary(text string) []byte {
	data, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return data
}

func toBinary(data []byte) string { return base64.RawStdEncoding.EncodeToString(data) }

// readStatus finds google.rpc.ErrorInfo and RetryInfo in a google.rpc.Status. By field number: three small messages are not
// worth another dependency.
func readStatus(status []byte) *refusal {
	var found *refusal
	var retry time.Duration
	for _, detail := range fields(status)[3] {
		parts := fields(detail)
		kind, value := string(first(parts[1])), fields(first(parts[2]))
		switch {
		case strings.HasSuffix(kind, "/google.rpc.ErrorInfo") && string(first(value[2])) == "dispatch":
			found = &refusal{reason: string(first(value[1])), metadata: map[string]string{}}
			for _, entry := range value[3] {
				pair := fields(entry)
				found.metadata[string(first(pair[1]))] = string(first(pair[2]))
			}
		case strings.HasSuffix(kind, "/google.rpc.RetryInfo"):
			delay := fields(first(value[1]))
			seconds, _ := protowire.ConsumeVarint(first(delay[1]))
			nanos, _ := protowire.ConsumeVarint(first(delay[2]))
			retry = time.Duration(min(seconds, 3600))*time.Second + time.Duration(min(nanos, 999_999_999))
		}
	}
	if found != nil {
		found.retry = retry
	}
	return found
}

// fields takes a message apart: by number, bytes as they are, and numbers as they stand on the wire.
func fields(message []byte) map[protowire.Number][][]byte {
	found := map[protowire.Number][][]byte{}
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return found
		}
		size := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if size < 0 {
			return found
		}
		value := message[tag : tag+size]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		found[number] = append(found[number], value)
		message = message[tag+size:]
	}
	return found
}

func first(values [][]byte) []byte {
	if len(values) == 0 {
		return nil
	}
	return values[0]
}
