"""The feed that relays follow: who signs grants, which pairings are over. Called by `api.trust`.

Whoever comes back says how far it was told, and the digest of that. A store that was put back, by whatever means, has another
digest there, or a lower count: then everything is told anew, since what the relay has is not what this store told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dispatch.address import Address
from dispatch.clock import Clock
from dispatch.errors import BadRequest, RateLimited

from dispatch_pairing.bell import TRUST, Bell
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import TrustNews
from dispatch_pairing.relays import Relays
from dispatch_pairing.store import Store

_RETRY_MS = 10_000
_ADDRESS_CHARS = 253 + len(":65535")


@dataclass(frozen=True, slots=True)
class News:
    """One message of the feed."""

    told: tuple[TrustNews, ...]
    sequence: int
    """Everything up to here is told, once `complete`."""
    complete: bool
    now_ms: int
    digest: bytes
    """Of everything up to there; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far somebody was told."""

    sequence: int
    digest: bytes


class Trust:
    """Tells relays the state, then each change, and that it is still there."""

    def __init__(
        self, *, store: Store, bell: Bell, clock: Clock, limits: Limits, relays: Relays, metrics: Metrics
    ) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._limits = limits
        self._relays = relays
        self._metrics = metrics

    async def follow(
        self, relay_address: str, after: Place, tell: Callable[[News], Awaitable[None]], *, web_address: str = ""
    ) -> None:
        """Tell everything after that place, then what happens. Ends by Draining or cancellation only."""
        address = _address(relay_address, field="relay_address")
        web = _address(web_address, field="web_address") if web_address else ""
        if not self._relays.opened(address, web=web, now_ms=self._clock.steady_ms()):
            raise RateLimited("too many relays", retry_after_ms=_RETRY_MS)
        self._metrics.relays_live.set(self._relays.open_count())
        try:
            with self._bell.listen(TRUST) as ear:
                while True:
                    ear.clear()
                    after = await self._tell_all(after, tell)
                    # Another service may have ended a pairing, and its ring may be lost.
                    await ear.wait(at_most_ms=min(self._limits.heartbeat_ms, self._limits.look_again_ms))
        finally:
            self._relays.closed(address, now_ms=self._clock.steady_ms())
            self._metrics.relays_live.set(self._relays.open_count())

    async def _tell_all(self, after: Place, tell: Callable[[News], Awaitable[None]]) -> Place:
        chunk = self._limits.trust_chunk
        while True:
            async with self._store.read() as kept:
                sequence = (await kept.service.identity()).sequence
                # Ahead of us, or told something else up to there: it saw what a backup has forgotten, and gets everything.
                same = after.sequence <= sequence and await kept.feed.digest(after.sequence) == after.digest
                told = tuple(await kept.feed.since(after.sequence if same else 0, limit=chunk))
                digest = told[-1].digest if told else await kept.feed.digest(sequence)
            complete = len(told) < chunk
            if told and not complete:
                sequence = told[-1].sequence
            now_ms = self._clock.wall_ms()
            await tell(News(told=told, sequence=sequence, complete=complete, now_ms=now_ms, digest=digest))
            after = Place(sequence, digest)
            if complete:
                return after


def _address(text: str, *, field: str) -> str:
    if len(text) > _ADDRESS_CHARS:
        raise BadRequest("longer than any address", metadata={"field": field})
    try:
        return str(Address.parse(text))
    except ValueError as failure:
        raise BadRequest("not an address", metadata={"field": field}) from failure
