"""What the operator allows, and how it is read from the environment."""

from __future__ import annotations

import pytest
from dispatch.errors import DispatchError
from dispatch_pairing import policy
from dispatch_pairing.limits import GRANT_MS_MOST
from dispatch_pairing.model import Plan, Role
from dispatch_pairing.policy import Policy, SignUp
from dispatch_pairing.settings import BadSettings, Operator, read
from hypothesis import given
from hypothesis.strategies import integers, lists, text


def told(refusal: DispatchError | None) -> tuple[str, str, str]:
    assert refusal is not None
    return refusal.metadata["policy"], refusal.metadata["current"], refusal.metadata["required"]


def test_by_default_nobody_signs_up_and_pro_and_max_pair() -> None:
    assert told(policy.may_sign_up(Policy(), invited=True)) == ("sign_up", "closed", "invitation or open")
    assert [plan for plan in Plan if policy.may_pair(Policy(), plan) is None] == [Plan.PRO, Plan.MAX]
    assert told(policy.may_pair(Policy(), Plan.TEAM)) == ("plans", "team", "pro or max")


def test_an_invitation_is_good_where_the_policy_says_so() -> None:
    by_invitation = Policy(sign_up=SignUp.INVITATION)

    assert policy.may_sign_up(by_invitation, invited=True) is None
    refused = told(policy.may_sign_up(by_invitation, invited=False))
    assert refused == ("sign_up", "no invitation that is good", "an invitation")
    assert policy.may_sign_up(Policy(sign_up=SignUp.OPEN), invited=False) is None


@pytest.mark.parametrize("said", ["1.4.0", "1.4", "1.4.1", "1.10", "2", "1.4.0-beta.1", "1.4.0+build"])
def test_an_app_that_is_new_enough_comes_in(said: str) -> None:
    assert policy.new_enough(Policy(min_phone_version="1.4.0"), Role.PHONE, said) is None


@pytest.mark.parametrize(
    "said", ["1.3.9", "1.3", "0.9.99", "1", "", "new", "1.4.0\n", "-1.5", "9" * 40, "1.5." * 9, "٢.٠"]
)
def test_an_app_that_is_older_or_does_not_say_is_refused(said: str) -> None:
    current = said if policy.known_version(said) else "none"

    refused = policy.new_enough(Policy(min_phone_version="1.4.0"), Role.PHONE, said)

    assert told(refused) == ("min_phone_version", current, "1.4.0")
    assert policy.new_enough(Policy(min_phone_version="1.4.0"), Role.HOST, said) is None


@given(lists(integers(0, 10**6), min_size=1, max_size=4), lists(integers(0, 10**6), min_size=1, max_size=4))
def test_versions_compare_by_their_numbers(one: list[int], other: list[int]) -> None:
    length = max(len(one), len(other))
    padded = [numbers + [0] * (length - len(numbers)) for numbers in (one, other)]
    least = ".".join(map(str, other))

    comes_in = policy.new_enough(Policy(min_host_version=least), Role.HOST, ".".join(map(str, one))) is None

    assert comes_in == (padded[0] >= padded[1])


@given(text(max_size=50))
def test_what_is_kept_of_a_version_can_be_shown(said: str) -> None:
    kept = policy.known_version(said)

    assert kept in ("", said)
    assert kept.isascii()
    assert kept.isprintable()


def test_nothing_set_is_the_default() -> None:
    assert read({"HOME": "/"}) == Operator(Policy(), GRANT_MS_MOST)


def test_everything_can_be_set() -> None:
    environment = {
        "DISPATCH_PAIRING_SIGN_UP": "open",
        "DISPATCH_PAIRING_PLANS": "pro, enterprise",
        "DISPATCH_PAIRING_MIN_PHONE_VERSION": "1.4.0",
        "DISPATCH_PAIRING_MIN_HOST_VERSION": "2",
        "DISPATCH_PAIRING_DEVICES": "5",
        "DISPATCH_PAIRING_GRANT_MS": "60000",
    }

    wanted = Policy(SignUp.OPEN, frozenset({Plan.PRO, Plan.ENTERPRISE}), "1.4.0", "2", 5)
    assert read(environment) == Operator(policy=wanted, grant_ms=60_000)


def test_all_mistakes_are_told_at_once() -> None:
    environment = {
        "DISPATCH_PAIRING_SIGN_UP": "sometimes",
        "DISPATCH_PAIRING_PLANS": "pro,premium",
        "DISPATCH_PAIRING_MIN_PHONE_VERSION": "latest",
        "DISPATCH_PAIRING_DEVICES": "many",
        "DISPATCH_PAIRING_GRANT_MS": str(GRANT_MS_MOST + 1),
        "DISPATCH_PAIRING_PLAN": "pro",
    }

    with pytest.raises(BadSettings) as refused:
        read(environment)

    said = str(refused.value).splitlines()
    assert [line.partition(" ")[0] for line in said] == sorted(environment)
    assert (
        "DISPATCH_PAIRING_PLANS is 'pro,premium', not some of pro, max, team, enterprise, separated by commas" in said
    )
    assert "DISPATCH_PAIRING_PLAN is not a setting" in said
