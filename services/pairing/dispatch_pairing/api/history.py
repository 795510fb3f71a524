"""HistoryService: what relays report. Translates messages; `history` decides."""

from __future__ import annotations

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.ids import PairId, TaskId

from dispatch_pairing.api.method import HISTORY, Method
from dispatch_pairing.door import Need
from dispatch_pairing.history import History, Report


class HistoryApi:
    """Answers HistoryService."""

    def __init__(self, *, history: History) -> None:
        self._history = history

    def methods(self) -> tuple[Method, ...]:
        """Give the table: every method, and what its caller must show."""
        return (Method(HISTORY, "Report", pb.ReportRequest, Need.SERVICE, self._report),)

    async def _report(self, _caller: None, request: pb.ReportRequest) -> pb.ReportResponse:
        await self._history.report([_said(one) for one in request.reports])
        return pb.ReportResponse()


def _said(told: pb.TaskReport) -> Report:
    return Report(
        pair_id=PairId(told.pair_id),
        task_id=TaskId(told.task_id),
        posted_ms=told.posted_at_ms,
        accepted=told.accepted,
        reason=told.reason,
        outcome=told.outcome,
        ended_ms=told.ended_at_ms,
    )
