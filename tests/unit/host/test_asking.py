"""What may be asked and what answers it, and the watchdog meanwhile."""

from __future__ import annotations

import asyncio
import os

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch_host import answers, entries
from dispatch_host.agents import Allowed, Approval, Choice, Denied, NobodyAnswered, Reach, Said, canonical
from dispatch_host.agents.asking import CHOICES_LIMIT
from dispatch_host.permissions.permission import TERMINAL
from dispatch_host.watchdog import Watchdog


def test_one_action_has_one_way_to_be_written() -> None:
    assert canonical({"b": 1, "a": ["ä", 0.5, None]}) == b'{"a":["\\u00e4",0.5,null],"b":1}'
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1})
    assert canonical(os.fsdecode(b"\xff")) != canonical(os.fsdecode(b"\xfe"))
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical(float("nan"))


@pytest.mark.parametrize("action", [b'{"b":1, "a":2}', b'{"b":1,"a":2}', b'"\xc3\xa4"', b"not JSON", b'{"a":1,"a":1}'])
def test_an_approval_is_of_canonical_bytes_only(action: bytes) -> None:
    with pytest.raises(ValueError):
        Approval(text="May I?", action=action, preview="")


def test_a_rule_needs_a_permission_to_stand_on() -> None:
    with pytest.raises(ValueError, match="stands on a permission"):
        Approval(text="May I?", action=canonical(1), preview="", rule="run make", of="make")


def test_a_rule_says_exactly_what_it_is_about_for_its_words_may_be_those_of_another() -> None:
    with pytest.raises(ValueError, match="exactly what it is about"):
        Approval(text="May I?", action=canonical(1), preview="", rule="run make", permission=TERMINAL)

    one, other = (
        Approval(text="May I?", action=canonical(1), preview="", rule="run make", permission=TERMINAL, of=of)
        for of in ("make", "make\n")
    )
    assert one.rule_digest != other.rule_digest


@pytest.mark.parametrize("choices", [["a", "a"], [""], [str(n) for n in range(CHOICES_LIMIT + 1)], ["x" * 9000]])
def test_choices_that_no_question_can_hold_are_refused(choices: list[str]) -> None:
    with pytest.raises(ValueError, match="choices"):
        Choice(text="Which?", choices=choices)


def question(*, rule: str = "", choices: tuple[str, ...] = (), digest: bytes = b"") -> pb.Question:
    return pb.Question(question_id=b"q" * 16, rule=rule, choices=choices, action_digest=digest)


ONCE, TASK, ALWAYS, DENY = (
    pb.Answer(approval=said) for said in (pb.APPROVAL_ONCE, pb.APPROVAL_TASK, pb.APPROVAL_ALWAYS, pb.APPROVAL_DENY)
)


def said(text: str) -> pb.Answer:
    return pb.Answer(text=text)


def test_which_answers_fit() -> None:
    ruled, once_only = question(rule="run make", digest=b"d" * 32), question(digest=b"d" * 32)
    one_of, words = question(choices=("north", "south")), question()

    assert all(answers.fits(ruled, one) for one in (ONCE, TASK, ALWAYS, DENY))
    assert [answers.fits(once_only, one) for one in (ONCE, TASK, ALWAYS, DENY)] == [True, False, False, True]
    assert not any(answers.fits(ruled, one) for one in (said("yes"), pb.Answer(approval=pb.APPROVAL_ONCE, text="x")))
    assert not answers.fits(ruled, pb.Answer())
    assert [answers.fits(one_of, said(text)) for text in ("north", "south", "North", "", "1")] == [
        True,
        True,
        *[False] * 3,
    ]
    assert [answers.fits(words, said(text)) for text in ("x", " ", "", "x" * 12_289)] == [True, False, False, False]
    assert not any(answers.fits(one, ONCE) for one in (one_of, words))


def test_what_the_agent_hears() -> None:
    def heard(answer: pb.Answer) -> object:
        return answers.heard(answers.answered(b"q", answer, by="pocket"))

    assert [heard(one) for one in (ONCE, TASK, ALWAYS)] == [Allowed(reach, "pocket") for reach in Reach]
    assert heard(DENY) == Denied("pocket")
    assert heard(said("north")) == Said("north", "pocket")
    for reason in (Reason.REASON_NOBODY_ANSWERED, Reason.REASON_CANCELLED_BY_PERSON):
        assert answers.heard(answers.unanswered(b"q", reason)) == NobodyAnswered()


def test_the_longest_question_fits_into_one_event() -> None:
    approval = Approval(
        text="ä" * 2048, action=canonical("x"), preview="ä" * 16_384, rule="ä" * 512, permission=TERMINAL, of=1
    )
    choice = Choice(text="ä" * 2048, choices=[f"{n:02}" * 64 for n in range(64)], preview="ä" * 16_384)
    for one in (approval, choice):
        written = list(entries.question(b"t" * 16, answers.asked(b"q" * 16, one, within_ms=1)))
        assert [entry.event.WhichOneof("event") for entry in written] == ["question"]
        assert written[0].event.ByteSize() < 60_000


async def test_while_the_watchdog_stands_still_only_the_longest_time_of_all_counts() -> None:
    now = asyncio.get_running_loop().time
    watchdog = Watchdog(60, 3600)
    longest = now() + 3600
    async with watchdog.timeout:
        with watchdog.stands_still():
            with watchdog.stands_still():
                watchdog.moved()
                assert watchdog.timeout.when() == pytest.approx(longest, abs=60)
            assert watchdog.timeout.when() == pytest.approx(longest, abs=60)
        began = now()
        watchdog.moved()
        assert began + 60 <= (watchdog.timeout.when() or 0) < longest - 60
        assert not watchdog.is_endless
