"""The thread as a checked chain: what links, what waits, what is thrown away, and what the two devices sign."""

from __future__ import annotations

import random
from dataclasses import replace
from hashlib import sha256

import pytest
from dispatch.encoding import enc
from dispatch.sealed import history
from dispatch.sealed.head import HEAD_BYTES, ZERO_HASH, Head
from dispatch.sealed.history import (
    Arrivals,
    Entry,
    Taken,
    after,
    event_hash,
    follows,
    sign_head,
    sign_task,
    verify_head,
    verify_task,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pairs import public, signing_key

PAIR_ID, TASK_ID = b"P" * 16, b"T" * 16
PHONE, HOST = signing_key("phone"), signing_key("host")


def thread(length: int, *, seed: str = "event", head: Head | None = None) -> list[Entry]:
    """Make the host's events, linked."""
    entries, at = [], head or Head()
    for _ in range(length):
        entries.append(Entry(at.number + 1, at.hash, f"{seed} {at.number + 1}".encode()))
        at = after(at, entries[-1])
    return entries


def heads(entries: list[Entry]) -> list[Head]:
    """Give the head before each event, and the last one."""
    result = [Head()]
    for entry in entries:
        result.append(after(result[-1], entry))
    return result


def test_the_hash_of_an_event_covers_the_hash_before_and_the_exact_bytes() -> None:
    expected = sha256(b"dispatch/event/1" + ZERO_HASH + b"event").digest()

    assert event_hash(ZERO_HASH, b"event") == expected
    assert event_hash(expected, b"event") != expected


def test_events_in_order_link_at_once() -> None:
    entries = thread(3)
    arrivals = Arrivals(Head())

    for entry in entries:
        assert arrivals.take(entry) == Taken(linked=(entry,))

    assert arrivals.head == heads(entries)[-1]
    assert arrivals.waiting == ()


def test_a_later_event_waits_until_the_gap_is_filled() -> None:
    one, two, three = thread(3)
    arrivals = Arrivals(Head())

    assert arrivals.take(three) == Taken()
    assert arrivals.take(two) == Taken()
    assert arrivals.head == Head()
    assert arrivals.missing(5) == ((1, 1), (4, 5))
    assert arrivals.take(one) == Taken(linked=(one, two, three))


@given(st.integers(0, 25), st.integers(0, 2**32))
def test_in_whatever_order_and_however_often_events_come_they_leave_in_order_and_once(length: int, seed: int) -> None:
    entries = thread(length)
    rng = random.Random(seed)
    coming = entries + rng.choices(entries, k=length) if entries else []
    rng.shuffle(coming)
    arrivals = Arrivals(Head())

    linked = [entry for one in coming for entry in arrivals.take(one).linked]

    assert linked == entries
    assert arrivals.head == heads(entries)[-1]
    assert arrivals.missing(length) == ()


def test_the_newest_copy_of_a_waiting_event_wins() -> None:
    one, two = thread(2)
    arrivals = Arrivals(Head())
    arrivals.take(replace(two, previous=b"x" * 32, event=b"an old copy"))
    arrivals.take(two)

    assert arrivals.take(one).linked == (one, two)


def test_an_event_that_does_not_link_is_thrown_away_and_asked_for_again() -> None:
    one, two, three = thread(3)
    arrivals = Arrivals(Head())
    arrivals.take(replace(two, previous=b"x" * 32))
    arrivals.take(three)

    taken = arrivals.take(one)

    assert taken == Taken(linked=(one,), thrown_away=(2,))
    assert arrivals.missing(3) == ((2, 2),)
    assert arrivals.take(two) == Taken(linked=(two, three))


def test_an_event_that_was_changed_makes_the_next_one_not_link() -> None:
    one, two, _ = thread(3)
    arrivals = Arrivals(Head())
    arrivals.take(replace(one, event=b"changed"))

    assert arrivals.take(two) == Taken(thrown_away=(2,))


def test_what_the_phone_has_checked_is_never_replaced() -> None:
    one, two = thread(2)
    arrivals = Arrivals(Head())
    arrivals.take(one)

    assert arrivals.take(replace(one, event=b"another first")) == Taken()
    assert arrivals.take(two).linked == (two,)


def test_a_phone_that_was_started_again_goes_on_with_what_its_store_held() -> None:
    entries = thread(5)
    arrivals = Arrivals(heads(entries)[1], waiting=entries[3:])

    assert arrivals.missing(5) == ((2, 3),)
    assert arrivals.take(entries[2]) == Taken()
    assert arrivals.take(entries[1]).linked == tuple(entries[1:])


def test_what_waits_is_bounded_by_number_and_the_furthest_goes_first() -> None:
    limit = history.MOST_WAITING
    arrivals = Arrivals(Head())
    coming = [Entry(number, ZERO_HASH, b"event") for number in range(limit + 3, 1, -1)]

    thrown_away = [number for entry in coming for number in arrivals.take(entry).thrown_away]

    assert thrown_away == [limit + 3, limit + 2]
    assert len(arrivals.waiting) == limit
    assert arrivals.missing(limit + 3) == ((1, 1), (limit + 2, limit + 3))


def test_what_waits_is_bounded_by_bytes() -> None:
    big = b"x" * (history.MOST_WAITING_BYTES // 2)
    arrivals = Arrivals(Head())
    for number in (2, 3):
        assert arrivals.take(Entry(number, ZERO_HASH, big)).thrown_away == ()
    assert arrivals.take(Entry(2, ZERO_HASH, big)).thrown_away == ()

    assert arrivals.take(Entry(4, ZERO_HASH, b"x")).thrown_away == (4,)


def test_events_that_the_host_lost_are_stepped_over() -> None:
    entries = thread(6)
    before = heads(entries)
    arrivals = Arrivals(before[1], waiting=[entries[2], entries[4]])

    assert arrivals.lost(2, 4, before[4].hash) == Taken(linked=(entries[4],))

    assert arrivals.head == before[5]
    assert arrivals.take(entries[5]).linked == (entries[5],)


@pytest.mark.parametrize(("first", "last"), [(3, 4), (1, 1), (5, 2), (0, 1)])
def test_a_loss_that_does_not_touch_the_end_of_the_checked_part_changes_nothing(first: int, last: int) -> None:
    entries = thread(6)
    arrivals = Arrivals(heads(entries)[1])

    assert arrivals.lost(first, last, b"x" * 32) == Taken()
    assert arrivals.head == heads(entries)[1]


def test_a_host_that_was_set_back_goes_on_behind_the_phones_head() -> None:
    """Restored has the phone's number + 1 and names the phone's hash: for the phone it simply links."""
    phone_head = heads(thread(4, seed="gone"))[-1]
    restored = Entry(5, phone_head.hash, b"restored")
    arrivals = Arrivals(phone_head)

    assert follows(phone_head, restored)
    assert arrivals.take(restored).linked == (restored,)


def test_a_head_is_a_number_and_a_hash() -> None:
    head = Head(258, b"h" * 32)

    assert head.to_bytes() == bytes(6) + b"\x01\x02" + b"h" * 32
    assert Head.from_bytes(head.to_bytes()) == head
    assert Head().to_bytes() == bytes(HEAD_BYTES)
    for broken in (b"", bytes(39), bytes(41)):
        with pytest.raises(ValueError):
            Head.from_bytes(broken)
    with pytest.raises(ValueError):
        Head(-1)


def test_a_command_is_signed_with_its_task_attempt_words_and_what_the_phone_knew() -> None:
    written: list[bytes] = []

    def signer(words: bytes) -> bytes:
        written.append(words)
        return PHONE.sign(words)

    signature = sign_task(signer, pair_id=PAIR_ID, task_id=TASK_ID, attempt=1, body=b"do it", head=Head(3, b"h" * 32))

    assert written == [
        enc(
            "dispatch/task/1",
            PAIR_ID,
            TASK_ID,
            b"\0\0\0\1",
            sha256(b"do it").digest(),
            bytes(7) + b"\x03" + b"h" * 32,
        )
    ]
    assert verify_task(
        public(PHONE), signature, pair_id=PAIR_ID, task_id=TASK_ID, attempt=1, body=b"do it", head=Head(3, b"h" * 32)
    )


@pytest.mark.parametrize(
    ("pair_id", "task_id", "attempt", "body", "head"),
    [
        (b"Q" * 16, TASK_ID, 1, b"do it", Head()),
        (PAIR_ID, b"U" * 16, 1, b"do it", Head()),
        (PAIR_ID, TASK_ID, 2, b"do it", Head()),
        (PAIR_ID, TASK_ID, 1, b"do that", Head()),
        (PAIR_ID, TASK_ID, 1, b"do it", Head(1)),
    ],
)
def test_a_signature_fits_no_other_command(
    pair_id: bytes, task_id: bytes, attempt: int, body: bytes, head: Head
) -> None:
    signature = sign_task(PHONE.sign, pair_id=PAIR_ID, task_id=TASK_ID, attempt=1, body=b"do it", head=Head())

    assert not verify_task(
        public(PHONE), signature, pair_id=pair_id, task_id=task_id, attempt=attempt, body=body, head=head
    )
    assert not verify_task(
        public(HOST), signature, pair_id=PAIR_ID, task_id=TASK_ID, attempt=1, body=b"do it", head=Head()
    )


def test_the_host_signs_its_head() -> None:
    head = Head(9, b"9" * 32)
    signature = sign_head(HOST.sign, pair_id=PAIR_ID, head=head)

    HOST.public_key().verify(signature, enc("dispatch/head/1", PAIR_ID, bytes(7) + b"\x09", b"9" * 32))
    assert verify_head(public(HOST), signature, pair_id=PAIR_ID, head=head)
    assert not verify_head(public(HOST), signature, pair_id=PAIR_ID, head=replace(head, number=8))
    assert not verify_head(public(HOST), signature, pair_id=b"Q" * 16, head=head)
    assert not verify_head(public(PHONE), signature, pair_id=PAIR_ID, head=head)
