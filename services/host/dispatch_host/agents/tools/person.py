"""The toolbox of the person: a question in the middle of a task, answered from phone or host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dispatch_host.agents.asking import CHOICES_LIMIT, JSON, TEXT_BYTES, Choice, Said
from dispatch_host.agents.given import Given, listed, schema, words
from dispatch_host.agents.toolbox import Tool, ToolFailed, Work


class PersonTools:
    """Asks the person."""

    async def tools(self, work: Work) -> Sequence[Tool]:
        """Give the one tool; it needs no permission."""
        del work
        about = (
            "Ask the person something that you can't find out and can't go on without. They are called on their phone and may "
            "not answer. With choices the answer is one of them."
        )
        takes = schema(["question"], question=words("One question."), choices=listed("The answers that there are."))
        return [Tool("ask_person", about, takes, self._ask)]

    async def _ask(self, arguments: Mapping[str, JSON], work: Work) -> str:
        given = Given(arguments)
        text = given.needed("question", most=TEXT_BYTES // 4)
        choices = given.texts("choices", most=CHOICES_LIMIT)
        given.done()
        try:
            question = Choice(text=text, choices=choices)
        except ValueError as wrong:
            raise ToolFailed(f"That can't be asked: {wrong}.") from None
        match await work.ask.which(question):
            case Said(text=said):
                return f"The person says: {said}"
            case _:
                return "Nobody answered in time. Go on without an answer if that makes sense, and say so."
