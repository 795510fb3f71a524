"""Passwords: Argon2id as PHC text, off the loop, never more than a few at once.

Knows no account. An unknown account costs the same time as a wrong password. Called by credentials.py.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from dispatch.errors import BadRequest, RateLimited
from dispatch.ids import Rng

PASSWORD_CHARS_LEAST = 8
PASSWORD_BYTES_MOST = 1_024
_BUSY_RETRY_MS = 1_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs: about 0.15 s and 64 MiB on the machine it was chosen on."""

    memory_kib: int = 64 * 1_024
    iterations: int = 3
    lanes: int = 3


def acceptable(password: str) -> str:
    """Give a new password as it is hashed, or raise BadRequest."""
    if len(unicodedata.normalize("NFC", password)) < PASSWORD_CHARS_LEAST:
        raise BadRequest(
            f"the password has fewer than {PASSWORD_CHARS_LEAST} characters", metadata={"field": "password"}
        )
    if len(_material(password)) > PASSWORD_BYTES_MOST:
        raise BadRequest(f"the password is longer than {PASSWORD_BYTES_MOST} bytes", metadata={"field": "password"})
    return password


def _material(password: str) -> bytes:
    # Keyboards differ in how they compose letters; the person typed the same word.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


class Passwords:
    """Hashes and checks passwords on threads of its own."""

    def __init__(self, *, rng: Rng, cost: Cost, waiting: int, threads: int = 2) -> None:
        self._rng = rng
        self._cost = cost
        self._waiting_most = waiting
        self._waiting = 0
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="password")
        # What an unknown account is checked against. Nobody knows its password.
        self._nobody = self._derive(rng(16).hex())

    def close(self) -> None:
        """End the threads, after what they are doing."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Give the PHC text of a new password. Raises RateLimited as `fits` does."""
        return await self._aside(partial(self._derive, password))

    async def fits(self, password: str, stored: str | None) -> bool:
        """Say whether the password is the stored one; without a stored one it takes as long and says no.

        Raises RateLimited when too many wait already: memory and patience are bounded.
        """
        same = await self._aside(partial(self._same, password, stored if stored is not None else self._nobody))
        return same and stored is not None

    async def _aside(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._waiting_most:
            raise RateLimited("too many passwords at once", retry_after_ms=_BUSY_RETRY_MS)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def _derive(self, password: str) -> str:
        cost = self._cost
        kdf = Argon2id(
            salt=self._rng(16), length=32, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory_kib
        )
        return kdf.derive_phc_encoded(_material(password))

    @staticmethod
    def _same(password: str, stored: str) -> bool:
        try:
            Argon2id.verify_phc_encoded(_material(password), stored)
        except InvalidKey:
            return False
        return True
