"""Events before they have a number: what is too long for one is cut, and nothing is lost by it."""

from __future__ import annotations

import random

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.sealed.frame import LONGEST_BODY
from dispatch_host import entries

TASK = bytes(16)


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_of_a_text_are_the_text_and_each_fits(seed: int) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choice("aä€😀\n ") for _ in range(rng.randrange(4000)))

    parts = list(entries.parts(text, 100))

    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= 100 for part in parts)


def test_a_text_is_cut_at_line_ends_where_there_are_some() -> None:
    assert list(entries.parts("one\ntwo\nthree\n", 9)) == ["one\ntwo\n", "three\n"]


def test_no_text_is_no_part() -> None:
    assert list(entries.result(TASK, "")) == []


def test_bytes_that_are_no_text_become_question_marks() -> None:
    assert entries.clean("a\udcffb") == "a?b"
    assert entries.clean("ä😀") == "ä😀"


def test_a_long_last_word_is_said_as_a_result_before_the_end() -> None:
    *parts, last = entries.ended(TASK, Outcome.OUTCOME_FAILED, Reason.REASON_NEEDS_AGENT, "x" * 100_000)

    assert "".join(part.event.result_text.text for part in parts) == "x" * 100_000
    assert (last.event.ended.reason, last.event.ended.text) == (Reason.REASON_NEEDS_AGENT, "")


@pytest.mark.parametrize("size", [1, 12 * 1024, 12 * 1024 + 1, 48 * 1024])
def test_accepted_fits_one_body_whatever_the_words(size: int) -> None:
    text = "x" * size
    action = pb.Action(task=pb.Task(text=text), action_id=TASK).SerializeToString()
    command = pb.UpCommand(pair_id=TASK, task_id=TASK, attempt=1, action=action, signature=bytes(64))

    event = entries.accepted(command, text=text).event

    assert event.ByteSize() < LONGEST_BODY - 300
    assert pb.Action.FromString(event.accepted.action).task.text == text


def test_a_step_is_cut_to_fit() -> None:
    event = entries.step(TASK, "t" * 10_000, "d" * 100_000).event

    assert len(event.step.title) == 1024
    assert event.ByteSize() < LONGEST_BODY
