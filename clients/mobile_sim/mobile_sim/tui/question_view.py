"""What a task asks, on its card: the words, the whole preview, and the answers. None is marked until the person moves to it.

docs/questions.md has what an answer means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dispatch.device import question_words
from dispatch.tui.choices import Choices
from dispatch.words import Words
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Input, OptionList, Static

from mobile_sim.saying.phrases import holds_for
from mobile_sim.tui.rendering import folded, markdown

Event = dict[str, Any]


class QuestionView(Vertical):
    """One open question."""

    @dataclass
    class Answered(Message):
        """The person's answer to exactly this question."""

        question: Event
        words: str

    def __init__(self, question: Event, words: Words) -> None:
        super().__init__(classes="question")
        self.question = question
        self._words = words

    def compose(self) -> ComposeResult:
        asked = self.question
        said = question_words.asked(asked["text"], is_approval="digest" in asked, words=self._words)
        yield Static(folded(f"? {said}"), markup=False, classes="asked")
        if asked.get("detail"):
            with VerticalScroll(classes="preview"):
                yield Static(markdown(asked["detail"]), markup=False)
        if asked.get("rule"):
            yield Static(folded(f"  {holds_for(asked['rule'], self._words)}"), markup=False)
        if asked["choices"]:
            yield Choices(asked["choices"])
        else:
            yield Input(placeholder=self._words.window("answer_field"), compact=True, classes="answers")

    def begin(self) -> None:
        """Go to the answers."""
        self.query_one(".answers").focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take a choice."""
        event.stop()
        self._answer(self.question["choices"][event.option_index])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take words."""
        event.stop()
        if event.value.strip():
            self._answer(event.value)

    def _answer(self, words: str) -> None:
        self.post_message(self.Answered(self.question, words))
