"""What is known of tasks without their content: reported by relays, read by the account's owner. Called by api/ and the web page.

A relay reports at least once and in no promised order, so a report only ever adds: whatever comes when, and however often,
the same is known in the end.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.clock import Clock
from dispatch.errors import BadRequest
from dispatch.ids import ID_BYTES, AccountId, PairId, TaskId

from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Pairing, TaskRecord
from dispatch_pairing.store import Store

PAGE = 100
_MOST_MS = 2**53
_PLACE_BYTES = 8
_OUTCOMES, _REASONS = frozenset(Outcome.values()), frozenset(Reason.values())


@dataclass(frozen=True, slots=True)
class Report:
    """What a relay says of a task."""

    pair_id: PairId
    task_id: TaskId
    posted_ms: int
    accepted: bool
    reason: int
    outcome: int
    ended_ms: int

    @property
    def sound(self) -> bool:
        """Whether it can be kept at all."""
        return (
            len(self.pair_id) == len(self.task_id) == ID_BYTES
            and 0 < self.posted_ms < _MOST_MS
            and 0 <= self.ended_ms < _MOST_MS
            and self.outcome in _OUTCOMES
            and self.reason in _REASONS
        )


def first(report: Report, pairing: Pairing) -> TaskRecord:
    """Give what is known of a task of which nothing was known. Pure."""
    return TaskRecord(
        pair_id=report.pair_id,
        task_id=report.task_id,
        account_id=pairing.account_id,
        phone_id=pairing.phone_id,
        host_id=pairing.host_id,
        posted_ms=report.posted_ms,
        # Only what was accepted can end.
        accepted=report.accepted or bool(report.ended_ms or report.outcome),
        reason=report.reason,
        outcome=report.outcome,
        ended_ms=report.ended_ms,
    )


def added(known: TaskRecord, said: TaskRecord) -> TaskRecord:
    """Give what is known of a task after one more report. Pure.

    What says more wins, and an outcome stays as it was told first. A refused attempt may be followed by an accepted one.
    """
    more, less = _weight(said), _weight(known)
    later_attempt = not more and (said.posted_ms, said.reason) > (known.posted_ms, known.reason)
    fuller = said if more > less or (more == less and later_attempt) else known
    return replace(fuller, posted_ms=_posted(known, said))


def _weight(record: TaskRecord) -> int:
    """Say how much is known: refused, accepted, over without an outcome, over with one."""
    if record.outcome:
        return 3
    return 2 if record.ended_ms else int(record.accepted)


def _posted(known: TaskRecord, said: TaskRecord) -> int:
    """Say when the attempt that counts was posted: the accepted one, else the last."""
    if known.accepted is said.accepted:
        return (min if known.accepted else max)(known.posted_ms, said.posted_ms)
    return known.posted_ms if known.accepted else said.posted_ms


@dataclass(frozen=True, slots=True)
class Page:
    """Some of an account's tasks, newest first."""

    tasks: Sequence[TaskRecord]
    next_token: str
    """For the page behind; empty at the end."""


class History:
    """Keeps reports for a time, and shows them to their account."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._metrics = metrics

    async def report(self, reports: Sequence[Report]) -> None:
        """Take a relay's reports. What is unsound, too old, or of a pairing that is unknown is dropped and counted.

        Raises BadRequest for more than one call may bring.
        """
        limits = self._limits
        if len(reports) > limits.reports:
            raise BadRequest(f"more than {limits.reports} reports", metadata={"field": "reports"})
        results = dict.fromkeys(("kept", "unsound", "too_old", "unknown_pairing"), 0)
        oldest_ms = self._oldest_ms()
        async with self._store.write() as kept:
            pairings: dict[PairId, Pairing | None] = {}
            for report in reports:
                if not report.sound:
                    results["unsound"] += 1
                    continue
                if report.posted_ms < oldest_ms:
                    results["too_old"] += 1
                    continue
                if report.pair_id not in pairings:
                    pairings[report.pair_id] = await kept.pairings.get(report.pair_id)
                pairing = pairings[report.pair_id]
                if pairing is None:
                    # Erased with its account, or of a service that this one is not.
                    results["unknown_pairing"] += 1
                    continue
                known = await kept.history.get(report.pair_id, report.task_id)
                said = first(report, pairing)
                after = said if known is None else added(known, said)
                if after != known:
                    await kept.history.put(after)
                results["kept"] += 1
        for result, count in results.items():
            self._metrics.reports.labels(result).inc(count)

    async def page(self, account_id: AccountId, *, token: str, size: int) -> Page:
        """Give a page; `size` 0 means 100. Raises BadRequest."""
        size = size or PAGE
        if size > self._limits.history_page:
            raise BadRequest(f"at most {self._limits.history_page} a page", metadata={"field": "page_size"})
        before = _read_token(token)
        async with self._store.read() as kept:
            found = await kept.history.of_account(account_id, before=before, limit=size + 1)
        oldest_ms = self._oldest_ms()
        young = [record for record in found if record.posted_ms >= oldest_ms]
        shown = young[:size]
        return Page(tasks=shown, next_token=_token(shown[-1]) if len(young) > size else "")

    def _oldest_ms(self) -> int:
        return self._clock.wall_ms() - self._limits.history_ms


def _token(record: TaskRecord) -> str:
    place = record.posted_ms.to_bytes(_PLACE_BYTES, "big") + record.task_id
    return base64.urlsafe_b64encode(place).decode()


def _read_token(token: str) -> tuple[int, TaskId] | None:
    if not token:
        return None
    try:
        place = base64.urlsafe_b64decode(token.encode())
    except (binascii.Error, ValueError) as failure:
        raise BadRequest("not a page of this list", metadata={"field": "page_token"}) from failure
    posted_ms = int.from_bytes(place[:_PLACE_BYTES], "big")
    if len(place) != _PLACE_BYTES + ID_BYTES or posted_ms >= _MOST_MS:
        raise BadRequest("not a page of this list", metadata={"field": "page_token"})
    return posted_ms, TaskId(place[_PLACE_BYTES:])
