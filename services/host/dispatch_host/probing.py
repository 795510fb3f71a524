"""Answers a phone's probe: that this host lives, from end to end, and how it is. Called by the link; docs/protocol.md "Probe"."""

from __future__ import annotations

from dispatch.api.thread.v1.thread_pb2 import DownLiveItem, ProbeReply

from dispatch_host.allowance import Allowance
from dispatch_host.journal import Tx, tasks
from dispatch_host.tasks import OPEN, QUEUED

PROBES = 20
PROBES_WINDOW_MS = 10_000


def probes() -> Allowance:
    """Give what one phone may ask: each answer reads the journal."""
    return Allowance(most=PROBES, window_ms=PROBES_WINDOW_MS)


def reply(tx: Tx, thread: int, number: int) -> DownLiveItem:
    """Say how the host is now. Another phone's task is none of this one's business but for that there is one."""
    found = tasks.in_states(tx, OPEN)
    running = next((task for task in found if task.state not in QUEUED), None)
    return DownLiveItem(
        probe_reply=ProbeReply(
            number=number,
            running_task_id=running.task_id if running is not None and running.thread == thread else b"",
            busy=running is not None,
            waiting_tasks=sum(task.state in QUEUED for task in found),
        )
    )
