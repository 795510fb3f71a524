"""Carries rings of the bell to the other services, and theirs to ours, over the bus. Called by app.py.

The service starts and goes on without the bus: whoever waits looks at the store by itself every few seconds. So nothing here
waits for an answer, and what can't be sent is forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from dispatch.endings import cut
from dispatch.runtime import bus
from dispatch.runtime.bus import BusOptions
from dispatch.runtime.logs import get_logger

from dispatch_pairing.bell import Bell

if TYPE_CHECKING:  # of the extra `scale`
    from nats.aio.client import Client
    from nats.aio.msg import Msg

_SUBJECT = "dispatch.pairing.ring"
_TOPIC_BYTES = 64
_WAITING = 1_000
_AGAIN_SECONDS = 1.0
_HEARD_SECONDS = 2
"""So long the bus has to say that it hears us: until then what is rung here waits."""

_log = get_logger()


class BusBell:
    """A bell that all services on a bus hear."""

    def __init__(self, options: BusOptions) -> None:
        self._options = options
        self.bell = Bell(carry=self._carry)
        self._topics = asyncio.Queue[bytes](maxsize=_WAITING)
        self._client: Client | None = None  # the one that hears the others

    def is_away(self) -> bool:
        """Tell whether the other services are not heard. May be asked from another thread, as metrics do."""
        client = self._client
        return client is None or not client.is_connected

    def _carry(self, topic: bytes) -> None:
        with suppress(asyncio.QueueFull):  # it is away, and everybody looks by itself
            self._topics.put_nowait(topic)

    @asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """Carry rings until the block ends. Raises ValueError for certificates that can't be used."""
        self._options.context()  # what is wrong with the files is wrong from the start on, whether the bus is there or not
        carrying = asyncio.create_task(self._carry_all())
        try:
            yield
        finally:
            await cut(carrying, again_seconds=_AGAIN_SECONDS)

    async def _carry_all(self) -> None:
        from nats.errors import Error  # noqa: PLC0415 -- of the extra `scale`

        while True:
            client = None
            try:
                client = await bus.connect(self._options, name="dispatch-pairing", reconnected=self._back)
                await client.subscribe(_SUBJECT, cb=self._heard)
                await client.flush(_HEARD_SECONDS)
                self._client = client
                await self._back()
                while True:
                    await self._say(client, await self._topics.get())
            except (Error, ValueError) as failure:
                # It was lost, or stood still, before it said that it hears us; or certificates are being replaced.
                _log.warning("bus not heard", kind=type(failure).__name__)
            finally:
                self._client = None
                if client is not None:
                    await client.close()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _say(self, client: Client, topic: bytes) -> None:
        from nats.errors import Error  # noqa: PLC0415 -- of the extra `scale`

        try:
            await client.publish(_SUBJECT, topic)
        except Error as failure:
            _log.debug("ring not carried", kind=type(failure).__name__)

    async def _heard(self, message: Msg) -> None:
        # Whoever is on the bus can wake people, who then look at the store: no more than that.
        if len(message.data) <= _TOPIC_BYTES:
            self.bell.ring_here(message.data)

    async def _back(self) -> None:
        # What was rung while the bus was away was heard by nobody here.
        self.bell.ring_all()
