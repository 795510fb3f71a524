"""What answers a question from a keyboard, and how permissions are named there."""

from __future__ import annotations

import pytest
from dispatch import errors
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.device import permission_words, question_words

ID = b"q" * 16
RULED = pb.Question(question_id=ID, text="Run it?", action_digest=b"d" * 32, rule="run make")
ONCE = pb.Question(question_id=ID, text="Run it?", action_digest=b"d" * 32)
CHOICE = pb.Question(question_id=ID, text="Which?", choices=["north", "7"])
WORDS = pb.Question(question_id=ID, text="What name?")


@pytest.mark.parametrize(
    ("question", "said", "answer"),
    [
        (RULED, "once", pb.Answer(question_id=ID, approval=pb.APPROVAL_ONCE)),
        (RULED, " Always ", pb.Answer(question_id=ID, approval=pb.APPROVAL_ALWAYS)),
        (ONCE, "deny", pb.Answer(question_id=ID, approval=pb.APPROVAL_DENY)),
        (CHOICE, "north", pb.Answer(question_id=ID, text="north")),
        (CHOICE, "2", pb.Answer(question_id=ID, text="7")),
        (CHOICE, "7", pb.Answer(question_id=ID, text="7")),
        (WORDS, " always ", pb.Answer(question_id=ID, text="always")),
    ],
)
def test_an_answer_is_read(question: pb.Question, said: str, answer: pb.Answer) -> None:
    assert question_words.read(question, said) == answer


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (RULED, "yes"),
        (RULED, ""),
        (ONCE, "task"),
        (CHOICE, "0"),
        (CHOICE, "3"),
        (CHOICE, "²"),
        (CHOICE, ""),
        (WORDS, " "),
    ],
)
def test_what_is_no_answer_is_refused_with_those_that_are(question: pb.Question, said: str) -> None:
    with pytest.raises(errors.BadRequest, match="the answer is"):
        question_words.read(question, said)


def test_a_person_sees_all_of_the_question() -> None:
    question = pb.Question(
        question_id=ID, text="Run it?", action_digest=b"d" * 32, rule="run make", preview="`make`\nin x"
    )

    assert list(question_words.lines(question)) == [
        "Run it?",
        "  `make`",
        "  in x",
        "  task and always hold for: run make",
        "  Answer with once, task, always or deny.",
    ]


def test_the_words_of_an_agent_are_told_from_a_question_of_the_hosts() -> None:
    posing = pb.Question(question_id=ID, text="Run it?", choices=["once", "deny"])

    assert next(question_words.lines(posing)) == "The agent asks: Run it?"


@pytest.mark.parametrize(("said", "ms"), [("90s", 90_000), ("30m", 1_800_000), ("2h", 7_200_000), ("7d", 604_800_000)])
def test_how_long_is_read(said: str, ms: int) -> None:
    assert permission_words.duration_ms(said) == ms


@pytest.mark.parametrize("said", ["", "2", "h", "0h", "-2h", "2 h", "1.5h", "2w", "²h", "1000000d"])
def test_what_is_no_duration_is_refused(said: str) -> None:
    with pytest.raises(errors.BadRequest):
        permission_words.duration_ms(said)


@pytest.mark.parametrize(
    "words", [[], ["terminal", "x"], ["folder"], ["folder", ""], ["connector"], ["everything"], ["folder", "a", "b"]]
)
def test_what_is_no_permission_is_refused(words: list[str]) -> None:
    with pytest.raises(errors.BadRequest):
        permission_words.named(words)
