"""A server by its standard streams: between the SDK and a program that a keeper holds. Called by `starting`.

Not the SDK's own: that one reads lines of any length, knows no descendants but those of its process group, and lets them
outlive a host that is killed.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from dispatch_host.connectors.lines import Heard, hear, speak
from dispatch_host.connectors.meter import Meter
from dispatch_host.sandbox.program import Conversation

_QUEUED = 64
"""Messages that wait for a server that does not read: whoever cancels a call must not wait for it."""


@contextlib.asynccontextmanager
async def stdio(
    program: Conversation, meter: Meter, ended: Callable[[], None], *, grace_seconds: float
) -> AsyncIterator[
    tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
]:
    """Give the SDK its two streams; `ended` is called when nothing more comes.

    Ends the program as the protocol wants it: its input first, and `grace_seconds` later it is killed.
    """
    heard_in, heard = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    said, said_out = anyio.create_memory_object_stream[SessionMessage](_QUEUED)
    async with heard_in, heard, said, said_out, anyio.create_task_group() as both:
        both.start_soon(_listen, program, heard_in, meter, ended)
        both.start_soon(speak, program.write, said_out)
        try:
            yield heard, said
        finally:
            program.end()
            # Whoever ends this may be cancelled: the program gets its moment all the same.
            with anyio.move_on_after(grace_seconds, shield=True):
                await program.exit()
            both.cancel_scope.cancel()


async def _listen(program: Conversation, heard: Heard, meter: Meter, ended: Callable[[], None]) -> None:
    try:
        if not await hear(program.read, heard, lambda line: meter.heard(len(line))):
            meter.is_over = True
    finally:
        ended()
