"""The host's end of every transfer: takes attachments that a phone offers, gives artifacts that it wants.

A phone asks under the seal of its thread; the host then joins the transfer at the relay where that thread is. A phone that
asks again for the same file has given the transfer before up: the newest counts, and begins when the others have let go.
Called by the links and the operations.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import Clock
from dispatch.failures import place_of
from dispatch.files.carrier import RelayCarrier
from dispatch.files.description import checked
from dispatch.files.giving import give
from dispatch.files.taking import already_there, take
from dispatch.files.threads import held
from dispatch.ids import ID_BYTES, Instance, PairId, Rng, TransferId
from dispatch.runtime.logs import get_logger
from dispatch.thread import Identity, Right

from dispatch_host.allowance import Allowance
from dispatch_host.files.artifacts import Artifacts
from dispatch_host.files.attachments import Attachments
from dispatch_host.journal import Tx, Writer, files, permissions
from dispatch_host.journal.values import FileKind, Pairing, StoredFile
from dispatch_host.scope import Folder

MOST_OF_PAIRING = 4
MOST_ASKED, ASKED_WINDOW_MS = 32, 10_000
"""What a phone may ask for, in all: each costs the journal and the disk something, whatever comes of it."""
THREADS = 4
"""Open files for all transfers: what arrived before, or was touched since, is read to its end. The agents have others."""

_LOG = get_logger()


class Thread(Protocol):
    """What a transfer needs of a link."""

    pairing: Pairing

    @property
    def relay_address(self) -> str: ...
    async def right(self, *, fresh: bool) -> Right: ...
    def show(self, items: Sequence[pb.DownLiveItem]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What all transfers of a host work with. Fixed for the process."""

    journal: Writer
    attachments: Attachments
    artifacts: Artifacts
    clock: Clock
    rng: Rng = field(repr=False)
    identity: Identity
    instance: Instance
    most_bytes: int
    ended: Callable[[str], None]
    """Is told how each ended: DONE or the word of a reason."""


DONE = "done"


