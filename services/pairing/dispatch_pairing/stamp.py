"""What the service knows its own words by that it keeps nowhere: a MAC with a secret of the key that signs grants. Pure.

While a key comes and goes there are two secrets, and services that run side by side may each be at another place of that: so all
of them take what either made. Called by nonces.py, web/sessions.py and oidc/web.py.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stamp:
    """Makes MACs with the first of the secrets of now, and knows those of all."""

    secrets: Callable[[], Sequence[bytes]] = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Stamp:
        """Give one with a secret that stays."""
        return cls(lambda: (secret,))

    def make(self, content: bytes) -> bytes:
        """Give the HMAC-SHA256 of the content, 32 bytes."""
        return hmac.digest(self.secrets()[0], content, hashlib.sha256)

    def fits(self, mac: bytes, content: bytes) -> bool:
        """Tell whether one of us made this for the content, a short while ago or now."""
        fitting = [hmac.compare_digest(mac, hmac.digest(one, content, hashlib.sha256)) for one in self.secrets()]
        return any(fitting)
