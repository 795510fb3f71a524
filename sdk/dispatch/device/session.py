"""The token of a device's sign-in: kept among its secrets, shown with calls, and replaced now and then by the service.

Calls that carry it take turns. The service takes a token that is older than the one before the newest for a copy and ends the
sign-in, so no call of ours may still be on its way with an old one while another is answered with a fresh one and a third uses
that. One process owns a phone's home, so turns inside it are enough.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from dispatch.device.keys import KeyStore

_NAME = "session"


class Session:
    """The token, if there is one."""

    def __init__(self, store: KeyStore | None = None, *, token: bytes = b"") -> None:
        """Keep the token in the store; without one in memory only."""
        self._store = store
        self._token = token
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[bytes]:
        """Give the token for one call, to its end; empty for none."""
        async with self._turn:
            yield self.token

    @property
    def token(self) -> bytes:
        """The token as it is now; empty for none."""
        return self._token if self._store is None else self._store.get(_NAME) or b""

    def keep(self, token: bytes) -> None:
        """Keep a token in place of the one before, durably: the next call may use it."""
        self._token = token
        if self._store is not None:
            self._store.put(_NAME, token)

    def forget(self) -> None:
        """Forget the token: this device is signed out."""
        self._token = b""
        if self._store is not None:
            self._store.delete(_NAME)
