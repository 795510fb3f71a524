"""Sign-in of a browser at the provider: authorization code with PKCE, state and nonce (OpenID Connect Core 1.0, 3.1).

    url, kept = await sign_ins.begin(redirect_uri)    # `kept` into a cookie, then send the browser to `url`
    visitor = await sign_ins.finish(kept, query)      # at redirect_uri, with all of the query
    account = await logins.account_of(visitor)

The cookie is Secure, HttpOnly, SameSite=Lax, ends with LIFETIME_MS, and goes with the answer: it binds the answer to the browser
that asked. Nothing is kept here, so that a flood of `begin` displaces nobody. Called by the account page.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import NamedTuple

from dispatch.clock import Clock
from dispatch.errors import SignInDenied, SignInExpired
from dispatch.ids import Rng

from dispatch_pairing.model import Visitor
from dispatch_pairing.oidc.attempts import Said
from dispatch_pairing.oidc.provider import Provider
from dispatch_pairing.stamp import Stamp

LIFETIME_MS = 10 * 60_000
"""How long a person has at the provider: let the cookie end then, too."""
_KEPT_CHARS = 2_048
_CODE_CHARS = 4_096


class Begun(NamedTuple):
    """What `begin` gives."""

    url: str
    """Where to send the browser."""
    kept: str
    """What to keep in a cookie of that browser until it comes back; at most 2,048 characters that a cookie may hold."""


class _Kept(NamedTuple):
    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    expires_ms: int


class WebSignIns:
    """Finds out who somebody in front of a browser is at the provider. `stamp` knows again what it made before a restart."""

    def __init__(self, *, provider: Provider, clock: Clock, rng: Rng, stamp: Stamp) -> None:
        self._provider = provider
        self._clock = clock
        self._rng = rng
        self._stamp = stamp

    async def begin(self, redirect_uri: str) -> Begun:
        """Give where to send the browser, and what to keep for it. `redirect_uri` is known to the provider, and is ours.

        Raises ProviderUnreachable, ProviderFailed.
        """
        state, nonce, verifier = (_text(self._rng(32)) for _ in range(3))
        kept = _Kept(redirect_uri, state, nonce, verifier, self._clock.wall_ms() + LIFETIME_MS)
        url = await self._provider.authorization_url(
            redirect_uri=redirect_uri, state=state, nonce=nonce, verifier=verifier
        )
        return Begun(url, self._seal(kept))

    async def finish(self, kept: str, query: Mapping[str, str]) -> Visitor:
        """Give who it is. `query` is what the provider had the browser bring along.

        Raises SignInExpired for an answer that is not this browser's or comes too late, SignInDenied, ProviderUnreachable,
        ProviderFailed.
        """
        ours = self._open(kept)
        if ours is None or not hmac.compare_digest(query.get("state", "").encode(), ours.state.encode()):
            raise SignInExpired
        # RFC 9207: an answer that names its issuer names ours.
        if query.get("iss", self._provider.settings.issuer) != self._provider.settings.issuer:
            raise self._provider.failed("the answer is of another provider")
        if "error" in query:
            if query["error"] == "access_denied":
                raise SignInDenied
            raise self._provider.failed("it gives no code")
        code = query.get("code", "")
        if not 0 < len(code) <= _CODE_CHARS:
            raise self._provider.failed("it gives no code")
        answer = await self._provider.exchange(
            code, redirect_uri=ours.redirect_uri, nonce=ours.nonce, verifier=ours.verifier
        )
        if isinstance(answer, Said):
            raise SignInDenied if answer is Said.DENIED else SignInExpired
        return answer

    def _seal(self, kept: _Kept) -> str:
        body = json.dumps(kept).encode()
        return _text(self._stamp.make(_content(body)) + body)

    def _open(self, text: str) -> _Kept | None:
        """Give what `begin` kept; None for what is not ours, or over."""
        if len(text) > _KEPT_CHARS:
            return None
        try:
            content = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        except ValueError:
            return None
        mac, body = content[:32], content[32:]
        if not self._stamp.fits(mac, _content(body)):
            return None
        kept = _Kept(*json.loads(body))
        return kept if self._clock.wall_ms() < kept.expires_ms else None


def _content(body: bytes) -> bytes:
    return b"dispatch/web-sign-in/1" + body


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
