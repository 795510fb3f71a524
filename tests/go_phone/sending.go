package main

import (
	"crypto/ed25519"
	"slices"
	"time"

	relayv1 "dispatch/api/relay/v1"
	threadv1 "dispatch/api/thread/v1"

	"google.golang.org/protobuf/proto"
)

const (
	validFor     = 10 * time.Second
	mostAttempts = 6
)

// again: a refusal that another attempt cures, once there is a new session.
var again = []string{"SESSION_NEEDED", "STALE_EPOCH", "DEADLINE_PASSED"}

// sent is what came of a command: the relay's verdict on its last attempt.
type sent struct {
	reason  string // "" for taken
	attempt uint32
}

// send hands over an action about a task and waits for its verdict. The same task id may be sent again: it can't run twice.
func (t *thread) send(taskID, action []byte, attempt uint32) sent {
	for last := attempt + mostAttempts; ; attempt++ {
		messageID, post := t.sealed(taskID, action, attempt)
		found := t.verdictOn(messageID, post)
		if !slices.Contains(again, found.reason) || attempt+1 == last {
			return sent{found.reason, attempt}
		}
		t.mutex.Lock()
		t.session = nil // it is of no use: another begins by itself
		t.mutex.Unlock()
	}
}

// sealed writes one attempt. Without a session, because the host is away, the seal is empty: the refusal takes the one path.
func (t *thread) sealed(taskID, action []byte, attempt uint32) ([]byte, *relayv1.DeviceFrame) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for t.stream == nil || t.session == nil && t.peer.State != relayv1.Reachability_REACHABILITY_ABSENT {
		t.news.Wait()
	}
	post := &relayv1.Post{TaskId: taskID, Kind: relayv1.Kind_KIND_COMMAND, ValidForMs: uint32(validFor.Milliseconds())}
	if t.session == nil {
		post.MessageId = t.rng(idBytes)
	} else {
		at := t.reader.at
		body, err := proto.Marshal(&threadv1.UpCommand{
			PairId: t.keys.pairID, TaskId: taskID, Attempt: attempt, Action: action,
			DeadlineMs: uint64((time.Since(t.session.began) + validFor).Milliseconds()),
			Head:       &threadv1.Head{Number: at.number, Hash: at.hash},
			Signature:  ed25519.Sign(t.service.device, taskWords(t.keys.pairID, taskID, attempt, action, at)),
		})
		if err != nil {
			panic(err)
		}
		post.Sealed, t.session.upCommand = t.session.upCommand.seal(body, t.rng)
		post.MessageId = messageID(post.Sealed)
	}
	return post.MessageId, &relayv1.DeviceFrame{Frame: &relayv1.DeviceFrame_Post{Post: post}}
}

// verdictOn posts until there is a verdict: once on each stream, the same bytes, which the relay knows again by their id.
func (t *thread) verdictOn(messageID []byte, post *relayv1.DeviceFrame) verdict {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var postedOn *stream
	for {
		if found, there := t.verdicts[key(messageID)]; there {
			delete(t.verdicts, key(messageID))
			return found
		}
		if t.stream != nil && t.stream != postedOn {
			postedOn = t.stream
			t.say(post)
			continue
		}
		t.news.Wait()
	}
}

// taskAction is a person's words as what is signed.
func taskAction(taskID []byte, text string) ([]byte, error) {
	return proto.Marshal(&threadv1.Action{ActionId: taskID, Action: &threadv1.Action_Task{Task: &threadv1.Task{Text: text}}})
}

// leave says goodbye, which ends the stream.
func (t *thread) leave() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.left = true
	t.say(&relayv1.DeviceFrame{Frame: &relayv1.DeviceFrame_Bye{Bye: &relayv1.Bye{}}})
}

// cut breaks the line as a network does.
func (t *thread) cut() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.stream != nil {
		t.stream.cancel()
	}
}
