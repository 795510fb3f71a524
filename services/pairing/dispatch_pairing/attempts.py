"""How often somebody may be wrong about a password, by account and by address. In memory only. Called by credentials.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dispatch.clock import Clock
from dispatch.errors import RateLimited, SignInFailed

from dispatch_pairing.buckets import Buckets
from dispatch_pairing.limits import Limits


class Attempts:
    """Counts what is wrong. What is right is not counted, so nobody is kept out by coming often, nor is trouble of ours."""

    def __init__(self, *, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._by_account = Buckets(limits.per_account, limit=limits.buckets)
        self._by_address = Buckets(limits.per_address, limit=limits.buckets)
        self._sign_ups = Buckets(limits.sign_ups, limit=limits.buckets)

    @contextmanager
    def one(self, account: str, address: str) -> Iterator[None]:
        """Count an attempt, and take it back unless the block raises SignInFailed. Raises RateLimited.

        `account` is its folded name. An attempt that is cancelled stays counted: nobody has passwords checked for nothing by
        hanging up.
        """
        taken: list[tuple[Buckets, str]] = []

        def give_back() -> None:
            for bucket, name in taken:
                bucket.give_back(name)

        steady_ms = self._clock.steady_ms()
        for bucket, name in ((self._by_account, account), (self._by_address, address)):
            wait_ms = bucket.take(name, now_ms=steady_ms)
            if wait_ms:
                give_back()
                raise RateLimited("too many failed attempts", retry_after_ms=wait_ms)
            taken.append((bucket, name))
        try:
            yield
        except SignInFailed:
            raise
        except Exception:
            give_back()
            raise
        give_back()

    def sign_up(self, address: str) -> None:
        """Count an account that is made, or not made, from this address. Raises RateLimited."""
        wait_ms = self._sign_ups.take(address, now_ms=self._clock.steady_ms())
        if wait_ms:
            raise RateLimited("too many sign-ups", retry_after_ms=wait_ms)
