"""Turns what `watch` says into the cards of each thread. Pure: it knows no window and asks nobody.

A card is a task, or a mark between tasks. Events may come again, after another process has taken the home over: what has a number
is taken once, what tells how a task stands replaces what was told before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dispatch import errors
from dispatch.plain import one_line, plain
from dispatch.words import Words
from dispatch.words.spoken import spoken

from mobile_sim.saying.phrases import OUTCOMES, hour, size, state_word, waits_for
from mobile_sim.saying.said import How, Said
from mobile_sim.saying.sayer import Sayer
from mobile_sim.task_view import ON_THE_WAY, UNSENT, WITH_HOST

Event = dict[str, Any]

_MARKS = ("paired", "missed", "restored", "lost", "earlier", "unknown")
_CANCELLABLE = ON_THE_WAY | WITH_HOST
_LONGEST_PARTIAL = 64 * 1024


@dataclass(slots=True)
class Card:
    """One task of a thread, or one mark."""

    key: str
    thread: str
    host: str
    task_id: str = ""
    words: str = ""
    """The person's."""
    at_ms: int = 0
    beside: str = ""
    body: list[Said] = field(default_factory=list)
    partial: str = ""
    """The answer as far as it is being written."""
    question: Event | None = None
    """What it asks, while it asks."""
    artifacts: list[Event] = field(default_factory=list)
    state: str = ""
    stands: Event = field(default_factory=dict)
    over: bool = False

    @property
    def cancellable(self) -> bool:
        """Whether a cancellation may still come in time."""
        return bool(self.task_id) and not self.over and self.state in {*_CANCELLABLE, "out_of_contact"}

    @property
    def steerable(self) -> bool:
        """Whether an agent works on it, who may take more words."""
        return not self.over and self.state in ("running", "asking", "started")

    @property
    def sendable(self) -> bool:
        """Whether a person may send it again."""
        return self.state in {*UNSENT, "unconfirmed"}

    @property
    def droppable(self) -> bool:
        """Whether its words can be dropped from the outbox."""
        return self.state in UNSENT

    @property
    def dismissible(self) -> bool:
        """Whether a person may wait for it no longer."""
        return not self.over and bool(self.stands.get("dismissible")) and self.state != "dismissed"

    def head(self, words: Words) -> Said | None:
        """Give the person's words, with when they were said."""
        if not self.task_id:
            return None
        said = plain(self.words) or words.window("words_deleted")
        return Said(f"{hour(self.at_ms)}  {said}{self.beside}", bold=True)

    def standing(self, words: Words) -> Iterator[Said]:
        """Say how it stands, as long as the thread itself has not said how it ended."""
        if not self.stands or self.over:
            return
        state, told = self.state, spoken(self.stands, words)
        sign, colour = OUTCOMES.get(state, ("…", "yellow"))
        here = f", {words.line('answered_here')}" if told.get("answered") == "here" else ""
        if told.get("answer"):
            yield Said(told["answer"], how=How.MARKDOWN, indent="  ")
        reason = told.get("reason", "")
        yield Said(f"{sign} {self._stands_how(words)}{here}", fg=colour)
        if waiting := waits_for(told, words):
            yield Said(f"! {waiting}", fg="yellow")
        if reason and reason != _NOT_OVER:
            # Else the answer says it.
            why = "" if told.get("answer") else errors.of_word(reason).words_in(words).sentence
            yield Said("  " + " ".join(filter(None, (why, told.get("advice", "")))))
        if told.get("warning"):
            yield Said(f"! {told['warning']}", fg="red")

    def _stands_how(self, words: Words) -> str:
        host, place = one_line(self.host, 64), str(self.stands.get("position") or "?")
        if self.state in _LINES:
            return words.line(_LINES[self.state], host=host, agent=host, position=place)
        return state_word(self.state, words)


_NOT_OVER = errors.word(errors.NotOver.reason)
_LINES = {
    "sent": "sent",
    "handed_over": "handed_over",
    "accepted": "accepted",
    "waiting": "waiting",
    "running": "started",
    "asking": "asks_above",
    "not_sent": "kept_unsent",
    "refused": "kept_refused",
}
"""The lines that say more of a state than its word."""


