"""What host and phone say to each other in passing, and how their session begins. docs/encryption.md "Session" has the table.

Knows no stream: what a path brought comes in, and what is to be said goes to the path that it came by, or to the one in use.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.runtime.logs import get_logger
from dispatch.sealed.chain import FURTHEST_AHEAD
from dispatch.sealed.handshake import is_handshake
from dispatch.sealed.head import Head
from dispatch.sealed.session import Budget, Busy, Confirmed, HostSession, Unopened
from google.protobuf.message import DecodeError

from dispatch_host import probing
from dispatch_host.allowance import Allowance
from dispatch_host.journal import outbox, threads
from dispatch_host.journal.values import Pairing
from dispatch_host.path import Heard, Path, shown_by
from dispatch_host.rights import Rights
from dispatch_host.shared import Common

RESEND_BACKLOG = 512
"""A phone that asks again while so many rows still wait for the relay is not answered twice."""
SET_BACKS = 3
SET_BACKS_WINDOW_MS = 30 * 60_000
"""A thread is set back when the host was restored from a backup: so often is enough, and each time rewrites what is unseen."""

_LOG = get_logger()


class Talk:
    """The session of one pairing. Called by one task at a time, but for `show`."""

    def __init__(
        self,
        pairing: Pairing,
        *,
        common: Common,
        session: HostSession,
        rights: Rights,
        wrote: Callable[[], None],
        switched: Callable[[], Awaitable[None]],
        heard: Callable[[pb.UpLiveItem], Awaitable[None]],
    ) -> None:
        # Fixed after __init__.
        self._pairing = pairing
        self._common = common
        self._session = session
        self._rights = rights
        self._wrote = wrote  # the outbox has news
        self._switched = switched  # everything that the outbox holds is another than before
        self._heard = heard  # what else the phone says: of commands and rows of the direct path
        # Touched by the link's tasks, one at a time.
        self._set_backs = Allowance(most=SET_BACKS, window_ms=SET_BACKS_WINDOW_MS)
        self._probes = probing.probes()
        self._grant = b""  # by which the session was let in

    async def hear(
        self, sealed: bytes, path: Path, *, budget: Budget | None = None, furthest: int = FURTHEST_AHEAD
    ) -> Heard:
        """Take a live message of the phone: a handshake, or what is sealed in a session. Gives what it shows of who sent it.

        A handshake shows nothing until it is confirmed. `budget` is for handshakes that do not come by the relay, `furthest` as
        of `sealed.chain.open_`.
        """
        now_ms = self._common.clock.boot_ms()
        if is_handshake(sealed):
            self._answer(self._session.answer(sealed, now_ms=now_ms, budget=budget), path)
            return Heard.NOBODY
        opened = self._session.open_live(sealed, now_ms=now_ms, furthest=furthest)
        if isinstance(opened, Unopened):
            # Counted only: a relay can make up as many as it likes, and the log is on the person's disk.
            self._common.refused(Reason.REASON_STALE_EPOCH)
            return shown_by(opened.why)
        if opened.confirmed is not None and (refused := await self.confirm(opened.confirmed)):
            self._common.refused(refused)
            return Heard.NOBODY
        with contextlib.suppress(DecodeError):
            for item in pb.UpLive.FromString(opened.body).items:
                await self._hear_item(item, path)
        return Heard.PHONE

    def admitted(self) -> bool:
        """Tell whether the phone may still speak in this session: on the direct path no relay sees to that. Asks nobody."""
        return self._rights.holds(self._grant)

    def _answer(self, answer: bytes | Busy | Unopened, path: Path) -> None:
        """Send message 2, or count why there is none. The phone asks again by itself."""
        if isinstance(answer, bytes):
            path.live(answer)
        elif isinstance(answer, Busy):
            self._common.refused(Reason.REASON_RATE_LIMITED)
        else:
            self._common.refused(Reason.REASON_HANDSHAKE_FAILED)
            _LOG.warning("handshake not answered", pairing=self._pairing.pair_id, why=answer.why.value)

    async def confirm(self, confirmed: Confirmed) -> Reason.ValueType | None:
        """Switch to the epoch that the phone has confirmed; the reason when the old one stays."""
        try:
            await self._rights.admit(confirmed.grant)
            now_ms = self._common.clock.boot_ms()
            may_set_back = self._set_backs.left(now_ms=now_ms)
            begin = self._begin()
            set_back = await self._common.journal.step(
                lambda tx: self._common.scribe.begin(
                    tx,
                    self._pairing.pair_id,
                    confirmed.keep_chain,
                    confirmed.head,
                    begin,
                    may_set_back=may_set_back,
                )
            )
            if set_back:
                self._set_backs.take(now_ms=now_ms)
        except errors.DispatchError as error:
            self._session.refuse()
            _LOG.warning(
                "session refused",
                pairing=self._pairing.pair_id,
                reason=errors.word(error.reason),
                detail=error.detail,
            )
            return error.reason
        except BaseException:
            # The stream ended while the journal wrote. Left undecided, the session would never take anything again.
            self._session.cut_off()
            raise
        self._session.switch()
        self._grant = confirmed.grant
        await self._switched()
        _LOG.info("session", pairing=self._pairing.pair_id, epoch=confirmed.epoch)
        return None

    async def begin_again(self) -> None:
        """Say once more what Begin says, behind all that waits for the phone. Raises StoreFailed."""
        begin = self._begin()
        await self._common.journal.step(lambda tx: self._common.scribe.post_begin(tx, self._pairing.pair_id, begin))
        self._wrote()

    def _begin(self) -> pb.Begin:
        """Give what the host says of itself; the scribe fills the head in."""
        return pb.Begin(
            lan_addresses=self._common.lan_addresses(),
            minimum_app_version=self._rights.minimum_phone_version,
            keep_awake=self._common.awake(),
            permissions=self._common.permissions(),
        )

    async def _hear_item(self, item: pb.UpLiveItem, path: Path) -> None:
        step, pair_id = self._common.journal.step, self._pairing.pair_id
        match item.WhichOneof("item"):
            case "seen":
                with contextlib.suppress(ValueError):
                    place = Head(item.seen.head.number, item.seen.head.hash or bytes(32))
                    await step(lambda tx: threads.seen(tx, threads.thread_of(tx, pair_id), place))
            case "resend":
                first, last = getattr(item.resend, "from"), item.resend.to
                if await step(lambda tx: outbox.count(tx, pair_id, kept=False)) < RESEND_BACKLOG:
                    await step(lambda tx: self._common.scribe.resend(tx, pair_id, first, last))
                    self._wrote()
            case "probe":
                await self._reply(item.probe.number, path)
            case _:
                await self._heard(item)

    async def _reply(self, number: int, path: Path) -> None:
        now_ms = self._common.clock.boot_ms()
        if not self._probes.left(now_ms=now_ms):
            self._common.refused(Reason.REASON_RATE_LIMITED)
            return
        self._probes.take(now_ms=now_ms)
        thread = self._pairing.thread
        self.show([await self._common.journal.step(lambda tx: probing.reply(tx, thread, number))], path)

    def show(self, items: Sequence[pb.DownLiveItem], path: Path) -> None:
        """Say something in passing; nothing without a session."""
        if self._session.ready:
            path.live(self._session.seal_live(pb.DownLive(items=items).SerializeToString()))
