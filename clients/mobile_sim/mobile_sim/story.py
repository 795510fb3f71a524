"""What the phone's log and its traces are told of a task, each time something is learnt of it. Called by the ledger.

Both have ids and words of closed lists only: never what was asked, or what came back. docs/logs.md, docs/operations.md "Traces".
"""

from __future__ import annotations

import logging

from dispatch.clock import Clock
from dispatch.ids import PairId, TaskId, short
from dispatch.tracing import UNTOLD, Traces, root_of

from mobile_sim.facts import Fact, Kind
from mobile_sim.store import Store
from mobile_sim.task_view import OVER, State, TaskView

_EVENTS = {
    Kind.SENT: "task sent",
    Kind.NOT_SENT: "task not sent",
    Kind.UNCONFIRMED: "task unconfirmed",
    Kind.OUT_OF_CONTACT: "task out of contact",
    Kind.BACK: "task back in contact",
    Kind.HANDED_OVER: "handed over",
    Kind.TAKEN: "verdict",
    Kind.REFUSED: "verdict",
    Kind.NEVER_STORED: "task not stored",
    Kind.ACCEPTED: "task accepted",
    Kind.STARTED: "task started",
    Kind.ASKING: "asked",
    Kind.ENDED: "task over",
}
"""What is logged; of the rest a log would only grow. The same words as in the logs of relay and host, where those say the same."""
_VERDICTS = {Kind.TAKEN: "accepted", Kind.REFUSED: "refused"}

log = logging.getLogger(__name__)


class Story:
    """Of the tasks of one pairing."""

    def __init__(self, store: Store, pair_id: PairId, clock: Clock, traces: Traces = UNTOLD) -> None:
        self._store = store
        self._pair_id = pair_id
        self._clock = clock
        self._traces = traces

    def learnt(self, task_id: TaskId, fact: Fact, *, before: State, after: TaskView) -> None:
        """Tell of a fact that has just been noted."""
        ids = {"task": short(task_id), "pairing": short(self._pair_id)}
        if (event := _EVENTS.get(fact.kind)) is not None:
            said: dict[str, str | int | None] = {
                "verdict": _VERDICTS.get(fact.kind),
                "reason": fact.reason,
                "outcome": fact.outcome,
            }
            said |= {"attempt": fact.attempt, "path": fact.path}
            log.info(event, extra=ids | {name: value for name, value in said.items() if value})
        if self._traces.on:
            self._trace(task_id, fact, before=before, after=after)

    def _trace(self, task_id: TaskId, fact: Fact, *, before: State, after: TaskView) -> None:
        posts = self._store.tasks.posts(task_id, "task")
        if not posts:
            return  # read out of a thread, and sent by nobody here
        pairing, now_ms = short(self._pair_id), self._clock.wall_ms()
        if fact.kind in _VERDICTS:
            # The word on one attempt; a task may have several.
            posted_ms = next((post.posted_at_ms for post in posts if post.attempt == fact.attempt), now_ms)
            self._traces.span(
                "sending",
                task_id,
                start_ms=posted_ms,
                end_ms=now_ms,
                verdict=_VERDICTS[fact.kind],
                reason=fact.reason,
                pairing=pairing,
            )
        if after.state in OVER and before not in OVER:
            self._traces.span(
                "task",
                task_id,
                start_ms=posts[0].posted_at_ms,
                end_ms=now_ms,
                span_id=root_of(task_id),
                parent_id=b"",
                outcome=after.state.value,
                reason=after.reason,
                pairing=pairing,
            )
