"""Tells the pairing service what became of tasks: what the log holds for it, in batches, until it is taken.

At least once, and never a word that the log has forgotten: a report leaves the log when the service has answered. Knows no
rooms and no streams. Called by `app`; whoever commits a report calls `news`. docs/pairing.md "History".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import grpc
from dispatch import errors, status
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.pairing.v1 import pairing_pb2_grpc
from dispatch.runtime.logs import get_logger
from dispatch.tls import Dialler

from dispatch_relay.log import Done, Failed, Log, Report, Reported
from dispatch_relay.metrics import Metrics

_log = get_logger()

BATCH = 1_000
"""Most reports in one call (the contract's limit)."""
GATHER_SECONDS = 0.5
"""How long reports may gather: one call tells many, and nobody waits for it."""
CALL_SECONDS = 10.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0


class Reporter:
    """The one who reports."""

    def __init__(
        self,
        *,
        pairing: str,
        dialler: Callable[[], Dialler],
        log: Log,
        metrics: Metrics,
        jitter: Callable[[float, float], float],
    ) -> None:
        self._pairing = pairing
        self._dialler = dialler  # asked before each connection: certificates change
        self._log = log
        self._metrics = metrics
        self._jitter = jitter
        self._news = asyncio.Event()

    def news(self) -> None:
        """Hear that the log has a report more."""
        self._news.set()

    async def run(self) -> None:
        """Report until cancelled, first what an earlier process left."""
        wait = FIRST_WAIT_SECONDS
        while True:
            self._news.clear()
            why = await self._tell_all()
            if why is None:
                wait = FIRST_WAIT_SECONDS
                await self._news.wait()
                await asyncio.sleep(GATHER_SECONDS)
                continue
            self._metrics.report_failures.inc()
            _log.warning("reports wait", why=why)
            await asyncio.sleep(self._jitter(wait / 2, wait))
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _tell_all(self) -> str | None:
        """Tell everything that waits; gives why it can't be told, None when nothing is left."""
        try:
            untold = await self._log.untold(limit=BATCH)
            self._metrics.reports_waiting.set(untold.count)
            if not untold.reports:
                return None
            dialler = await asyncio.to_thread(self._dialler)
            async with dialler.dial(self._pairing) as channel:
                stub: pairing_pb2_grpc.HistoryServiceAsyncStub = pairing_pb2_grpc.HistoryServiceStub(channel)
                while untold.reports:
                    try:
                        request = pb.ReportRequest(reports=[_told(report) for report in untold.reports])
                        await stub.Report(request, timeout=CALL_SECONDS)
                    except grpc.aio.AioRpcError as failure:
                        return str(await dialler.explain(self._pairing, status.from_rpc(failure)))
                    await self._forget([report.number for report in untold.reports])
                    self._metrics.reports.inc(len(untold.reports))
                    untold = await self._log.untold(limit=BATCH)
                    self._metrics.reports_waiting.set(untold.count)
        except (ValueError, errors.TlsFailed, errors.StoreFailed) as failure:
            return str(failure)  # a certificate that can't be read, a disk that is full; later perhaps
        return None

    async def _forget(self, numbers: Sequence[int]) -> None:
        """Let the log forget what was told. Raises StoreFailed: then it is told again, which changes nothing."""
        told: asyncio.Future[Done | Failed] = asyncio.get_running_loop().create_future()
        self._log.submit(Reported(numbers), lambda came: None if told.done() else told.set_result(came))
        came = await told
        if isinstance(came, Failed):
            raise errors.StoreFailed(came.why)


def _told(report: Report) -> pb.TaskReport:
    return pb.TaskReport(
        pair_id=report.pair_id,
        task_id=report.task_id,
        posted_at_ms=report.posted_ms,
        accepted=report.accepted,
        reason=report.reason,
        outcome=report.outcome,
        ended_at_ms=report.ended_ms,
    )
