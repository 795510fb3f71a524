"""What is said to whom: to the phone, to the push service about it, and to a service that the operator named. Pure.

docs/push.md "What a push says".
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.ids import PairId
from dispatch.words import Words

from dispatch_relay.push import OwedCall
from dispatch_relay.push.schedule import is_question

PAYLOAD_BYTES = 128
"""Of every payload: its length would tell what is in it."""
_MOST_COUNTED = 999
_TOPIC_BYTES = 24
_NEWS_TTL_SECONDS = 24 * 60 * 60
_QUESTION_TTL_SECONDS = 60 * 60
TITLE = "Dispatch"
_STATES = {value: name.removeprefix("OUTCOME_").lower() for name, value in Outcome.items() if value}


@dataclass(frozen=True, slots=True)
class Message:
    """One push, for one or more calls of a pairing."""

    pair_id: PairId
    calls: Sequence[OwedCall]

    @property
    def question(self) -> bool:
        """Whether somebody is asked."""
        return any(is_question(owed) for owed in self.calls)


def payload(message: Message) -> bytes:
    """Write what only the phone reads: `PAYLOAD_BYTES` of JSON, blanks behind it."""
    said = {
        "v": 1,
        "pairing": message.pair_id.hex(),
        "hint": "question" if message.question else "news",
        "seq": max(owed.seq for owed in message.calls),
        "calls": min(len(message.calls), _MOST_COUNTED),
    }
    return json.dumps(said, separators=(",", ":")).encode().ljust(PAYLOAD_BYTES)


def headers(message: Message, *, secret: bytes) -> dict[str, str]:
    """Write what the push service is told about a push: how long to keep it, how urgent it is, which older one it replaces.

    `secret` is the relay's: without it a topic leads to no pairing. News never replace a question that nobody fetched yet.
    """
    kind = b"question" if message.question else b"news"
    topic = sha256(b"dispatch/topic/1" + secret + kind + message.pair_id).digest()[:_TOPIC_BYTES]
    return {
        "TTL": str(_QUESTION_TTL_SECONDS if message.question else _NEWS_TTL_SECONDS),
        "Urgency": "high" if message.question else "normal",
        "Topic": base64.urlsafe_b64encode(topic).decode(),
    }


def sentence(calls: Sequence[OwedCall], words: Words) -> str:
    """Write what a service is told, in the person's language: which states and how many, and nothing else."""
    ended = Counter(_STATES.get(owed.outcome, "") for owed in calls if owed.outcome)
    parts = [said.of(ended[state]) for state, said in words.ended.items() if ended[state]]
    if asked := sum(1 for owed in calls if is_question(owed)):
        parts.append(words.question.of(asked))
    if any(not owed.seq for owed in calls):
        parts.append(words.away)
    text = ", ".join(parts or [words.news])
    return text[0].upper() + text[1:] + "."