class Transfers:
    """What is under way. Use as an async context manager: none outlives the host."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="files")
        # Touched on the loop only.
        self._under_way: dict[tuple[PairId, bytes], list[asyncio.Task[None]]] = {}  # the newest last; the others end
        self._asked: dict[PairId, Allowance] = {}
        self._given: dict[asyncio.Timeout, StoredFile] = {}  # what goes to a phone now, and what ends it

    async def __aenter__(self) -> Transfers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cut([task for tasks in self._under_way.values() for task in tasks])
        self._pool.shutdown(wait=False)

    # ---- Called by links.

    def offered(self, link: Thread, offer: pb.FileOffer) -> None:
        """Hear that a phone offers an attachment."""
        self._begin(link, offer.transfer_id, offer.file.file_id, lambda: self._take(link, offer))

    def wanted(self, link: Thread, wish: pb.FileWanted) -> None:
        """Hear that a phone wants an artifact."""
        self._begin(link, wish.transfer_id, wish.file_id, lambda: self._give(link, wish))

    def _begin(
        self, link: Thread, transfer_id: bytes, file_id: bytes, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        if len(transfer_id) != ID_BYTES or len(file_id) != ID_BYTES:
            return  # nobody could be told which transfer is refused
        pair_id = link.pairing.pair_id
        place = pair_id, file_id
        of_pairing = sum(pair_id == of for of, _ in self._under_way)
        if not self._may_ask(pair_id) or (place not in self._under_way and of_pairing >= MOST_OF_PAIRING):
            self._refuse(link, transfer_id, Reason.REASON_RATE_LIMITED)
            return
        before = list(self._under_way.get(place, ()))
        for one in before:
            one.cancel()

        async def run() -> None:
            if before:
                await asyncio.wait(before)
            await self._run(link, transfer_id, work())

        task = asyncio.create_task(run())
        self._under_way[place] = [*before, task]

        def over(_: asyncio.Task[None]) -> None:
            self._under_way[place].remove(task)
            if not self._under_way[place]:
                del self._under_way[place]

        task.add_done_callback(over)

    def _may_ask(self, pair_id: PairId) -> bool:
        allowance = self._asked.setdefault(pair_id, Allowance(most=MOST_ASKED, window_ms=ASKED_WINDOW_MS))
        now_ms = self._shop.clock.steady_ms()
        if not allowance.left(now_ms=now_ms):
            return False
        allowance.take(now_ms=now_ms)
        return True

    async def drop(self, pair_id: PairId) -> None:
        """End the transfers of a pairing that is over; returns when none of them touches the disk any more."""
        await self._cut([task for (of, _), tasks in self._under_way.items() if of == pair_id for task in tasks])
        self._asked.pop(pair_id, None)

    def permissions_changed(self, folders: Sequence[Folder]) -> None:
        """End what is being given out of a folder that is not approved any more."""
        for until, stored in self._given.items():
            if not until.expired() and not self._shop.artifacts.may(stored, folders):
                until.reschedule(asyncio.get_running_loop().time())

    async def _cut(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, link: Thread, transfer_id: bytes, work: Awaitable[None]) -> None:
        """Do a transfer to its end, whatever that is."""
        how = DONE
        try:
            await work
        except errors.DispatchError as error:
            how = errors.word(error.reason)
            _LOG.info("transfer ended", pairing=link.pairing.pair_id, reason=how, detail=error.detail)
            # Heard by a phone that could not be told on the transfer itself; one that was passes over it.
            self._refuse(link, transfer_id, error.reason)
        except Exception as failure:
            # A defect of ours. The thread goes on.
            how = errors.word(Reason.REASON_INTERNAL)
            _LOG.error("transfer broke", pairing=link.pairing.pair_id, where=place_of(failure))
            self._refuse(link, transfer_id, Reason.REASON_INTERNAL)
        self._shop.ended(how)

    def _refuse(self, link: Thread, transfer_id: bytes, reason: Reason.ValueType) -> None:
        link.show([pb.DownLiveItem(transfer_refused=pb.TransferRefused(transfer_id=transfer_id, reason=reason))])

    # ---- Attachments.

    async def _take(self, link: Thread, offer: pb.FileOffer) -> None:
        shop, thread = self._shop, link.pairing.thread
        file = checked(offer.file, most_bytes=shop.most_bytes)
        transfer_id = TransferId(offer.transfer_id)
        if await shop.attachments.is_here(file, thread=thread):
            async with self._joined(link, transfer_id) as carrier:
                await already_there(carrier, file, transfer_id=transfer_id, rng=shop.rng)
            return
        # Opened before the transfer is joined: what there is of it may have to be read again.
        async with (
            shop.attachments.arriving(file, self._pool) as arriving,
            self._joined(link, transfer_id) as carrier,
        ):
            await take(
                carrier,
                arriving.partial,
                transfer_id=transfer_id,
                rng=shop.rng,
                progress=_nobody,
                keep=lambda: shop.attachments.keep(arriving, thread=thread),
            )

    # ---- Artifacts.

    async def _give(self, link: Thread, wish: pb.FileWanted) -> None:
        shop, thread = self._shop, link.pairing.thread

        def look(tx: Tx) -> tuple[StoredFile | None, Sequence[Folder]]:
            stored = files.find(tx, wish.file_id, thread=thread, kind=FileKind.ARTIFACT)
            return stored, permissions.folders(tx, shop.clock.wall_ms())

        stored, folders = await shop.journal.step(look)
        if stored is None:
            raise errors.FileUnknown
        transfer_id = TransferId(wish.transfer_id)
        until = asyncio.timeout(None)
        self._given[until] = stored
        try:
            async with (
                until,
                held(lambda stopped: shop.artifacts.open(stored, folders, stopped=stopped), self._pool) as source,
                self._joined(link, transfer_id) as carrier,
            ):
                await give(carrier, stored.file, source, transfer_id=transfer_id, rng=shop.rng, progress=_nobody)
        except TimeoutError:
            if not until.expired():
                raise
            raise errors.FolderNotApproved("its folder was taken back meanwhile") from None
        finally:
            del self._given[until]

    @contextlib.asynccontextmanager
    async def _joined(self, link: Thread, transfer_id: TransferId) -> AsyncIterator[RelayCarrier]:
        """Join a transfer, with the right of this moment."""
        shop, right = self._shop, await link.right(fresh=False)
        async with RelayCarrier.joined(
            right, link.relay_address, transfer_id, identity=shop.identity, instance=shop.instance, rng=shop.rng
        ) as carrier:
            yield carrier


def _nobody(_: int) -> None:
    """Tell nobody how far it is: on a host nobody looks."""
