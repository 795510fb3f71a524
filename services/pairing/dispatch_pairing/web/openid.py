"""The provider of sign-ins on the account page: an OpenID Connect provider, and whose account somebody there comes into."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from dispatch_pairing.logins import Logins
from dispatch_pairing.model import Account
from dispatch_pairing.oidc.web import WebSignIns
from dispatch_pairing.web.provider import Begun


class OpenIdProvider:
    """A `Provider` by OpenID Connect."""

    def __init__(self, *, issuer: str, sign_ins: WebSignIns, logins: Logins) -> None:
        self._issuer = issuer
        self._sign_ins = sign_ins
        self._logins = logins

    @property
    def name(self) -> str:
        """The host name of the issuer: what people see in their browser's address bar next."""
        return urlsplit(self._issuer).hostname or self._issuer

    async def begin(self, *, back: str) -> Begun:
        begun = await self._sign_ins.begin(back)
        return Begun(url=begun.url, kept=begun.kept)

    async def finish(self, *, back: str, kept: str, answer: Mapping[str, str]) -> Account:
        # `back` is inside what was kept, under our seal.
        del back
        return await self._logins.account_of(await self._sign_ins.finish(kept, answer))
