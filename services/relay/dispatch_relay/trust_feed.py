"""Follows the pairing service: names this relay's address, takes the news, comes back after a break, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import grpc
from dispatch import errors, status
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.pairing.v1 import pairing_pb2_grpc
from dispatch.runtime.logs import get_logger
from dispatch.tls import Dialler

from dispatch_relay import trust
from dispatch_relay.trust import News, Trust
from dispatch_relay.trust_store import TrustStore

_log = get_logger()

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 2.0
HEARTBEAT_SECONDS = 65.0
"""More than three missed heartbeats: the connection is not what it seems."""
HEARD_EVERY_MS = 20_000
"""How exactly a relay that starts again knows how old its news are. Each time is a write to the disk."""

Act = Callable[[News], None]
Settled = Callable[[], Awaitable[None]]
"""Returns when everything that follows from the news acted on before is done, and stored."""
Connected = Callable[[bool], None]
Result = TypeVar("Result")
Jitter = Callable[[float, float], float]
"""Gives a number between the two: `random.uniform`."""


class TrustFeed:
    """The one stream to the pairing service."""

    def __init__(
        self,
        *,
        pairing: str,
        dialler: Callable[[], Dialler],
        advertise: str,
        web_advertise: str,
        state: Trust,
        store: TrustStore,
        act: Act,
        settled: Settled,
        connected: Connected,
        jitter: Jitter,
    ) -> None:
        self._pairing = pairing
        self._dialler = dialler  # asked before each stream: certificates change
        self._introduction = pb.FollowTrustRequest(relay_address=advertise, web_address=web_advertise)
        self._state = state
        self._store = store
        self._act = act
        self._settled = settled
        self._connected = connected
        self._jitter = jitter
        self._after = self._kept = (state.sequence, state.digest)
        self._moved = asyncio.Event()
        self._heard = 0  # messages
        self._kept_heard_ms = 0
        # A thread of its own: whatever else waits in threads here, a revocation does not wait for it.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trust")

    async def follow(self) -> None:
        """Follow until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_places())
                await self._follow()
        finally:
            self._thread.shutdown(wait=False)

    async def _follow(self) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            heard = self._heard
            why = await self._once()
            self._connected(False)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS) if self._heard == heard else FIRST_WAIT_SECONDS
            _log.warning("trust feed broke", why=why)
            await asyncio.sleep(self._jitter(wait / 2, wait))

    async def _once(self) -> str:
        """Follow one stream to its end; gives why it ended."""
        try:
            dialler = await self._apart(self._dialler)
            async with dialler.dial(self._pairing) as channel:
                return await self._stream(pairing_pb2_grpc.TrustServiceStub(channel), dialler)
        except (ValueError, errors.TlsFailed) as failure:
            return str(failure)  # a certificate that can't be read; the next may be

    async def _stream(self, stub: pairing_pb2_grpc.TrustServiceAsyncStub, dialler: Dialler) -> str:
        self._introduction.after_sequence, self._introduction.after_digest = self._after
        call = stub.FollowTrust(self._introduction)
        try:
            while True:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    message = await call.read()
                if not isinstance(message, pb.FollowTrustResponse):
                    return "it ended"
                await self._take(message)
                self._heard += 1
        except grpc.aio.AioRpcError as failure:
            return str(await dialler.explain(self._pairing, status.from_rpc(failure)))
        except TimeoutError:
            return "no heartbeat"
        except (ValueError, errors.StoreFailed) as failure:
            # Keys that nobody vouches for, a message without sense, a full disk: what is known stays, and grows old.
            return str(failure)
        finally:
            call.cancel()

    async def _apart(self, work: Callable[..., Result], *given: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    async def _take(self, message: pb.FollowTrustResponse) -> None:
        news = trust.read(message, known=self._state.keys)
        if news.complete and news.sequence < self._after[0]:
            # The service was restored from a backup and counts again from where it was: hear all of it.
            self._after = (0, b"")
            raise ValueError("the service counts from an earlier place than before")
        if news.keys is not None or news.ended or news.revoked:
            await self._apart(self._store.keep, replace(news, complete=False))
        self._state.learn(news)
        self._connected(True)
        if abs(self._state.heard_ms - self._kept_heard_ms) >= HEARD_EVERY_MS:
            await self._apart(self._store.keep_heard, self._state.heard_ms)
            self._kept_heard_ms = self._state.heard_ms
        self._act(news)
        if news.complete:
            self._after = (news.sequence, news.digest)
            if self._after != self._kept:
                self._moved.set()

    async def _keep_places(self) -> None:
        # Kept last: what was kept but not carried to its end is told again after a crash.
        while True:
            await self._moved.wait()
            self._moved.clear()
            place = self._after
            await self._settled()
            try:
                await self._apart(self._store.keep, News(sequence=place[0], digest=place[1], complete=True))
            except errors.StoreFailed as failure:
                _log.warning("place in the trust feed not kept", why=failure.detail)  # the next heartbeat tries again
            else:
                self._kept = place
