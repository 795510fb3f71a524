"""The bus of channels over NATS. Words go out by one task, in order, and whatever the connection loses is said to be lost.

Made by the wiring of a relay with `--bus`; how the servers are named and reached is `dispatch.runtime.bus`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from dispatch.runtime import bus as connecting
from dispatch.runtime.logs import get_logger

from dispatch_relay.channels.bus import BusAway, Changed, Heard, NobodyListens

if TYPE_CHECKING:  # nats is of the extra `scale`
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

_log = get_logger()


class NatsBus:
    """A bus that may be away. Use `run` as a task; it connects, however long that takes, and says what is to be said."""

    def __init__(self, options: connecting.BusOptions) -> None:
        # Fixed after __init__.
        self._options = options
        self._changed: Changed = _nothing
        # Touched on the loop only.
        self._client: Client | None = None
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._news = asyncio.Event()
        self._left: set[asyncio.Task[None]] = set()  # what is left is unsubscribed beside

    @property
    def there(self) -> bool:
        """Whether it is connected."""
        return self._client is not None and self._client.is_connected

    def on_change(self, changed: Changed) -> None:
        """Call this whenever the bus comes or goes."""
        self._changed = changed

    async def run(self) -> None:
        """Connect and speak until cancelled. Raises ValueError for certificates that can't be used."""
        client = self._client = await connecting.connect(
            self._options, name="dispatch-relay", disconnected=self._lost, reconnected=self._back
        )
        try:
            self._changed(True)
            while True:
                await self._news.wait()
                self._news.clear()
                while self._waiting:
                    subject, word = self._waiting.popleft()
                    await self._publish(client, subject, word)
        finally:
            await client.close()

    async def _publish(self, client: Client, subject: str, word: bytes) -> None:
        from nats.errors import Error  # noqa: PLC0415 -- see TYPE_CHECKING above

        if not client.is_connected:
            return
        try:
            await client.publish(subject, word)
        except Error as failure:
            # Its channel finds out by the number that is missing.
            _log.warning("bus: not said", kind=type(failure).__name__)

    async def _lost(self) -> None:
        self._waiting.clear()
        self._changed(False)

    async def _back(self) -> None:
        self._changed(True)

    async def listen(self, subject: str, heard: Heard) -> Callable[[], None]:
        """Hear what is said to a subject; gives how to stop. Raises BusAway."""
        client = self._here()
        # Without limits: the credit of the channels bounds what may come, and a word that is dropped here ends a channel.
        subscription = await client.subscribe(
            subject, cb=partial(self._hear, heard), pending_msgs_limit=0, pending_bytes_limit=0
        )

        def leave() -> None:
            task = asyncio.get_running_loop().create_task(self._stop(subscription))
            self._left.add(task)
            task.add_done_callback(self._left.discard)

        return leave

    async def _stop(self, subscription: Subscription) -> None:
        from nats.errors import Error  # noqa: PLC0415 -- see TYPE_CHECKING above

        try:
            await subscription.unsubscribe()
        except Error as failure:
            _log.debug("bus: not unsubscribed", kind=type(failure).__name__)

    async def _hear(self, heard: Heard, message: Msg) -> None:
        heard(message.data, partial(self._answer, message.reply))

    def _answer(self, subject: str, word: bytes) -> None:
        if subject:
            self.say(subject, word)

    def say(self, subject: str, word: bytes) -> None:
        """Say a word, in order behind those before. It is lost when the bus is away."""
        if self.there:
            self._waiting.append((subject, word))
            self._news.set()

    async def ask(self, subject: str, word: bytes, *, within_seconds: float) -> bytes:
        """Say a word and wait for the answer. Raises NobodyListens at once, TimeoutError, BusAway."""
        from nats import errors  # noqa: PLC0415 -- see TYPE_CHECKING above

        client = self._here()
        try:
            answer: bytes = (await client.request(subject, word, timeout=within_seconds)).data
        except errors.NoRespondersError:
            raise NobodyListens from None
        except errors.TimeoutError:  # raised in place of the one that it is a kind of
            raise TimeoutError from None
        except errors.Error:
            raise BusAway from None
        return answer

    def _here(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise BusAway
        return self._client


def _nothing(_there: bool) -> None: ...
