"""All links of a running host: one for each pairing, attached and dropped while it runs.

Called by the operations (pair, unpair, status, stop) and, as the audience, by the runner. Knows which link serves a thread;
what travels on a link is the link's business.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Condition, DeviceFrame, Notice
from dispatch.api.thread.v1.thread_pb2 import DownLiveItem
from dispatch.device.home import Home
from dispatch.device.keys import KeyStore
from dispatch.failures import place_of
from dispatch.ids import Instance, PairId, Rng
from dispatch.runtime.logs import get_logger
from dispatch.sealed.keys import PairKeys
from dispatch.sealed.session import HostSession
from dispatch.thread import Backoff, Identity, ThreadClient

from dispatch_host.journal import Tx, outbox, threads
from dispatch_host.journal.values import Pairing
from dispatch_host.link import Link
from dispatch_host.pairings import keys_of
from dispatch_host.rights import Rights
from dispatch_host.shared import Common

_LOG = get_logger()

ASK_AGAIN_SECONDS, LONGEST_ASK_SECONDS = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Over:
    """The pairing service says that a pairing is over (NotPaired), or that this host was revoked."""

    pairing: Pairing
    word: errors.NotPaired | errors.DeviceRevoked


@dataclass(slots=True)
class _Held:
    link: Link
    task: asyncio.Task[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What every link needs to be itself. Fixed for the process."""

    home: Home
    store: KeyStore
    identity: Identity
    instance: Instance
    rng: Rng
    plaintext: bool
    random: random.Random = field(repr=False)


