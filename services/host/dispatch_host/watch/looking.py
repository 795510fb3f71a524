"""Looks at a running host through its socket, again and again; owns nothing, so that `run` can begin and end meanwhile.

Knows no window.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.device.home import Home

from dispatch_host.control_client import ControlClient

HISTORY = 50
LAST_EVENTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What there was to see at one moment."""

    status: pb.GetStatusResponse
    tasks: list[pb.TaskStatus] = field(default_factory=list)
    questions: list[pb.OpenQuestion] = field(default_factory=list)


class Looking:
    """The way to the host. `found` is how it was before the first look."""

    def __init__(self, home: Home, found: pb.GetStatusResponse) -> None:
        self._home = home
        self._last = Look(status=found)

    async def look(self) -> Look:
        """Look once. A host that does not run is as it was last, and not running."""
        try:
            async with ControlClient(self._home) as client:
                status = await client.status()
                tasks = (await client.list_tasks(HISTORY)).tasks
                self._last = Look(status=status, tasks=list(tasks), questions=list(status.questions))
        except errors.NotRunning:
            self._last = Look(status=_stopped(self._last.status), tasks=self._last.tasks)
        return self._last

    async def thread(self, phone_name: str) -> list[bytes]:
        """Read the newest events of a thread. Raises NotRunning, TargetNeeded and its kin."""
        newest: deque[bytes] = deque(maxlen=LAST_EVENTS)
        async with ControlClient(self._home) as client, contextlib.aclosing(client.read_thread(phone_name)) as events:
            async for content in events:
                newest.append(content)
        return list(newest)

    async def pair(self, answers: asyncio.Queue[bool]) -> AsyncIterator[pb.PairResponse]:
        """Show codes until a phone is paired. Raises NotRunning, SignInRequired."""
        async with (
            ControlClient(self._home) as client,
            contextlib.aclosing(client.pair(pb.PairStart(), answers)) as said,
        ):
            async for event in said:
                yield event


def _stopped(last: pb.GetStatusResponse) -> pb.GetStatusResponse:
    """Say what is still true when the process is gone."""
    status = pb.GetStatusResponse()
    status.CopyFrom(last)
    status.running = False
    for gone in ("running_task", "waiting_tasks", "questions", "direct_addresses"):
        status.ClearField(gone)
    for pairing in status.pairings:
        pairing.connected = pairing.phone_attached = pairing.direct = False
        pairing.reason = Reason.REASON_NOT_RUNNING
    status.keep_awake.state.held = False
    status.keep_awake.state.reason = Reason.REASON_NOT_RUNNING
    return status
