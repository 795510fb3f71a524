"""A line's side towards the direct path: takes what the host says there, and decides about the commands that go that way.

This phone plays the relay's part here (docs/direct.md "The commit point"). Called by the reader of the direct stream, and by the
`line`, which holds it beside the relay's side.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import DeviceFrame, Live, Post, RelayFrame
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.encoding import message_id as id_of
from dispatch.ids import MessageId
from dispatch.sealed.chain import DIRECT_LEAP
from dispatch.sealed.errors import FORGED_AT_MOST
from dispatch.thread.client import FINAL, Silence
from dispatch.version import APP_VERSION

from mobile_sim.deciding import Deciding
from mobile_sim.direct import DirectPath, Way, usable
from mobile_sim.own_pairing import OwnPairing
from mobile_sim.shared import Common
from mobile_sim.talk import MENDED_BY_A_HANDSHAKE, Heard, Talk

ROWS_KNOWN = 4_096
"""Rows that came directly and may come once more by the relay, because the host did not hear that they are kept."""
SHAKE_EVERY_MS = 2_000
"""Between two handshakes on the open path."""


class DirectSide:
    """One pairing's. A DirectEnd: the client calls `heard` and `question` from one task."""

    def __init__(
        self,
        *,
        common: Common,
        talk: Talk,
        pairing: OwnPairing,
        way: Way,
        relay_open: Callable[[], bool],
        over: Callable[[], None],
        chance: random.Random,
    ) -> None:
        # Fixed after __init__.
        self._common = common
        self._talk = talk
        self._pairing = pairing
        self._way = way
        self._relay_open = relay_open
        self._over = over  # the pairing is: goodbye on every path
        self._deciding = Deciding(common.store, common.ledger, common.pair_id)
        self._path = DirectPath(
            self,
            pair_id=common.pair_id,
            addresses=self._where,
            knock=self._knock,
            lost=self._lost,
            bell=common.bell,
            clock=common.clock,
            chance=chance,
        )
        # Written by the readers of both paths: Begin may come by either.
        self._addresses: Sequence[str] = usable(common.store.pairings.lan_addresses(common.pair_id))
        # Touched by the direct stream's reader, but for `has`.
        self._rows: dict[bytes, None] = {}  # newest last
        self._forged = 0  # frames of this stream that no host wrote
        self._knocked_in_session = False
        self._shake = False  # the host did not open what was sealed in our session: a handshake, and on this path
        # Touched by the line's task.
        self._shook_ms = -SHAKE_EVERY_MS  # when a handshake was begun last on the open path

    # ---- What others ask.

    @property
    def is_open(self) -> bool:
        """Whether the host has shown itself there."""
        return self._path.is_open

    @property
    def failed(self) -> bool:
        """Whether every address was tried in vain since the path was last open."""
        return self._path.failed

    @property
    def hopeless(self) -> bool:
        """Whether there is nowhere to try, or all was tried in vain."""
        return not self._addresses or self._path.failed

    @property
    def addresses(self) -> Sequence[str]:
        """Where the host says that it can be reached directly."""
        return tuple(self._addresses)

    def has(self, message_id: bytes) -> bool:
        """Tell whether a row came by this path; the relay may bring it, too."""
        return message_id in self._rows

    def recover(self) -> None:
        """Decide what a process before this one left open: its path is gone. Before `run`."""
        with self._common.step():
            self._deciding.path_lost(self._common.attended)

    async def run(self) -> None:
        """Keep the path while it is wanted; until `leave` or cancelled."""
        await self._path.run()

    def leave(self) -> None:
        """End the path for good."""
        self._path.leave()

    # ---- What goes out.

    def say(self, sealed: bytes) -> bool:
        """Say something in passing. False when the path is gone."""
        return self._path.client.send(DeviceFrame(live=Live(sealed=sealed)))

    def post(self, post: Post, *, until_ms: int) -> bool:
        """Send a command whose post is committed; it may get its go until then (steady). False when the path is gone."""
        self._deciding.posted(MessageId(post.message_id), until_ms=until_ms)
        self._common.bell.ring()
        return self._path.client.send(DeviceFrame(post=Post(message_id=post.message_id, sealed=post.sealed)))

    # ---- What the host says, on whatever path. Within a step.

    def told(self, begin: words.Begin) -> None:
        """Hear where the host can be reached. An app that is too old for the service does not go round it."""
        least = begin.minimum_app_version
        self._addresses = [] if least and _older(APP_VERSION, least) else usable(begin.lan_addresses)
        self._common.store.pairings.set_lan_addresses(self._common.pair_id, self._addresses)

    def taken(self, message_id: MessageId) -> None:
        """Hear that the host has journalled a command, and decide about it."""
        answer = self._deciding.took(message_id, now_ms=self._common.clock.steady_ms())
        if answer is not None:
            self._talk.later(answer)

    def declined(self, message_id: MessageId, reason: Reason.ValueType) -> None:
        """Hear the host's no to a command."""
        was_ours = self._deciding.declined(message_id, reason)
        if was_ours and reason in MENDED_BY_A_HANDSHAKE and self._talk.refused(message_id):
            self._shake = True

    # ---- What falls due by time.

    def due(self, now_ms: int) -> list[int]:
        """Decide about what has had its time; gives the ms until something else has."""
        next_ms = self._deciding.next_due_ms()
        if next_ms is not None and next_ms <= now_ms:
            with self._common.step():
                for item in self._deciding.due(now_ms):
                    self._talk.later(item)
            self._talk.flush()
            self._common.bell.ring()
            next_ms = self._deciding.next_due_ms()
        return [] if next_ms is None else [next_ms - now_ms]

    async def shake_hands_due(self, now_ms: int) -> list[int]:
        """Begin a handshake on the open path when a refusal ended the session and the relay can't; gives the ms until the next."""
        by_relay = self._relay_open() and self._common.sight.reachable
        if not (self._shake and self.is_open) or self._talk.ready or by_relay:
            return []
        if (left_ms := self._shook_ms + SHAKE_EVERY_MS - now_ms) > 0:
            return [left_ms]
        self._shook_ms = now_ms
        grant = await self._grant()
        if grant is not None and self.is_open:  # still
            self.say(self._talk.message1(grant))
        return [SHAKE_EVERY_MS]

    # ---- DirectEnd.

    def heard(self, frames: Sequence[RelayFrame]) -> bool:
        """Take frames: all that they say is committed, then said to be kept. Tells whether the host spoke.

        Raises LeaseLost when somebody forges.
        """
        valid, forged = False, False
        kept: list[bytes] = []
        with self._common.step():
            for frame in frames:
                valid = self._take(frame, kept) or valid
                if forged := self._forged >= (FORGED_AT_MOST if self.is_open or valid else 1):
                    break
            if valid and not self.is_open:
                self._common.ledger.host_back()
        over = self._pairing.concluded()
        if kept and self._talk.ready:  # else it ended by one of these frames, and the host says the rows again
            self._keep(kept)
        if valid:
            self._shake = self._shake and not self._talk.ready
            self._common.sight.no_path_since_ms = None
            self._path.opened()
        self._talk.flush()
        if over:
            self._over()
        self._common.bell.ring()
        if forged:
            raise errors.LeaseLost("somebody forges on the direct path")
        return valid

    def _take(self, frame: RelayFrame, kept: list[bytes]) -> bool:
        """Take one frame; tells whether the host wrote it just now. Rows that are here by then are added to `kept`."""
        match frame.WhichOneof("frame"):
            case "live":
                heard = self._talk.hear(frame.live.sealed, self.say, probe=True, furthest=DIRECT_LEAP)
                self._forged += heard is Heard.FORGED
                return heard is Heard.HOST
            case "deliver":
                read = self._common.reader().take_row(frame.deliver.sealed, direct=True)
                self._forged += read.forged
                self._talk.row_read(read)
                if read.begin is not None:
                    self.told(read.begin)
                if read.epoch or read.old:
                    kept.append(id_of(frame.deliver.sealed))
                return bool(read.epoch)
            case _:
                return False

    def _keep(self, message_ids: Sequence[bytes]) -> None:
        """Say of rows that are committed that they are kept."""
        self._rows |= dict.fromkeys(message_ids)
        while len(self._rows) > ROWS_KNOWN:
            del self._rows[next(iter(self._rows))]
        self._talk.say_to(self.say, words.UpLiveItem(kept=words.Kept(message_ids=message_ids)))

    def question(self) -> bytes:
        """Give words that the host answers. Raises LeaseLost when the session is gone, and the path with it."""
        if not self._talk.ready:
            raise errors.LeaseLost("there is no session any more")
        return self._talk.question()

    # ---- What the path asks.

    def _where(self) -> Sequence[str]:
        return () if self._way is Way.RELAY else self._addresses

    async def _knock(self) -> bytes | None:
        """Give the first words on a path: sealed in the session, or a handshake where no session can be had by the relay."""
        self._forged = 0
        self._knocked_in_session = self._talk.confirmed and not self._shake
        if self._knocked_in_session:
            return self.question()
        by_relay = self._relay_open() and not self._common.sight.absent and self._way is not Way.DIRECT
        if by_relay and not self._shake:
            return None  # the session is being made there
        grant = await self._grant()
        return None if grant is None else self._talk.message1(grant)

    async def _grant(self) -> bytes | None:
        with contextlib.suppress(*FINAL):  # the relay's side hears it, too, and ends the line
            return await self._talk.grant()
        return None

    def _lost(self, error: errors.DispatchError, was_open: bool) -> None:
        """Hear that the path is gone, or did not come to be. What was not decided on it is decided now."""
        self._shake = self._knocked_in_session and isinstance(error, errors.SessionNeeded)
        if was_open:
            common = self._common
            with common.step():
                self._deciding.path_lost(common.attended)
                if common.sight.gone:
                    common.ledger.host_away(common.sight.cause)
            if not self._relay_open():
                silent_ms = self._path.client.silence_ms if isinstance(error, Silence) else 0
                common.sight.no_path_since_ms = common.clock.steady_ms() - silent_ms
                self._talk.lost()
        self._common.bell.ring()


def _older(version: str, than: str) -> bool:
    """Compare two versions by their numbers, "1.4.0"; one that can't be read is not older."""
    try:
        own, least = ([int(part) for part in text.partition("-")[0].split(".")] for text in (version, than))
    except ValueError:
        return False
    return own < least