class Fleet:
    """The links, by pairing. Use as an async context manager."""

    def __init__(self, device: Device, *, common: Common) -> None:
        self._device = device
        self._common = common
        self._held: dict[PairId, _Held] = {}
        self.over: asyncio.Queue[Over] = asyncio.Queue()
        """Filled by links whose pairing, or whose host, is over by the pairing service's own word."""

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut what is still held: no link outlives the host."""
        for held in self._held.values():
            held.task.cancel()
        await asyncio.gather(*(held.task for held in self._held.values()), return_exceptions=True)

    @property
    def links(self) -> Sequence[Link]:
        """All links, attached or given up."""
        return [held.link for held in self._held.values()]

    @property
    def lan_addresses(self) -> Sequence[str]:
        """Where phones can come directly."""
        return self._common.lan_addresses()

    async def attach_all(self) -> None:
        """Attach every pairing of the journal."""
        for pairing in await self._common.journal.step(threads.pairings):
            await self.attach(pairing)

    async def attach(self, pairing: Pairing) -> None:
        """Hold a link for a pairing from now on. A pairing without keys (restored without them) is left alone, and said."""
        keys = keys_of(self._device.store, pairing.pair_id)
        if keys is None:
            _LOG.warning("pairing without keys: pair again", pairing=pairing.pair_id)
            return
        await self.drop(pairing.pair_id)
        link = await self._link(pairing, keys)
        self._held[pairing.pair_id] = _Held(link, asyncio.create_task(self._hold(link)))

    async def drop(self, pair_id: PairId) -> None:
        """Let a link go, with a goodbye."""
        held = self._held.pop(pair_id, None)
        if held is not None:
            held.link.leave(None)
            await asyncio.wait([held.task], timeout=2)
            held.task.cancel()
            await asyncio.gather(held.task, return_exceptions=True)

    def link_in(self, epoch: bytes) -> Link | None:
        """Give the link whose session has this epoch."""
        return next((link for link in self.links if link.direct.epoch == epoch), None)

    def link_of(self, pair_id: PairId) -> Link | None:
        """Give a pairing's link."""
        held = self._held.get(pair_id)
        return held.link if held else None

    def close(self, reason: Reason.ValueType) -> None:
        """Take no command any more, on any link."""
        for link in self.links:
            link.close(reason)

    async def leave(self, condition: Condition.ValueType, *, within_seconds: float) -> None:
        """Tell what is left to tell, then why we go, then goodbye; all links at once."""
        await asyncio.gather(*(link.drained(within_seconds=within_seconds / 2) for link in self.links))
        for held in self._held.values():
            held.link.leave(condition)
        attached = [held.task for held in self._held.values() if not held.link.given_up]
        if attached:
            await asyncio.wait(attached, timeout=within_seconds / 2)

    def notice(self, condition: Condition.ValueType) -> None:
        """Say on every open stream what is about to happen to this computer."""
        for link in self.links:
            link.client.send(DeviceFrame(notice=Notice(condition=condition)))

    def renew(self) -> None:
        """Begin every stream anew: the computer slept, and what it left open may lead nowhere."""
        for link in self.links:
            link.client.renew()

    def show_all(self, item: DownLiveItem) -> None:
        """Show something in passing to every phone that is there."""
        for link in self.links:
            link.show([item])

    # ---- The runner's audience. ----

    def wrote(self, thread: int) -> None:
        for link in self.links:
            if link.pairing.thread == thread:
                link.wake()

    def wrote_anywhere(self) -> None:
        for link in self.links:
            link.wake()

    def show(self, thread: int, items: Sequence[DownLiveItem]) -> None:
        for link in self.links:
            if link.pairing.thread == thread:
                link.show(items)

    async def _link(self, pairing: Pairing, keys: PairKeys) -> Link:
        device, common = self._device, self._common

        def load(tx: Tx) -> tuple[int, bytes | None]:
            chain = outbox.chain(tx, pairing.pair_id)
            return threads.cursor(tx, pairing.pair_id), chain.epoch if chain else None

        cursor, epoch = await common.journal.step(load)
        rights = Rights(device.home, pairing, identity=device.identity, clock=common.clock, plaintext=device.plaintext)
        session = HostSession(keys, keep_epoch=epoch, rng=device.rng)
        link = Link(pairing, common=common, session=session, rights=rights, cursor=cursor)
        client = ThreadClient(
            link,
            identity=device.identity,
            instance=device.instance,
            clock=common.clock,
            rng=device.rng,
            backoff=Backoff(device.random),
        )
        link.use(client)
        return link

    async def _hold(self, link: Link) -> None:
        """Run a link until it leaves: what it has to say goes out for as long, by whichever path the phone is there."""
        works = [asyncio.create_task(link.post()), asyncio.create_task(self._stay(link))]
        try:
            # `post` never ends by itself unless it broke, which must not go unnoticed.
            for done in (await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED))[0]:
                await done
        except Exception as failure:
            # A defect of ours. The other links go on; `status` and the log say that this one does not, without the
            # error's own words: they may quote what a phone wrote. Nothing that it took could be told, so it takes nothing.
            link.shut()
            _LOG.error("link broke", pairing=link.pairing.pair_id, where=place_of(failure))
            await link.closed(errors.Internal(type(failure).__name__))
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            await link.settled()

    async def _stay(self, link: Link) -> None:
        """Stay attached until the link leaves, or until coming back is of no use; the reason then stands in `status`.

        That a pairing or this host is over only the pairing service can say: it is asked before anything is dropped, and until
        it has answered the phone is not let in directly either. Whatever else a relay says for good, it says of itself.
        """
        wait = ASK_AGAIN_SECONDS
        while (error := await _attached(link)) is not None:
            _LOG.error(
                "link given up", pairing=link.pairing.pair_id, reason=errors.word(error.reason), detail=error.detail
            )
            link.given_up = True
            if not isinstance(error, errors.NotPaired | errors.DeviceRevoked):
                break
            link.shut()
            if (word := await self._asked(link)) is not None:
                await self.over.put(Over(link.pairing, word))
                break
            # The relay lied, or knows what the service has forgotten. There is a right to attach, so it is tried.
            link.reopen()
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_ASK_SECONDS)
            link.given_up = False
        await link.left.wait()

    async def _asked(self, link: Link) -> errors.NotPaired | errors.DeviceRevoked | None:
        """Ask the pairing service until it answers; gives its word, None when the pairing stands."""
        wait = ASK_AGAIN_SECONDS
        while True:
            try:
                await link.right(fresh=True)
            except errors.DeviceRevoked as revoked:
                return revoked
            except errors.NotPaired as over:
                # "Unknown pair" never deletes a key (docs/encryption.md, "Pairing").
                if over.metadata.get("pairing") == "ended":
                    return over
            except errors.DispatchError as error:
                _LOG.info("pairing service can't be asked", reason=errors.word(error.reason))
            else:
                return None
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_ASK_SECONDS)


async def _attached(link: Link) -> errors.DispatchError | None:
    """Run a link's stream until it leaves (None), or until a person or the pairing service has to say how it goes on."""
    try:
        await link.client.run()
    except errors.DispatchError as error:
        return error
    return None
