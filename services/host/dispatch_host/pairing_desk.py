"""The pairings as the owner of the host has them: made, ended, and their threads read. Called by the operations.

A pairing ends with all that was its phone's: its tasks, its link, its keys, its files. The words of its thread stay.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from itertools import islice

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.device.thread_file import Keys, written
from dispatch.ids import PairId

from dispatch_host import steps
from dispatch_host.changes import Records
from dispatch_host.endings import tell_endings
from dispatch_host.files import Inbox
from dispatch_host.invite import invite
from dispatch_host.journal import Tx, files, settings, tasks, threads
from dispatch_host.journal.snapshot import Snapshot
from dispatch_host.journal.values import Pairing
from dispatch_host.owned import Owned
from dispatch_host.pairings import forget
from dispatch_host.running import Running
from dispatch_host.tasks import State

REVOKED_SECONDS = 2.0
ATTACHED_SECONDS = 5.0
"""How long a new pairing waits to be told until a relay has let this host in: else the phone's first task finds nobody there."""
_PAGE = 256


class PairingDesk:
    """The pairings of the host, whether it runs or not."""

    def __init__(self, owned: Owned, running: Running | None) -> None:
        self._owned = owned
        self._running = running

    async def meant(self, phone_name: str) -> Pairing:
        """Find the one pairing that is meant. Raises NotPaired, TargetNeeded or TargetUnknown."""
        pairings = await self._owned.journal.step(threads.pairings)
        if not pairings:
            was_paired = await self._owned.journal.step(threads.any_thread)
            raise errors.NotPaired if was_paired else errors.NotPairedYet
        meant = [pairing for pairing in pairings if phone_name in {"", pairing.phone_name, pairing.pair_id.hex()}]
        if len(meant) == 1:
            return meant[0]
        names = [pairing.phone_name for pairing in pairings]
        if not meant:
            raise errors.TargetUnknown(f"there are: {', '.join(names)}", choices={"phones": names})
        if phone_name:
            names = [pairing.pair_id.hex() for pairing in meant]
            raise errors.TargetNeeded(
                f"several have this name, use the id: {', '.join(names)}", choices={"phones": names}
            )
        raise errors.TargetNeeded(f"--phone is one of: {', '.join(names)}", choices={"phones": names})

    def status(self, pairing: Pairing) -> pb.PairingStatus:
        """Say how a pairing is."""
        status = pb.PairingStatus(pair_id=pairing.pair_id, phone_name=pairing.phone_name)
        link = self._running.fleet.link_of(pairing.pair_id) if self._running else None
        if link is None:
            status.reason = Reason.REASON_NOT_RUNNING if self._running is None else Reason.REASON_NOT_PAIRED
            return status
        status.connected = link.is_open
        status.reason = link.reason
        status.phone_attached = link.phone_attached
        status.relay = link.client.relay
        status.direct = link.direct.path is not None
        return status

    async def pair(self, start: pb.PairStart, answers: asyncio.Queue[bool]) -> AsyncGenerator[pb.PairResponse, None]:
        """Show codes until a phone is paired, somebody says no, or the time is over. The last event is PairEnded."""
        async with contextlib.aclosing(invite(self._owned, start, answers, paired=self._into_service)) as events:
            async for event in events:
                if event.HasField("ended"):
                    await self._attached(PairId(event.ended.pair_id))
                yield event

    async def unpair(self, phone_name: str) -> pb.UnpairResponse:
        """End a pairing: its tasks, its link, its keys; then tell the pairing service, now or later."""
        pairing = await self.meant(phone_name)
        if self._running is not None:
            await self._say_goodbye(self._running, pairing)
        await self._forget(pairing)
        told = await tell_endings(self._owned)
        if self._running is not None and not told:
            self._running.endings.set()
        return pb.UnpairResponse(pair_ids=[pairing.pair_id], service_told=told)

    async def heard_over(self, pairing: Pairing) -> None:
        """Drop a pairing of which the pairing service says that it is over: its tasks, its link, its keys."""
        if self._running is not None:
            await self._cancel_tasks(self._running, pairing)
            await self._running.fleet.drop(pairing.pair_id)
        await self._forget(pairing, to_tell=False)

    async def read(self, phone_name: str) -> AsyncGenerator[bytes, None]:
        """Give the events of a thread, oldest first, as they were written."""
        pairing = await self.meant(phone_name)
        page = await self._page(pairing.thread, 0)
        while page:
            for _, content in page:
                yield content
            page = await self._page(pairing.thread, page[-1][0])

    async def export(self, phone_name: str) -> AsyncGenerator[bytes, None]:
        """Give a thread as the lines of a file that proves itself, as it is on the disk at this moment."""
        pairing, owned = await self.meant(phone_name), self._owned
        with Snapshot(owned.home / "journal.db") as snapshot:
            keys = Keys(phone=pairing.phone_key, hosts=snapshot.hosts(pairing.thread), exporter=owned.key.public)
            head = snapshot.head(pairing.thread)
            lines = written(keys, snapshot.pieces(pairing.thread), head, owned.key.sign)
            while batch := await asyncio.to_thread(lambda: list(islice(lines, _PAGE))):
                for line in batch:
                    yield line

    async def _page(self, thread: int, after_id: int) -> list[tuple[int, bytes]]:
        return await self._owned.journal.step(lambda tx: threads.told(tx, thread, after_id=after_id, limit=_PAGE))

    async def _into_service(self, pairing: Pairing, replaced: list[PairId]) -> None:
        """Take a new pairing into service."""
        for old in replaced:
            if self._running is not None:
                await self._running.fleet.drop(old)
            await forget(self._owned.journal, self._owned.store, old)
        if self._running is not None:
            await self._running.fleet.attach(pairing)
            self._running.endings.set()
            self._running.schedule_changed()  # what is due for this thread may have waited for its phone

    async def _attached(self, pair_id: PairId) -> None:
        """Wait until a relay has let the host in, if it runs and is let in soon."""
        running = self._running
        if running is None or (link := running.fleet.link_of(pair_id)) is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(running.attached_seconds):
                await link.was_open.wait()

    async def _say_goodbye(self, running: Running, pairing: Pairing) -> None:
        await self._cancel_tasks(running, pairing)
        link = running.fleet.link_of(pairing.pair_id)
        if link is not None:
            await link.revoke(within_seconds=REVOKED_SECONDS)
        await running.fleet.drop(pairing.pair_id)

    async def _cancel_tasks(self, running: Running, pairing: Pairing) -> None:
        owned = self._owned
        if (link := running.fleet.link_of(pairing.pair_id)) is not None:
            link.close(Reason.REASON_NOT_PAIRED)  # first: nothing may slip in behind
        cancelled, ended = await owned.journal.step(lambda tx: steps.cancel_pairing(tx, owned.scribe, pairing.pair_id))
        for _ in range(ended):
            running.ended(State.CANCELLED)
        running.runner.moved_up()
        for task_id in cancelled:
            await running.runner.cancelled(task_id)

    async def _forget(self, pairing: Pairing, *, to_tell: bool = True) -> None:
        """Forget a pairing, its keys, its files and what could be undone; the words of its thread stay."""
        pair_id = pairing.pair_id
        if self._running is not None:
            await self._running.transfers.drop(pair_id)

        def write(tx: Tx) -> set[str]:
            if to_tell:
                settings.add_ending(tx, pair_id)
            threads.leave(tx, pair_id)
            files.forget_thread(tx, pairing.thread)
            return {task_id.hex() for task_id in tasks.ids_of_thread(tx, pairing.thread)}

        worked = await self._owned.journal.step(write)
        if self._running is not None:
            await self._running.held.load()  # without what this phone allowed always
        await forget(self._owned.journal, self._owned.store, pair_id)
        await asyncio.to_thread(Inbox(self._owned.attachments, most_bytes=0).remove_thread, pairing.thread)
        await asyncio.to_thread(Records(self._owned.changes).forget_tasks, worked)
