"""Session tokens: which one lets a device in, and which one shows that there is a copy. And invitation codes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from dispatch.ids import DeviceId
from dispatch_pairing import invitations, sessions
from dispatch_pairing.limits import Limits
from dispatch_pairing.model import SignIn
from dispatch_pairing.sessions import Shown
from hypothesis import given
from hypothesis.strategies import integers, lists

LIMITS = Limits(sign_in_ms=10_000, sign_in_step_ms=100)
FIRST = b"family.........." + b"first..........."


@dataclass
class Kept:
    """What the service keeps, and all tokens that it ever gave out."""

    sign_in: SignIn = field(default_factory=lambda: sessions.begun(DeviceId(b"d" * 16), FIRST, now_ms=0, limits=LIMITS))
    tokens: list[bytes] = field(default_factory=lambda: [FIRST])

    def shown(self, token: bytes, now_ms: int = 1) -> Shown:
        return sessions.shown(self.sign_in, token, now_ms=now_ms)

    def use(self, token: bytes, now_ms: int = 1) -> None:
        self.sign_in = sessions.used(self.sign_in, self.shown(token, now_ms), now_ms=now_ms, limits=LIMITS)

    def rotate(self, token: bytes, now_ms: int) -> None:
        chance = len(self.tokens).to_bytes(16, "big")
        given_out = sessions.rotated(self.sign_in, token, chance, now_ms=now_ms, limits=LIMITS)
        if given_out is not None:
            self.sign_in, fresh = given_out
            self.tokens.append(fresh)


def test_the_one_before_is_good_until_the_newest_was_used() -> None:
    kept = Kept()
    kept.rotate(FIRST, now_ms=100)
    fresh = kept.tokens[-1]
    assert (kept.shown(fresh), kept.shown(FIRST)) == (Shown.NEWEST, Shown.BEFORE)

    kept.use(FIRST)
    assert kept.shown(FIRST) is Shown.BEFORE

    kept.use(fresh)
    assert (kept.shown(fresh), kept.shown(FIRST)) == (Shown.NEWEST, Shown.OLDER)


def test_an_answer_that_got_lost_is_made_up_for_and_its_token_is_over() -> None:
    kept = Kept()
    kept.rotate(FIRST, now_ms=100)
    lost = kept.tokens[-1]

    kept.rotate(FIRST, now_ms=200)

    assert kept.shown(kept.tokens[-1]) is Shown.NEWEST
    assert kept.shown(FIRST) is Shown.BEFORE
    assert kept.shown(lost) is Shown.OLDER


def test_a_token_that_is_young_enough_stays() -> None:
    kept = Kept()
    kept.rotate(FIRST, now_ms=99)

    assert kept.tokens == [FIRST]


@pytest.mark.parametrize("token", [b"", b"x" * 31, b"x" * 32, FIRST + b"x", FIRST[:31], b"x" * 16 + FIRST[16:]])
def test_what_is_made_up_ends_nothing(token: bytes) -> None:
    assert Kept().shown(token) is Shown.STRANGE


def test_a_sign_in_that_is_over_has_no_tokens() -> None:
    kept = Kept()

    assert kept.shown(FIRST, now_ms=9_999) is Shown.NEWEST
    assert kept.shown(FIRST, now_ms=10_000) is Shown.STRANGE
    assert sessions.shown(None, FIRST, now_ms=0) is Shown.STRANGE


def test_use_moves_the_end_now_and_then() -> None:
    kept = Kept()
    before = kept.sign_in

    kept.use(FIRST, now_ms=99)
    assert kept.sign_in == before

    kept.use(FIRST, now_ms=100)
    assert kept.sign_in.expires_ms == 10_100


@given(lists(integers(0, 5), max_size=20))
def test_at_most_two_tokens_are_ever_good(choices: list[int]) -> None:
    kept, now_ms = Kept(), 0
    for choice in choices:
        now_ms += 100
        token = kept.tokens[choice % len(kept.tokens)]
        if not kept.shown(token, now_ms).live:
            continue
        kept.use(token, now_ms)
        kept.rotate(token, now_ms)
        good = [one for one in kept.tokens if kept.shown(one, now_ms).live]
        assert good == [one for one in kept.tokens if one in (token, kept.tokens[-1])]


def test_an_invitation_is_the_same_however_it_is_typed() -> None:
    code = invitations.make(lambda count: bytes(range(count)))

    assert code == "01234-56789-ABCDE-FGHJK"
    for typed in (
        "0123456789abcdefghjk",
        " o1234 56789 abcde fghjk",
        "0I234-56789-ABCDE-FGHJK",
        "0l234-56789-ABCDE-FGHJK",
    ):
        assert invitations.code_hash(typed) == invitations.code_hash(code)
    assert invitations.code_hash("01234-56789-ABCDE-FGHJM") != invitations.code_hash(code)