class Conversation:
    """The cards of every thread, in their order."""

    def __init__(self, sayer: Sayer, words: Words) -> None:
        self._sayer = sayer
        self._words = words
        self._cards: dict[str, dict[str, Card]] = {}
        self._numbers: dict[str, int] = {}  # of the newest event, by pairing

    def cards(self, thread: str) -> list[Card]:
        """List a thread's cards, oldest first."""
        return list(self._cards.get(thread, {}).values())

    def knows(self, task_id: str) -> bool:
        """Tell whether there is a card of this task."""
        return any(task_id in cards for cards in self._cards.values())

    def take(self, event: Event) -> Card | None:
        """Take an event in; gives the card that it changed. None for one that is known, or of no interest."""
        if event["event"] == "stands":
            return self._stands(event)
        if event.get("partial"):
            return self._partial(event)
        if event["event"] == "earlier":
            return self._mark(event, f"{event['pair_id']} earlier")
        if "number" not in event or event["number"] <= self._numbers.get(event["pair_id"], 0):
            return None
        self._numbers[event["pair_id"]] = event["number"]
        if event["event"] in _MARKS or "task_id" not in event:
            return self._mark(event, f"{event['pair_id']} {event['number']}")
        return self._of_task(event)

    def _mark(self, event: Event, key: str) -> Card:
        card = self._card(event, key)
        if event["event"] == "earlier":
            card.body = [Said(f"— {self._words.window('earlier')} —", dim=True)]
        else:
            card.body = [said for said in self._sayer.say(event) if said.text]
        return card

    def _stands(self, event: Event) -> Card:
        card = self._card(event, event["task_id"])
        card.task_id, card.words, card.at_ms = event["task_id"], event["text"], event["asked_at"]
        card.state, card.stands = event["state"], event
        card.beside = f" ({self._words.line('by_schedule')})" if event.get("scheduled") else ""
        if card.state in UNSENT:
            card.over = False  # what the thread never had can't have ended in it
        return card

    def _partial(self, event: Event) -> Card | None:
        card = self._cards.get(event["thread"], {}).get(event["task_id"])
        if card is None or card.over:
            return None
        # One that joins late, or missed some, shows what there is; the whole text comes in the thread.
        known = card.partial if event["offset"] else ""
        card.partial = (known + event["delta"])[-_LONGEST_PARTIAL:]
        return card

    def _of_task(self, event: Event) -> Card:
        card = self._card(event, event["task_id"])
        card.task_id = event["task_id"]
        match event["event"]:
            case "accepted" | "scheduled":
                card.words, card.at_ms = event["text"], event["at"]
                card.beside = f" ({self._words.line('by_schedule')})" if event["event"] == "scheduled" else ""
                names = ", ".join(one_line(one["name"], 60) for one in event.get("attachments", []))
                card.beside += f"  + {names}" if names else ""
                card.state = card.state or "accepted"
            case "asking":
                card.question = event
            case "artifact":
                card.artifacts.append(event)
                fetch = self._words.line("fetched_by_key", name=one_line(event["name"], 80), size=size(event["size"]))
                card.body.append(Said(f"  ↓ {fetch}", folds=True))
            case "answered":
                self._close(card)
                card.body += self._sayer.say(event)
            case "ended":
                self._close(card)
                card.partial, card.over, card.state = "", True, event["outcome"]
                card.body += self._sayer.say(event)
            case "text":
                card.partial = ""
                card.body += self._sayer.say(event)
            case "waiting":
                pass  # how it stands says so, for as long as it is so
            case _:
                card.state = "running" if event["event"] == "started" and not card.stands else card.state
                card.body += [said for said in self._sayer.say(event) if said.how is not How.PASSING]
        return card

    def _close(self, card: Card) -> None:
        """Leave what was asked where it was asked, without its preview."""
        if card.question is not None:
            card.body += self._sayer.say({**card.question, "detail": ""})
            card.question = None

    def _card(self, event: Event, key: str) -> Card:
        cards = self._cards.setdefault(event["thread"], {})
        if key not in cards:
            cards[key] = Card(key=key, thread=event["thread"], host=event["host"])
        return cards[key]
