"""Lease, bucket, tail and settings: the small pure parts of the relay."""

from __future__ import annotations

import pytest
from dispatch.ids import MessageId, TaskId
from dispatch_relay import settings
from dispatch_relay.bucket import Bucket
from dispatch_relay.lease import Lease
from dispatch_relay.log import Row, RowKind
from dispatch_relay.tail import ROW_BYTES, Tail


def _row(seq: int, size: int = 10) -> Row:
    return Row(seq, RowKind.KEEP, MessageId(bytes(16)), TaskId(b""), at_ms=0, sealed=bytes(size))


def test_a_device_is_asked_when_it_has_been_silent_and_lost_when_it_does_not_answer() -> None:
    lease = Lease(now_ms=0)
    assert not lease.should_ask(now_ms=99, every_ms=100)
    assert lease.due_ms(every_ms=100, lease_ms=50) == 100
    assert lease.should_ask(now_ms=100, every_ms=100)
    assert lease.ask(now_ms=100) == 1
    assert lease.due_ms(every_ms=100, lease_ms=50) == 150
    assert not lease.lost(now_ms=149, lease_ms=50)
    assert lease.lost(now_ms=150, lease_ms=50)


def test_any_frame_answers_the_question() -> None:
    lease = Lease(now_ms=0)
    lease.ask(now_ms=100)
    lease.heard(now_ms=120)
    assert not lease.lost(now_ms=1_000, lease_ms=50)
    assert lease.due_ms(every_ms=100, lease_ms=50) == 220


def test_a_bucket_lets_a_burst_through_and_then_the_average() -> None:
    bucket = Bucket(per_second=10, burst=3, now_ms=0)
    assert [bucket.take(now_ms=0) for _ in range(3)] == [0, 0, 0]
    wait_ms = bucket.take(now_ms=0)
    assert wait_ms == 100
    assert bucket.take(now_ms=wait_ms) == 0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = Bucket(per_second=10, burst=2, now_ms=0)
    assert [bucket.take(now_ms=60_000) > 0 for _ in range(3)] == [False, False, True]


def test_the_tail_is_bounded_though_its_rows_have_no_seal() -> None:
    tail = Tail(head_seq=0, limit_bytes=20 * ROW_BYTES)
    for seq in range(1, 1_001):
        tail.add(_row(seq, size=0))

    assert tail.behind(979, limit_bytes=100 * ROW_BYTES) is None
    assert [row.seq for row in tail.behind(980, limit_bytes=5 * ROW_BYTES) or ()] == [981, 982, 983, 984, 985]


def test_the_tail_gives_what_is_behind_a_row() -> None:
    tail = Tail(head_seq=4, limit_bytes=10_000)
    for seq in (5, 6, 7):
        tail.add(_row(seq))
    assert [row.seq for row in tail.behind(5, limit_bytes=10_000) or ()] == [6, 7]
    assert tail.behind(7, limit_bytes=10_000) == ()
    assert [row.seq for row in tail.behind(4, limit_bytes=ROW_BYTES + 15) or ()] == [5, 6]


def test_the_tail_says_when_the_log_has_to_be_asked() -> None:
    tail = Tail(head_seq=4, limit_bytes=2 * ROW_BYTES + 25)
    assert tail.behind(3, limit_bytes=100) is None
    for seq in (5, 6, 7):
        tail.add(_row(seq))
    assert tail.behind(4, limit_bytes=100) is None
    assert [row.seq for row in tail.behind(5, limit_bytes=10_000) or ()] == [6, 7]
    tail.release(6)
    assert tail.behind(5, limit_bytes=100) is None


def test_settings_have_units_and_defaults() -> None:
    read = settings.read({})
    assert (read.lease_ms, read.valid_for_ms, read.silence_ms) == (5_000, 10_000, 65_000)


def test_settings_are_read_from_the_environment() -> None:
    read = settings.read({"DISPATCH_RELAY_LEASE_MS": "700", "DISPATCH_RELAY_NAMES": "a:1, b:2", "PATH": "/bin"})
    assert (read.lease_ms, read.names) == (700, ("a:1", "b:2"))


def test_all_mistakes_are_reported_together() -> None:
    with pytest.raises(settings.BadSettings) as wrong:
        settings.read(
            {"DISPATCH_RELAY_LEASE_MS": "-1", "DISPATCH_RELAY_FRAMES": "many", "DISPATCH_RELAY_LAESE_MS": "1"}
        )
    assert len(str(wrong.value).splitlines()) == 3
