"""Says what an agent asks and what was answered, and reads an answer: the same on phone and host. Pure; docs/cli.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dispatch import errors
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.plain import one_line, plain
from dispatch.words import ENGLISH, Words

APPROVALS = {
    "once": pb.APPROVAL_ONCE,
    "task": pb.APPROVAL_TASK,
    "always": pb.APPROVAL_ALWAYS,
    "deny": pb.APPROVAL_DENY,
}
"""The words of the command line, and what they mean."""

_PART, _PART_NUMBER = "What is asked about, part", re.compile(r" (\d{1,6}) of (\d{1,6})")
"""As the host writes it into the thread, where phones know it by these words: so it does not go by the catalogue."""


def part_title(number: int, many: int) -> str:
    """Name a step that holds a part of what is too long for the event of its question."""
    return f"{_PART} {number} of {many}"


def part_title_in(title: str, words: Words) -> str:
    """Give the title of a step in a person's language if it is such a part; all other titles are an agent's words, and stay."""
    found = _PART_NUMBER.fullmatch(title.removeprefix(_PART)) if is_part_title(title) else None
    return words.line("part", number=found[1], many=found[2]) if found is not None else title


def is_part_title(title: str) -> bool:
    """Tell whether a step is such a part, by its title. The host sees to it that no agent's own step has one."""
    return title.startswith(_PART)


def approval_word(approval: pb.Approval.ValueType) -> str:
    """Write an approval; empty for none, or one that is not known here."""
    return next((word for word, known in APPROVALS.items() if known == approval), "")


def answers(question: pb.Question) -> list[str]:
    """List the words that answer it; none where any words do."""
    if not question.action_digest:
        return list(question.choices)
    return list(APPROVALS) if question.rule else ["once", "deny"]


def answer_command(task_id: str, choices: Sequence[str], *, is_approval: bool) -> str:
    """Write the phone's command that answers; choices of an agent's own go by their numbers."""
    numbers = "|".join(str(number) for number in range(1, len(choices) + 1))
    possible = "|".join(choices) if is_approval else numbers
    return f"dispatch-phone answer {task_id} {possible or 'WORDS'}"


def possible(question: pb.Question) -> str:
    """Say what answers it, as the end of a sentence."""
    if question.action_digest:
        return "once, task, always or deny" if question.rule else "once or deny"
    return "one of the choices, or its number" if question.choices else "some words"


def asked(text: str, *, is_approval: bool, words: Words = ENGLISH) -> str:
    """Write what is asked, on one line. A choice is the agent's own words: whatever they are, they are seen to be no approval."""
    return one_line(text, 2000) if is_approval else words.line("agent_asks", text=one_line(text, 2000))


def told(question: pb.Question) -> dict[str, Any]:
    """Write a question for programs."""
    written: dict[str, Any] = {
        "question_id": question.question_id.hex(),
        "text": question.text,
        "choices": answers(question),
        "detail": question.preview,
        "answer_within_ms": question.answer_within_ms,
    }
    if question.action_digest:
        written["digest"] = question.action_digest.hex()
        written["rule"] = question.rule or None
    return written


def answered(closed: pb.Answered) -> dict[str, Any]:
    """Write what closed it, without its reason."""
    return {
        "question_id": closed.question_id.hex(),
        "text": approval_word(closed.approval) or closed.text,
        "by": closed.by,
    }


def closed(told: Mapping[str, Any], words: Words = ENGLISH) -> str:
    """Say what closed a question, from what was written for programs: who answered and what, or why nobody did."""
    if told["by"]:
        return words.line("answered", text=one_line(told["text"], 200), by=one_line(told["by"], 64))
    reason = told.get("reason", "")
    if not reason or reason == errors.word(errors.NobodyAnswered.reason):
        return words.line("answered_by_nobody")
    if reason == errors.word(errors.QuestionClosed.reason):
        return words.line("closed_by_agent")
    return words.line("closed", why=errors.of_word(reason).words_in(words).sentence)


def read(question: pb.Question, said: str) -> pb.Answer:
    """Read an answer to a question: a word of an approval, a choice or its number, or any words. Raises BadRequest."""
    words = said.strip()
    choices = answers(question)
    if question.action_digest:
        if words.lower() in choices:
            return pb.Answer(question_id=question.question_id, approval=APPROVALS[words.lower()])
    elif words in choices or (words and not choices):
        return pb.Answer(question_id=question.question_id, text=words)
    elif words.isascii() and words.isdecimal() and 1 <= int(words[:6]) <= len(choices):
        return pb.Answer(question_id=question.question_id, text=choices[int(words[:6]) - 1])
    raise errors.BadRequest(f"the answer is {possible(question)}", metadata={"field": "answer"})


def lines(question: pb.Question, words: Words = ENGLISH) -> Iterator[str]:
    """Ask a person, with all that there is to know."""
    yield asked(question.text, is_approval=bool(question.action_digest), words=words)
    if question.preview:
        yield from (f"  {line}" for line in plain(question.preview).splitlines())
    if question.action_digest:
        if question.rule:
            yield f"  {words.line('holds_for', rule=one_line(question.rule, 2000))}"
    else:
        yield from (f"  {number}. {one_line(choice, 400)}" for number, choice in enumerate(question.choices, start=1))
    yield f"  {words.window(_how_to_answer(question))}"


def _how_to_answer(question: pb.Question) -> str:
    if question.action_digest:
        return "answer_of_four" if question.rule else "answer_of_two"
    return "answer_of_choices" if question.choices else "answer_of_words"
