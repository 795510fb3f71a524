"""What a phone knows of a task: facts in the order in which it learnt them. Kept in the store, read by `task_view`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What was learnt, and from whom."""

    # The phone's own.
    SENT = "sent"
    """An attempt was written to an open stream."""
    NOT_SENT = "not_sent"
    """This phone gave up: it will not send the task again by itself. Says nothing of what was posted before."""
    UNCONFIRMED = "unconfirmed"
    """The word that the attempt waits for is overdue, or the stream broke before it: the relay's verdict, or behind it the
    host's own word."""
    DROPPED = "dropped"
    """The person does not want it sent any more."""
    OUT_OF_CONTACT = "out_of_contact"
    """The host vanished after it had accepted the task, or after the attempt was taken."""
    BACK = "back"
    """It is there again."""
    DISMISSED = "dismissed"
    """The person waits no longer for a task of which nothing can be heard."""

    # The relay's word.
    HANDED_OVER = "handed_over"
    """The attempt was given to the host's stream."""
    TAKEN = "taken"
    """The relay's verdict: accepted. Not believed before the host says so under the seal."""
    REFUSED = "refused"
    """The relay's verdict: refused, for good."""
    NEVER_STORED = "never_stored"
    """The relay's log, read to its head, knows nothing of the attempt; or it never left this phone."""

    # The host's word, under the seal.
    ACCEPTED = "accepted"
    WAITING = "waiting"
    STARTED = "started"
    STEP = "step"
    TEXT = "text"
    ASKING = "asking"
    ANSWERED = "answered"
    ARTIFACT = "artifact"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing learnt about one task. Fields that a kind does not use stay empty."""

    kind: Kind
    at_ms: int
    """For people: the host's clock for its own words, the phone's for all others."""
    attempt: int = 0
    reason: str = ""
    """The word of a reason of the contract."""
    retry_after_ms: int = 0
    text: str = ""
    """Step: its title. Artifact: its name, and in `detail` its id. Text: Markdown. Asking: the question. Ended: the host's
    sentence."""
    detail: str = ""
    outcome: str = ""
    """Ended: the word of an outcome, in small letters."""
    position: int = 0
    size: int = 0
    """Of an artifact."""
    agent: str = ""
    path: str = ""
    """Sent: "direct" or "relay"."""
    question_id: str = ""
    choices: tuple[str, ...] = ()
