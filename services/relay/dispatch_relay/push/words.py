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

from dispatch_relay.push import OwedCall
from dispatch_relay.push.schedule import is_question

PAYLOAD_BYTES = 128
"""Of every payload: its length would tell what is in it."""
_MOST_COUNTED = 999
_TOPIC_BYTES = 24
_NEWS_TTL_SECONDS = 24 * 60 * 60
_QUESTION_TTL_SECONDS = 60 * 60
TITLE = "Dispatch"

_ENDED = {
    Outcome.OUTCOME_DONE: ("is done", "are done"),
    Outcome.OUTCOME_FAILED: ("failed", "failed"),
    Outcome.OUTCOME_CANCELLED: ("was cancelled", "were cancelled"),
    Outcome.OUTCOME_INTERRUPTED: ("was interrupted", "were interrupted"),
    Outcome.OUTCOME_DENIED: ("ended because somebody said no", "ended because somebody said no"),
    Outcome.OUTCOME_TIMED_OUT: ("ended because nobody answered", "ended because nobody answered"),
}


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


def sentence(calls: Sequence[OwedCall]) -> str:
    """Write what a service is told: which states and how many, and nothing else."""
    ended = Counter(owed.outcome for owed in calls if owed.outcome)
    parts = [_many(ended[outcome], "task", words) for outcome, words in _ENDED.items() if ended[outcome]]
    asked = sum(1 for owed in calls if is_question(owed))
    if asked:
        parts.append("a question waits" if asked == 1 else f"{asked} questions wait")
    if any(not owed.seq for owed in calls):
        parts.append("a computer with a task is out of contact")
    if not parts:
        parts.append("there is news")
    text = ", ".join(parts)
    return text[0].upper() + text[1:] + "."


def _many(count: int, noun: str, words: tuple[str, str]) -> str:
    one, several = words
    return f"1 {noun} {one}" if count == 1 else f"{count} {noun}s {several}"
