"""Addresses, the plaintext rule, shared options, waits between attempts."""

from __future__ import annotations

import random

import pytest
from dispatch.address import Address, refuse_plaintext
from dispatch.cli import hoist
from dispatch.thread.backoff import EARLY_MAX_MS, LATE_MS, LONGEST_ADVISED_MS, Backoff


@pytest.mark.parametrize("text", ["127.0.0.1:7301", "localhost:0", "[::1]:443", "relay.example:7302"])
def test_an_address_reads_back_as_it_was_written(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize("text", ["", "7301", "host:", "host:x", "host:70000", "::1:443", "a b:1", "host:1:2"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        Address.parse(text)


@pytest.mark.parametrize("text", ["127.0.0.1:1", "127.8.9.1:1", "localhost:1", "[::1]:1"])
def test_plaintext_stays_on_this_computer(text: str) -> None:
    refuse_plaintext(Address.parse(text), allowed=False)


@pytest.mark.parametrize("text", ["0.0.0.0:1", "192.0.2.1:1", "relay:1", "[::]:1", "127.0.0.1.example:1"])
def test_plaintext_off_this_computer_needs_the_operators_word(text: str) -> None:
    with pytest.raises(ValueError, match="DISPATCH_PLAINTEXT"):
        refuse_plaintext(Address.parse(text), allowed=False)
    refuse_plaintext(Address.parse(text), allowed=True)


@pytest.mark.parametrize(
    ("given", "hoisted"),
    [
        (["send", "hello", "--json"], ["--json", "send", "hello"]),
        (["folders", "add", "x", "--home", "/h", "--write"], ["--home", "/h", "folders", "add", "x", "--write"]),
        (["--home=/h", "status", "--json"], ["--home=/h", "--json", "status"]),
        (["send", "--", "--json", "--home"], ["send", "--", "--json", "--home"]),
        (["status", "--home"], ["--home", "status"]),
    ],
)
def test_shared_options_may_stand_anywhere(given: list[str], hoisted: list[str]) -> None:
    assert hoist(given) == hoisted


def test_waits_start_short_double_to_five_seconds_and_become_thirty_after_a_minute() -> None:
    backoff, now, waits = Backoff(random.Random(1)), 0, []
    while now < 120_000:
        waits.append(backoff.next_ms(now))
        now += waits[-1]

    assert 80 <= waits[0] <= 600
    assert max(w for w in waits[:8]) <= EARLY_MAX_MS * 1.2
    assert LATE_MS * 0.8 <= waits[-1] <= LATE_MS * 1.2
    backoff.opened()
    assert backoff.next_ms(now) <= 600


def test_a_wait_is_never_shorter_than_the_server_advised() -> None:
    assert Backoff(random.Random(1)).next_ms(0, advised_ms=7_000) == 7_000


def test_no_server_s_advice_keeps_a_device_away_for_good() -> None:
    assert Backoff(random.Random(1)).next_ms(0, advised_ms=2**32 - 1) == LONGEST_ADVISED_MS
