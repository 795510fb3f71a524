"""What every `Log` of the relay does, as one function: `await check_log(make_log)`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import OUTCOME_DONE, OUTCOME_UNSPECIFIED, PUSH_HINT_NEWS
from dispatch.ids import Instance, MessageId, PairId, TaskId
from dispatch_relay.log import (
    Acked,
    Called,
    CallLater,
    Decide,
    Done,
    DropTarget,
    Erase,
    Failed,
    Keep,
    Log,
    Note,
    Op,
    Reported,
    RowKind,
    SetTarget,
    Stood,
    Sweep,
    Then,
)
from dispatch_relay.presence import End, Presence, Standing
from dispatch_relay.push import PushOutcome
from dispatch_relay.push.target import Quiet, Target
from dispatch_relay.seats import Seats
from dispatch_relay.sweeping import sweep
from dispatch_relay.verdict import Effect, Event, Status

Make = Callable[[int], Awaitable[tuple[Log, Seats]]]
"""Opens the same store again each time; told how many bytes a thread may hold."""

ROOMY = 1 << 30
PAIR, OTHER = PairId(b"p" * 16), PairId(b"q" * 16)
STRANGER, ALONE, WAITS, CALLED, HASTY = (PairId(letter * 16) for letter in (b"n", b"c", b"w", b"T", b"h"))


def message(text: str) -> MessageId:
    """Make an id."""
    return MessageId(sha256(text.encode()).digest()[:16])


def task(text: str) -> TaskId:
    """Make an id."""
    return TaskId(sha256(b"task" + text.encode()).digest()[:16])


def posted(text: str, *, pair_id: PairId = PAIR, event: Event = Event.POSTED, now_ms: int = 1) -> Decide:
    """Write the arrival of a command."""
    return Decide(
        pair_id, message(text), event, now_ms, task_id=task(text), sealed=text.encode(), valid_for_ms=10_000,
        reason=Reason.REASON_HOST_ASLEEP if event is Event.POSTED_IN_VAIN else Reason.REASON_UNSPECIFIED,
    )  # fmt: skip


def happened(
    text: str, event: Event, reason: Reason.ValueType = Reason.REASON_UNSPECIFIED, *, pair_id: PairId = PAIR
) -> Decide:
    """Write what happens to it."""
    return Decide(pair_id, message(text), event, 2, reason=reason, retry_after_ms=7)


def kept(text: str, *, pair_id: PairId = PAIR, now_ms: int = 3, size: int = 0, ends: str = "") -> Keep:
    """Write a message of the host."""
    return Keep(
        pair_id, message(text), task(ends) if ends else TaskId(b""), now_ms, sealed=text.encode() + bytes(size),
        push_hint=PUSH_HINT_NEWS, outcome=OUTCOME_DONE if ends else OUTCOME_UNSPECIFIED,
    )  # fmt: skip


async def result(log: Log, op: Op) -> Done | Failed:
    """Write an op and wait for what comes of it."""
    told: asyncio.Future[Done | Failed] = asyncio.get_running_loop().create_future()
    log.submit(op, told.set_result)
    return await told


async def done(log: Log, op: Op) -> Done:
    """Write an op that must not fail."""
    came = await result(log, op)
    assert isinstance(came, Done), came
    return came


async def _seated(make: Make, thread_bytes: int) -> Log:
    log, seats = await make(thread_bytes)
    for pair_id in (PAIR, OTHER, STRANGER, ALONE, WAITS, CALLED, HASTY):
        assert await seats.take(pair_id) is None
    return log


async def check_log(make: Make) -> None:
    """Run every check, each on a pairing or a store of its own where it matters."""
    log = await _seated(make, ROOMY)
    await _a_command_is_pending_until_its_verdict(log)
    await _a_verdict_is_made_once(log)
    await _the_same_id_is_the_same_row(log)
    await _tasks_are_open_between_their_go_and_their_outcome(log)
    await _verdicts_and_outcomes_are_to_be_reported_until_they_were(log)
    await _what_was_refused_unstored_is_reported_unless_more_is_known(log)
    await _what_was_committed_is_told_in_order(log)
    await _rows_are_read_in_order_and_in_pieces(log)
    await _presence_is_kept(log)
    await _a_call_is_owed_until_its_outcome_is_kept(log)
    await _a_call_that_waits_is_known_with_its_time(log)
    await _a_push_target_is_replaced_dropped_and_gone_with_its_pairing(log)
    log = await _everything_is_there_after_a_restart(log, make)
    await _old_rows_go_when_both_have_them(log)
    await _tasks_that_nobody_ended_go_with_the_old_rows(log)
    await _an_ended_pairing_leaves_nothing(log)
    await _a_report_that_nobody_takes_is_forgotten_like_a_row(log)
    await log.close()
    await _what_is_written_during_a_sweep_is_committed_before_it_is_over(make)
    await _a_thread_does_not_outgrow_its_limit(make)
    await _a_command_may_have_its_verdict_in_the_transaction_in_which_it_came(make)


async def _a_command_is_pending_until_its_verdict(log: Log) -> None:
    assert (await log.thread(PAIR)).head_seq == 0
    assert (await done(log, posted("one"))).effect is Effect.PEND
    (waiting,) = (await log.thread(PAIR)).pending
    assert (waiting.sealed, waiting.task_id, waiting.arrived_ms) == (b"one", task("one"), 1)
    accepted = await done(log, happened("one", Event.TAKEN))
    assert accepted.row is not None
    assert (accepted.effect, accepted.row.seq, accepted.row.kind) == (Effect.ACCEPT, 1, RowKind.ACCEPTED)
    assert (accepted.row.task_id, accepted.row.sealed) == (task("one"), b"")
    assert not (await log.thread(PAIR)).pending


async def _a_verdict_is_made_once(log: Log) -> None:
    await done(log, posted("two"))
    refused = await done(log, happened("two", Event.DECLINED, Reason.REASON_QUEUE_FULL))
    assert refused.row is not None
    assert (refused.effect, refused.row.seq) == (Effect.REFUSE, 2)
    assert (refused.row.reason, refused.row.retry_after_ms) == (Reason.REASON_QUEUE_FULL, 7)
    assert (await done(log, happened("two", Event.TAKEN))).effect is Effect.WITHDRAW
    assert (await done(log, happened("one", Event.GIVEN_UP, Reason.REASON_HOST_ASLEEP))).effect is Effect.NOTHING
    assert (await done(log, happened("never posted", Event.TAKEN))).effect is Effect.NOTHING
    in_vain = await done(log, posted("three", event=Event.POSTED_IN_VAIN))
    assert in_vain.row is not None
    assert (in_vain.status, in_vain.row.seq) == (Status.REFUSED, 3)
    assert (await log.thread(PAIR)).head_seq == 3


async def _the_same_id_is_the_same_row(log: Log) -> None:
    for text, seq in (("one", 1), ("two", 2), ("three", 3)):
        again = await done(log, posted(text))
        assert again.row is not None
        assert (again.effect, again.row.seq) == (Effect.ANSWER_AGAIN, seq)
    first = await done(log, kept("news"))
    again = await done(log, kept("news"))
    assert first.row is not None
    assert (first.effect, again.effect, again.row) == (Effect.ACCEPT, Effect.ANSWER_AGAIN, first.row)
    assert first.row.seq == (await log.thread(PAIR)).head_seq == 4


async def _tasks_are_open_between_their_go_and_their_outcome(log: Log) -> None:
    assert (await log.thread(PAIR)).open_tasks == {task("one"): 2}
    steer = Decide(PAIR, message("steer"), Event.POSTED, 1, task_id=task("one"), sealed=b"s", valid_for_ms=1)
    await done(log, steer)
    assert (await done(log, happened("steer", Event.TAKEN))).task_open
    assert (await done(log, kept("end", ends="one"))).task_ended
    assert not (await log.thread(PAIR)).open_tasks
    assert not (await done(log, kept("end again", ends="one"))).task_ended


async def _verdicts_and_outcomes_are_to_be_reported_until_they_were(log: Log) -> None:
    untold = await log.untold(limit=100)
    assert [
        (one.task_id, one.posted_ms, one.accepted, one.reason, one.outcome, one.ended_ms) for one in untold.reports
    ] == [
        # Not the steer: it is no task. Not the second end: the task had one.
        (task("one"), 1, True, 0, 0, 0),
        (task("two"), 1, False, Reason.REASON_QUEUE_FULL, 0, 0),
        (task("three"), 1, False, Reason.REASON_HOST_ASLEEP, 0, 0),
        (task("one"), 1, True, 0, OUTCOME_DONE, 3),
    ]
    assert {one.pair_id for one in untold.reports} == {PAIR}
    piece = await log.untold(limit=2)
    assert (list(piece.reports), piece.count) == (list(untold.reports[:2]), 4)
    # Only those that were told: of several relays one commits a lower number after another's higher one was told.
    await done(log, Reported([piece.reports[1].number]))
    assert list((await log.untold(limit=100)).reports) == [untold.reports[0], *untold.reports[2:]]
    for _ in range(2):  # told twice is told once
        await done(log, Reported([one.number for one in piece.reports]))
    assert list((await log.untold(limit=100)).reports) == list(untold.reports[2:])


async def _what_was_refused_unstored_is_reported_unless_more_is_known(log: Log) -> None:
    await done(log, posted("waits"))
    for name in ("one", "two", "waits"):  # over, refused, not yet decided: each has its report, or will have
        assert not (await done(log, Note(PAIR, task(name), 5, Reason.REASON_STORE_FAILED))).to_report
    before = (await log.untold(limit=100)).count
    for pair_id in (PAIR, STRANGER):
        assert (await done(log, Note(pair_id, task("unstored"), 5, Reason.REASON_STORE_FAILED))).to_report
    added = (await log.untold(limit=100)).reports[before:]
    assert [(one.pair_id, one.task_id, one.posted_ms, one.accepted, one.reason) for one in added] == [
        (pair_id, task("unstored"), 5, False, Reason.REASON_STORE_FAILED) for pair_id in (PAIR, STRANGER)
    ]
    assert (await log.thread(STRANGER)).head_seq == 0
    await done(log, Reported([one.number for one in (await log.untold(limit=100)).reports]))
    await done(log, happened("waits", Event.GIVEN_UP, Reason.REASON_HOST_ASLEEP))


async def _what_was_committed_is_told_in_order(log: Log) -> None:
    seqs: list[int] = []
    last = asyncio.Event()

    def then(told: Done | Failed) -> None:
        assert isinstance(told, Done)
        assert told.row is not None
        seqs.append(told.row.seq)
        if len(seqs) == 200:
            last.set()

    for number in range(200):
        log.submit(kept(f"fast {number}"), then)
    await last.wait()
    assert seqs == list(range(seqs[0], seqs[0] + 200))


async def _rows_are_read_in_order_and_in_pieces(log: Log) -> None:
    head = (await log.thread(PAIR)).head_seq
    found = await log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)
    assert [row.seq for row in found] == list(range(1, head + 1))
    piece = await log.rows(PAIR, after_seq=head - 3, limit_bytes=1)
    assert [row.seq for row in piece] == [head - 2]
    assert not await log.rows(PAIR, after_seq=head, limit_bytes=1)
    assert not await log.rows(OTHER, after_seq=0, limit_bytes=1)


async def _presence_is_kept(log: Log) -> None:
    host = Presence(Standing.REACHABLE, since_ms=5, last_heard_ms=6, instance=Instance(b"i" * 16))
    await done(log, Stood(PAIR, End.HOST, Presence(Standing.ASLEEP)))
    await done(log, Stood(PAIR, End.HOST, host))
    await done(log, Stood(OTHER, End.HOST, Presence(Standing.APP_CLOSED)))
    assert (await log.thread(PAIR)).presence == {End.HOST: host}
    assert await log.standings() == {Standing.REACHABLE: 1, Standing.APP_CLOSED: 1}
    assert list(await log.unsettled()) == [PAIR]
    await done(log, posted("waits", pair_id=OTHER))
    assert set(await log.unsettled()) == {PAIR, OTHER}


async def _a_call_is_owed_until_its_outcome_is_kept(log: Log) -> None:
    for call in (await log.thread(PAIR)).owed_calls:  # of the rows before
        await done(log, Called(call.number, PushOutcome.SENT))
    row = await done(log, kept("calls", pair_id=ALONE))
    assert not (await done(log, kept("calls", pair_id=ALONE))).owed_call  # posted again, it is called for once
    away = await done(log, Stood(ALONE, End.HOST, Presence(Standing.ASLEEP), PUSH_HINT_NEWS))
    assert (await done(log, Stood(ALONE, End.HOST, Presence(Standing.ASLEEP)))).owed_call is None
    assert row.owed_call is not None
    assert away.owed_call is not None
    assert [(call.seq, call.hint) for call in (row.owed_call, away.owed_call)] == [
        (1, PUSH_HINT_NEWS),
        (0, PUSH_HINT_NEWS),
    ]
    assert list((await log.thread(ALONE)).owed_calls) == [row.owed_call, away.owed_call]
    assert ALONE in await log.unsettled()
    await done(log, Called(row.owed_call.number, PushOutcome.SUPPRESSED_LOOKING))
    assert list((await log.thread(ALONE)).owed_calls) == [away.owed_call]
    await done(log, Called(away.owed_call.number, PushOutcome.SENT))
    assert ALONE not in await log.unsettled()


async def _a_call_that_waits_is_known_with_its_time(log: Log) -> None:
    owed = (await done(log, kept("waits", pair_id=WAITS, ends="waits"))).owed_call
    assert owed is not None
    assert (owed.at_ms, owed.outcome, owed.attempts, owed.due_ms) == (3, OUTCOME_DONE, 0, 0)
    await done(log, CallLater(owed.number, 2, 99))
    (later,) = (await log.thread(WAITS)).owed_calls
    assert (later.attempts, later.due_ms, later.outcome) == (2, 99, OUTCOME_DONE)
    await done(log, Called(owed.number, PushOutcome.SENT))
    await done(log, CallLater(owed.number, 3, 100))
    assert (await log.thread(WAITS)).owed_calls == []


async def _a_push_target_is_replaced_dropped_and_gone_with_its_pairing(log: Log) -> None:
    quiet = Quiet("Europe/Berlin", 1_320, 420, questions_ring=True)
    first, second = (
        Target("https://push.example/1", b"k" * 65, b"a" * 16),
        Target("https://push.example/2", b"k", b"a", quiet),
    )
    assert await log.target(CALLED) is None  # there is no such pairing
    for target in (first, second):
        await done(log, SetTarget(CALLED, target))
        assert await log.target(CALLED) == target
    await done(log, DropTarget(CALLED, first.endpoint))
    assert await log.target(CALLED) == second
    await done(log, DropTarget(CALLED, second.endpoint))
    assert await log.target(CALLED) == Target(quiet=quiet)
    await done(log, SetTarget(CALLED, Target()))
    assert await log.target(CALLED) == Target()
    await done(log, SetTarget(CALLED, first))
    await done(log, DropTarget(CALLED, first.endpoint))
    assert not await log.target(CALLED)
    await done(log, SetTarget(CALLED, first))
    await done(log, Erase(CALLED, now_ms=9))
    await done(log, DropTarget(CALLED, first.endpoint))
    assert await log.target(CALLED) is None


async def _everything_is_there_after_a_restart(log: Log, make: Make) -> Log:
    async def everything() -> tuple[object, ...]:
        rows = await log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)
        return await log.thread(PAIR), await log.thread(OTHER), rows, await log.untold(limit=100)

    before = await everything()
    await log.close()
    log = await _seated(make, ROOMY)
    assert await everything() == before
    return log


async def _old_rows_go_when_both_have_them(log: Log) -> None:
    head = (await log.thread(PAIR)).head_seq
    young = await done(log, kept("young", now_ms=1_000))
    await done(log, Acked(PAIR, End.PHONE, head + 1))
    await done(log, Acked(PAIR, End.HOST, head - 1))
    await done(log, Acked(PAIR, End.HOST, 1))  # an ack never goes back
    assert (await log.thread(PAIR)).acked == {End.PHONE: head + 1, End.HOST: head - 1}
    await done(log, Sweep(before_ms=500))
    assert (await log.thread(PAIR)).oldest_seq == head
    await done(log, Acked(PAIR, End.HOST, head + 1))
    await done(log, Sweep(before_ms=500))
    assert young.row is not None
    assert (await log.thread(PAIR)).oldest_seq == young.row.seq
    await done(log, Sweep(before_ms=5_000))
    thread = await log.thread(PAIR)
    assert (thread.oldest_seq, thread.head_seq) == (0, head + 1)


async def _tasks_that_nobody_ended_go_with_the_old_rows(log: Log) -> None:
    await done(log, posted("endless"))
    await done(log, happened("endless", Event.TAKEN))
    await done(log, Sweep(before_ms=2))
    assert (await log.thread(PAIR)).open_tasks == {task("endless"): 2}
    await done(log, Sweep(before_ms=3))
    assert (await log.thread(PAIR)).open_tasks == {}
    assert (await done(log, kept("ends late", ends="endless"))).task_ended


async def _an_ended_pairing_leaves_nothing(log: Log) -> None:
    await done(log, kept("secret"))
    await done(log, posted("never told"))
    await done(log, happened("never told", Event.TAKEN))
    before = (await log.untold(limit=100)).count
    assert (await done(log, Erase(PAIR, now_ms=9_000))).to_report
    assert not (await done(log, Erase(PAIR, now_ms=9_000))).to_report
    thread = await log.thread(PAIR)
    assert (thread.head_seq, thread.presence, thread.open_tasks) == (0, {}, {})
    assert not await log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)
    assert (await log.thread(OTHER)).pending
    # But for this: the account's owner learns that no outcome of it will ever be told.
    untold = await log.untold(limit=100)
    last = untold.reports[-1]
    assert untold.count == before + 1
    assert (last.task_id, last.accepted, last.outcome, last.ended_ms) == (task("never told"), True, 0, 9_000)
    assert last.reason == Reason.REASON_NOT_PAIRED


async def _a_report_that_nobody_takes_is_forgotten_like_a_row(log: Log) -> None:
    await done(log, Sweep(before_ms=9_000))
    assert [one.ended_ms for one in (await log.untold(limit=100)).reports] == [9_000]
    await done(log, Sweep(before_ms=9_001))
    assert (await log.untold(limit=100)).count == 0


async def _what_is_written_during_a_sweep_is_committed_before_it_is_over(make: Make) -> None:
    """A sweep of many pairings must not hold up those who work: it is done in turns."""
    log = await _seated(make, ROOMY)
    for number in range(9):
        await done(log, kept(f"swept {number}", pair_id=CALLED))
    for end in End:
        await done(log, Acked(CALLED, end, 8))
    order: list[str] = []

    def submit(op: Op, then: Then) -> None:
        def told(result: Done | Failed) -> None:
            order.append("over" if isinstance(result, Done) and result.swept_to is None else "turn")
            then(result)

        log.submit(op, told)

    sweeping = asyncio.create_task(sweep(submit, Sweep(before_ms=100, rows=2, pairings=1)))
    await asyncio.sleep(0)  # its first turn is handed in
    log.submit(kept("written meanwhile", pair_id=CALLED, now_ms=100), lambda _: order.append("written"))

    assert isinstance(await sweeping, Done)

    assert order[:2] == ["turn", "written"]
    assert order.index("over") == len(order) - 1
    thread = await log.thread(CALLED)
    assert (thread.oldest_seq, thread.head_seq) == (9, 10)
    await done(log, Erase(CALLED, now_ms=9))
    await log.close()


async def _a_thread_does_not_outgrow_its_limit(make: Make) -> None:
    log = await _seated(make, 10_000)
    for number in range(40):
        await done(log, kept(f"large {number}", size=1_000))
    found = await log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)
    assert found[-1].seq == 40
    assert [row.seq for row in found] == list(range(found[0].seq, 41))
    assert 5_000 < sum(len(row.sealed) for row in found) <= 10_000
    await log.close()


async def _together(log: Log, *ops: Op) -> list[Done]:
    """Write ops in one turn of the loop, which is one transaction; none may fail."""
    return await asyncio.gather(*(done(log, op) for op in ops))


async def _a_command_may_have_its_verdict_in_the_transaction_in_which_it_came(make: Make) -> None:
    log = await _seated(make, ROOMY)
    taken = happened("taken", Event.TAKEN, pair_id=HASTY)
    pended, accepted = await _together(log, posted("taken", pair_id=HASTY, now_ms=5), taken)
    assert (pended.effect, accepted.effect) == (Effect.PEND, Effect.ACCEPT)
    assert accepted.row is not None
    assert (accepted.row.seq, accepted.row.task_id) == (1, task("taken"))
    assert (await log.untold(limit=1_000)).reports[-1].posted_ms == 5
    assert (await done(log, posted("taken", pair_id=HASTY))).effect is Effect.ANSWER_AGAIN

    declined = happened("declined", Event.DECLINED, Reason.REASON_QUEUE_FULL, pair_id=HASTY)
    _, refused, again = await _together(log, posted("declined", pair_id=HASTY), declined, declined)
    assert (refused.effect, again.effect) == (Effect.REFUSE, Effect.NOTHING)
    assert not (await log.thread(HASTY)).pending

    waits = posted("waits", pair_id=HASTY)
    _, twice = await _together(log, waits, waits)
    assert twice.effect is Effect.HAND_OVER_AGAIN
    (waiting,) = (await log.thread(HASTY)).pending
    assert (waiting.sealed, waiting.task_id, waiting.valid_for_ms) == (b"waits", task("waits"), 10_000)

    note = Note(HASTY, task("noted"), posted_ms=1, reason=Reason.REASON_STORE_FAILED)
    _, noted = await _together(log, posted("noted", pair_id=HASTY), note)
    assert not noted.to_report  # it waits, and says more when it has its verdict
    await _together(log, posted("erased", pair_id=HASTY), Erase(HASTY, now_ms=9))
    assert (await log.thread(HASTY)).head_seq == 0
    await done(log, posted("anew", pair_id=HASTY))
    assert [one.sealed for one in (await log.thread(HASTY)).pending] == [b"anew"]  # and nothing of who had its place
    await log.close()
