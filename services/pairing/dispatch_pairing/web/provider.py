"""The seam to a provider of sign-ins. Knows neither OpenID Connect nor HTTP. Called by signing.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dispatch_pairing.model import Account


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in at a provider that has begun."""

    url: str
    """Where the browser goes."""
    kept: str = field(repr=False)
    """What the browser keeps in a cookie until it comes back: whoever comes back without it did not begin here.

    Up to 2,048 of the characters of base64url.
    """


class Provider(Protocol):
    """A provider of sign-ins, for a browser (OpenID Connect, authorization code flow)."""

    @property
    def name(self) -> str:
        """What people call it."""

    async def begin(self, *, back: str) -> Begun:
        """Begin; `back` is the address to which the browser is sent back. Raises DispatchError."""

    async def finish(self, *, back: str, kept: str, answer: Mapping[str, str]) -> Account:
        """Give whose account it is, from what the browser brought back. Raises DispatchError."""
