// A phone in Go, without a screen: it signs in, pairs, sends tasks and reads how they end, told so by lines of JSON.
//
// It is an example to read and a client that is checked: tests/conformance runs it against the real services. What it
// speaks is docs/encryption.md and docs/protocol.md, and with whoever started it docs/conformance.md. Its memory is its
// only store: a phone for people writes to a disk where this one says "commit".
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"sync"
)

// line is one line of JSON, in either direction.
type line map[string]any

func (l line) text(name string) string {
	text, _ := l[name].(string)
	return text
}

// teller writes lines, one at a time.
type teller struct {
	mutex sync.Mutex
	out   *json.Encoder
}

func (t *teller) say(told line) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	_ = t.out.Encode(told) // nobody hears any more: the input ends next
}

func main() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	tell := &teller{out: json.NewEncoder(os.Stdout)}
	phone := newPhone(ctx, tell)
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<22)
	for input.Scan() {
		var wish line
		if json.Unmarshal(input.Bytes(), &wish) != nil {
			continue
		}
		go fulfil(phone, tell, wish)
	}
}

// fulfil does what a line asks for, and answers it with one line.
func fulfil(phone *phone, tell *teller, wish line) {
	done, err := phone.wish(wish)
	if done == nil {
		done = line{}
	}
	if err != nil {
		done["refused"] = reasonOf(err)
	}
	done["done"] = wish["number"]
	tell.say(done)
}
