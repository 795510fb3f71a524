"""How often somebody may be wrong about a code, by account and by address. In memory only. Called by api/pairings.py.

A claim token has 256 bits, and five misses end an offer: nobody guesses one. This keeps who tries all the same from ending
the codes of others, and from keeping the store busy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dispatch.clock import Clock
from dispatch.errors import OfferUnknown, RateLimited
from dispatch.ids import AccountId

from dispatch_pairing.buckets import Buckets
from dispatch_pairing.limits import Limits


class Guesses:
    """Counts wrong claim tokens. Who has the code is not counted, whatever else is in the way of the claim."""

    def __init__(self, *, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._by_account = Buckets(limits.guesses_per_account, limit=limits.buckets)
        self._by_address = Buckets(limits.guesses_per_address, limit=limits.buckets)

    @contextmanager
    def one(self, account_id: AccountId, address: str) -> Iterator[None]:
        """Count a claim, and take it back unless the block raises OfferUnknown. Raises RateLimited."""
        taken: list[tuple[Buckets, str]] = []

        def give_back() -> None:
            for bucket, name in taken:
                bucket.give_back(name)

        now_ms = self._clock.steady_ms()
        for bucket, name in ((self._by_account, account_id.hex()), (self._by_address, address)):
            wait_ms = bucket.take(name, now_ms=now_ms)
            if wait_ms:
                give_back()
                raise RateLimited("too many wrong codes", retry_after_ms=wait_ms)
            taken.append((bucket, name))
        try:
            yield
        except OfferUnknown:
            raise
        except BaseException:
            give_back()
            raise
        give_back()
