"""One card of the thread on the screen, and what a person can do with it when it has the focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dispatch.plain import one_line, plain
from dispatch.words import Words
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from mobile_sim.saying.said import Said
from mobile_sim.tui.conversation import Card
from mobile_sim.tui.question_view import QuestionView
from mobile_sim.tui.rendering import rendered

_PARTIAL_LINES = 12


class CardView(Vertical, can_focus=True):
    """A task, or a mark."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "answer", "answer"),
        Binding("f", "wish('fetch')", "fetch"),
        Binding("c", "wish('cancel')", "cancel"),
        Binding("s", "wish('steer')", "steer"),
        Binding("r", "wish('resend')", "resend"),
        Binding("x", "wish('drop')", "drop"),
        Binding("x", "wish('dismiss')", "dismiss"),
        Binding("up", "move(-1)", "", show=False),
        Binding("down", "move(1)", "", show=False),
        Binding("escape", "move(0)", "write"),
    ]

    @dataclass
    class Wished(Message):
        """Something that the person wants done about the task."""

        what: str
        card: Card

    @dataclass
    class Moved(Message):
        """The person goes on to the next card, or back, or (0) to where they write."""

        view: CardView
        by: int

    def __init__(self, card: Card, words: Words) -> None:
        super().__init__(classes="card")
        self.card = card
        self._words = words
        self.can_focus = bool(card.task_id)
        self._body = Static(markup=False, classes="body")
        self._foot = Static(markup=False, classes="foot")

    def compose(self) -> ComposeResult:
        yield self._body
        yield self._foot

    def on_mount(self) -> None:
        """Show it for the first time."""
        self.changed()

    def changed(self) -> None:
        """Show the card as it is now."""
        card = self.card
        self.can_focus = bool(card.task_id)
        head = card.head(self._words)
        lines = [*([head] if head is not None else []), *card.body]
        if card.partial:
            tail = plain(card.partial).splitlines()[-_PARTIAL_LINES:]
            signs = ("▸", *(" " * (len(tail) - 1)))
            lines += [Said(f"{sign} {line}", dim=True, folds=True) for sign, line in zip(signs, tail, strict=False)]
        self._body.update(rendered(lines))
        foot = list(card.standing(self._words))
        self._foot.update(rendered(foot))
        self._foot.display = bool(foot)
        self._show_question()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only what can be done now."""
        card = self.card
        if action == "answer":
            return card.question is not None
        if action == "wish":
            return {
                "fetch": bool(card.artifacts),
                "cancel": card.cancellable,
                "steer": card.steerable,
                "resend": card.sendable,
                "drop": card.droppable,
                "dismiss": card.dismissible,
            }[str(parameters[0])]
        return True

    def action_answer(self) -> None:
        """Go to the answers."""
        self.query_one(QuestionView).begin()

    def action_wish(self, what: str) -> None:
        """Hand the wish on."""
        self.post_message(self.Wished(what, self.card))

    def action_move(self, by: int) -> None:
        """Hand the focus on."""
        self.post_message(self.Moved(self, by))

    def _show_question(self) -> None:
        shown = next(iter(self.query(QuestionView)), None)
        asked = self.card.question
        if shown is not None and (asked is None or asked["question_id"] != shown.question["question_id"]):
            if shown.has_focus_within:
                # Somebody else was first: what the person is just writing must not become words to send, or a key of the card.
                self.screen.set_focus(None)
            shown.remove()
            shown = None
        if shown is None and asked is not None:
            self.mount(QuestionView(asked, self._words), before=self._foot)

    def __repr__(self) -> str:
        return f"CardView({one_line(self.card.words, 40)!r})"
