package main

import (
	"encoding/hex"
	"strings"

	errorv1 "dispatch/api/error/v1"
	relayv1 "dispatch/api/relay/v1"
	threadv1 "dispatch/api/thread/v1"
)

// told takes what an event says of its task.
func (r *reader) told(event *threadv1.Event) {
	r.events = append(r.events, kindOf(event))
	id := hex.EncodeToString(event.TaskId)
	of := r.tasks[id]
	if of == nil {
		of = &task{}
	}
	switch said := event.Event.(type) {
	case *threadv1.Event_Accepted:
		accepted := said.Accepted
		at := head{accepted.GetPhoneHead().GetNumber(), accepted.GetPhoneHead().GetHash()}
		if !verify(r.keys.ownKey, taskWords(r.keys.pairID, event.TaskId, accepted.Attempt, accepted.Action, at), accepted.Signature) {
			r.holes++ // words that this phone never signed
			return
		}
		of.state = "accepted"
	case *threadv1.Event_Started:
		of.state = "running"
	case *threadv1.Event_ResultText:
		of.text += said.ResultText.Text
		r.tasks[id] = of
		return
	case *threadv1.Event_Ended:
		of.state = strings.ToLower(strings.TrimPrefix(relayv1.Outcome_name[int32(said.Ended.Outcome)], "OUTCOME_"))
		if said.Ended.Reason != errorv1.Reason_REASON_UNSPECIFIED {
			of.reason = word(said.Ended.Reason)
		}
		if of.text == "" {
			of.text = said.Ended.Text
		}
	default:
		return
	}
	r.tasks[id] = of
	r.changed(id, of)
}

// kindOf gives the name of the event's field in the contract, "result_text".
func kindOf(event *threadv1.Event) string {
	message := event.ProtoReflect()
	if field := message.WhichOneof(message.Descriptor().Oneofs().ByName("event")); field != nil {
		return string(field.Name())
	}
	return "unknown"
}

func word(reason errorv1.Reason) string {
	return strings.TrimPrefix(errorv1.Reason_name[int32(reason)], "REASON_")
}
