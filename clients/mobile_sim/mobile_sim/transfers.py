"""Brings one file to the host or from it, transfer after transfer, from the last whole chunk, until it is through.

A host that is away ends it at once, with the cause. What breaks on the way is tried again as long as it gets on. Called by
`files`; what a transfer is, `dispatch.files` knows.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.clock import Clock
from dispatch.files.carrier import RelayCarrier
from dispatch.files.description import Described
from dispatch.files.giving import Source, give
from dispatch.files.partial import Partial, placed
from dispatch.files.taking import take
from dispatch.files.threads import held
from dispatch.ids import ID_BYTES, Rng, TransferId
from dispatch.thread import Backoff

from mobile_sim.line import Line
from mobile_sim.patience import Patience

_AGAIN = (
    errors.NoNetwork,
    errors.NoRelay,
    errors.PeerAbsent,
    errors.LeaseLost,
    errors.Draining,
    errors.TrustStale,
    errors.RateLimited,
    errors.GrantExpired,
    errors.GrantInvalid,
    errors.ProofInvalid,
    errors.Internal,
)
_RENEW = (errors.GrantExpired, errors.GrantInvalid, errors.ProofInvalid)

Progress = Callable[[int], None]
Attempt = Callable[[RelayCarrier, TransferId, Progress], Awaitable[None]]
Ask = Callable[[TransferId], words.UpLiveItem]


class Mover:
    """Moves files over one line."""

    def __init__(self, line: Line, *, clock: Clock, rng: Rng, chance: random.Random, patience: Patience) -> None:
        # Fixed after __init__.
        self._line = line
        self._clock = clock
        self._rng = rng
        self._chance = chance
        self._patience = patience
        # Touched by the one transfer.
        self._transfer_id = b""
        self._refused: Reason.ValueType | None = None
        self._renew = False

    async def attach(self, file: Described, source: Source, progress: Progress) -> None:
        """Bring a file to the host. Returns when it has it whole; raises DispatchError."""

        async def attempt(carrier: RelayCarrier, transfer_id: TransferId, told: Progress) -> None:
            await give(carrier, file, source, transfer_id=transfer_id, rng=self._rng, progress=told)

        def offer(transfer_id: TransferId) -> words.UpLiveItem:
            return words.UpLiveItem(
                file_offer=words.FileOffer(transfer_id=transfer_id, file=file.attachment()),
            )

        await self._through(offer, attempt, progress)

    async def fetch(self, file: Described, folder: Path, *, replace: bool, progress: Progress) -> Path:
        """Bring an artifact into a folder; gives its path there. Raises DispatchError."""
        final: list[Path] = []
        aside = folder / f".dispatch-{file.file_id.hex()}.part"

        async def attempt(carrier: RelayCarrier, transfer_id: TransferId, told: Progress) -> None:
            async with held(lambda stopped: Partial(aside, file, stopped=stopped), pool) as partial:

                async def keep() -> None:
                    final.append(await asyncio.to_thread(placed, partial, folder, file.name, replace=replace))

                try:
                    await take(carrier, partial, transfer_id=transfer_id, rng=self._rng, progress=told, keep=keep)
                except errors.DispatchError:
                    if not final:
                        raise  # else it is here, and only that could not be said any more

        def wish(transfer_id: TransferId) -> words.UpLiveItem:
            return words.UpLiveItem(
                file_wanted=words.FileWanted(transfer_id=transfer_id, file_id=file.file_id),
            )

        pool = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        try:
            await self._through(wish, attempt, progress)
        finally:
            pool.shutdown(wait=False)
        return final[0]

    async def _through(self, ask: Ask, attempt: Attempt, progress: Progress) -> None:
        """Try until it is through, or until it makes no sense any more."""
        backoff = Backoff(self._chance)
        patience_ms = round(self._patience.connect_seconds * 1000)
        since_ms, furthest, begun_over = self._clock.steady_ms(), -1, False
        resumed = False

        def told(done: int) -> None:
            nonlocal since_ms, patience_ms, furthest, resumed
            resumed = resumed or (furthest < 0 and done > 0)
            if done > furthest:
                furthest, since_ms = done, self._clock.steady_ms()
                patience_ms = round(self._patience.transfer_stuck_seconds * 1000)
                backoff.opened()
            progress(done)

        while True:
            try:
                await self._ready(patience_ms)
                await self._watched(ask, lambda carrier, transfer_id: attempt(carrier, transfer_id, told))
            except errors.FileChanged:
                # What an earlier try left may have been torn by a crash: then nothing of it is left now.
                if begun_over or not resumed:
                    raise
                begun_over, furthest = True, -1
            except _AGAIN as error:
                waited_ms = self._clock.steady_ms() - since_ms
                self._renew = isinstance(error, _RENEW)
                if waited_ms >= patience_ms:
                    raise (
                        error if isinstance(error, errors.NoNetwork) else errors.TransferFailed(error.detail)
                    ) from error
                wait_ms = backoff.next_ms(self._clock.steady_ms(), advised_ms=error.retry_after_ms)
                await asyncio.sleep(min(wait_ms, max(patience_ms - waited_ms, 1)) / 1000)
            else:
                return

    async def _ready(self, patience_ms: int) -> None:
        """Wait until the host can be asked. Raises why it can't."""
        line = self._line
        await line.bell.until(
            lambda: line.ready or line.final or line.sight.gone,
            min(patience_ms / 1000, self._patience.transfer_ready_seconds),
        )
        if line.ready:
            return
        self._raise_if_over()
        raise line.error or errors.NoNetwork("no session with the computer")

    def _raise_if_over(self) -> None:
        if self._line.final:
            raise self._line.error or errors.NotPaired
        if self._line.sight.gone:
            raise errors.of(self._line.sight.cause)

    async def _watched(self, ask: Ask, attempt: Callable[[RelayCarrier, TransferId], Awaitable[None]]) -> None:
        """Do one transfer, unless the host goes away or refuses it meanwhile."""
        line, transfer_id = self._line, TransferId(self._rng(ID_BYTES))
        self._transfer_id, self._refused = transfer_id, None
        line.refusal_listeners.add(self._hear_refusal)
        working = asyncio.create_task(self._one(ask, transfer_id, attempt))
        watching = asyncio.create_task(
            line.bell.until(lambda: line.final or line.sight.gone or self._refused is not None)
        )
        try:
            await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
            if working.done() and isinstance(working.exception(), errors.PeerAbsent):
                # The host left, or never came: it may just be saying why.
                await asyncio.wait([watching], timeout=self._patience.transfer_refusal_seconds)
            if working.done() and working.exception() is None:
                return
            if self._refused is not None:
                raise errors.of(self._refused, "the computer says so")
            self._raise_if_over()
            await working
        finally:
            line.refusal_listeners.discard(self._hear_refusal)
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    def _hear_refusal(self, refused: words.TransferRefused) -> None:
        if refused.transfer_id == self._transfer_id:
            self._refused = refused.reason

    async def _one(
        self, ask: Ask, transfer_id: TransferId, attempt: Callable[[RelayCarrier, TransferId], Awaitable[None]]
    ) -> None:
        line = self._line
        right = await line.right(fresh=self._renew)
        line.say(ask(transfer_id))
        async with RelayCarrier.joined(
            right, line.relay_address, transfer_id, identity=line.identity, instance=line.instance, rng=self._rng
        ) as carrier:
            await attempt(carrier, transfer_id)
