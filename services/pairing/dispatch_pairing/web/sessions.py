"""Who is at the other end: the session of a browser, its cookie, and the token in its forms.

A session's token is 32 random bytes, kept as SHA-256; every sign-in makes a new one. The token of its forms is derived
from it with a key of the service, so it needs no room in the store and can't be made up by whoever sets a cookie.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from dispatch.clock import Clock
from dispatch.errors import SignInFailed
from dispatch.ids import Rng
from starlette.requests import Request
from starlette.responses import Response

from dispatch_pairing.credentials import still
from dispatch_pairing.limits import Limits
from dispatch_pairing.model import Account, WebSession
from dispatch_pairing.sessions import TOKEN_BYTES, token_hash
from dispatch_pairing.stamp import Stamp
from dispatch_pairing.store import Store

_KEPT = re.compile(r"\A[A-Za-z0-9_-]{1,2048}\Z")


@dataclass(frozen=True, slots=True)
class Cookie:
    """One of our cookies."""

    word: str
    same_site: str = "strict"
    max_age_seconds: int | None = None
    """None: until the browser is closed."""

    def name(self, request: Request) -> str:
        """Give its name. Over TLS no other site and no other path may set one of this name (`__Host-`)."""
        return f"__Host-{self.word}" if request.url.scheme == "https" else self.word

    def read(self, request: Request) -> bytes:
        """Give what the browser sent; empty for nothing, and for what we never gave."""
        try:
            value = bytes.fromhex(request.cookies.get(self.name(request), ""))
        except ValueError:
            return b""
        return value if len(value) == TOKEN_BYTES else b""

    def text(self, request: Request) -> str:
        """Give what the browser sent, where it keeps something for somebody else; empty for what can't be that."""
        value = request.cookies.get(self.name(request), "")
        return value if _KEPT.match(value) else ""

    def put(self, response: Response, request: Request, value: str) -> None:
        """Have the browser keep it. No script can read it, no other site has it sent."""
        secure = request.url.scheme == "https"
        response.headers.append(
            "Set-Cookie",
            f"{self.name(request)}={value}; Path=/; HttpOnly; SameSite={self.same_site.capitalize()}"
            + ("; Secure" if secure else "")
            + ("" if self.max_age_seconds is None else f"; Max-Age={self.max_age_seconds}"),
        )

    def drop(self, response: Response, request: Request) -> None:
        """Have the browser forget it."""
        replace(self, max_age_seconds=0).put(response, request, "")


SESSION = Cookie("dispatch")
VISITOR = Cookie("dispatch-visitor")
"""Of a browser that is not signed in: what the sign-in form's token is bound to."""


@dataclass(frozen=True, slots=True)
class Known:
    """A browser that is signed in."""

    account: Account
    session: WebSession
    token: bytes = field(repr=False)


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, *, store: Store, clock: Clock, rng: Rng, limits: Limits, stamp: Stamp) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._limits = limits
        self._stamp = stamp

    def fresh(self) -> bytes:
        """Give a secret for a browser."""
        return self._rng(TOKEN_BYTES)

    def form_token(self, secret: bytes) -> str:
        """Give what the forms of the browser with this secret carry."""
        return self._stamp.make(secret).hex()

    def fits(self, form_token: str, secret: bytes) -> bool:
        """Tell whether a form is of the browser with this secret."""
        try:
            mac = bytes.fromhex(form_token)
        except ValueError:
            return False
        return bool(secret) and self._stamp.fits(mac, secret)

    async def open(self, account: Account, *, instead_of: bytes) -> bytes:
        """Open a session in place of the one that this token is of, if any; gives the new token.

        Raises SignInFailed when the account has changed since it was checked.
        """
        now_ms = self._clock.wall_ms()
        token = self.fresh()
        session = WebSession(
            token_hash=token_hash(token),
            account_id=account.account_id,
            created_ms=now_ms,
            expires_ms=now_ms + self._limits.web_idle_ms,
        )
        async with self._store.write() as kept:
            if not still(await kept.accounts.get(account.account_id), account):
                raise SignInFailed
            await kept.accounts.forget_web_sessions(now_ms=now_ms, limit=self._limits.forget_rows)
            await kept.accounts.end_web_session(token_hash(instead_of))
            earlier = await kept.accounts.web_sessions(account.account_id)
            for oldest in earlier[: max(0, len(earlier) - self._limits.web_sessions + 1)]:
                await kept.accounts.end_web_session(oldest.token_hash)
            await kept.accounts.add_web_session(session)
        return token

    async def find(self, token: bytes) -> Known | None:
        """Find who a token is of; None when it is over. Being used keeps a session from ending, up to its whole length."""
        if not token:
            return None
        now_ms = self._clock.wall_ms()
        async with self._store.read() as kept:
            session = await kept.accounts.web_session(token_hash(token))
            account = None if session is None else await kept.accounts.get(session.account_id)
        if session is None or account is None or now_ms >= session.expires_ms:
            return None
        limits = self._limits
        expires_ms = min(now_ms + limits.web_idle_ms, session.created_ms + limits.web_session_ms)
        if expires_ms - session.expires_ms >= limits.web_step_ms:
            session = await self._move(session, expires_ms)
        return Known(account=account, session=session, token=token)

    async def end(self, token: bytes) -> None:
        """End a session, if it is there."""
        async with self._store.write() as kept:
            await kept.accounts.end_web_session(token_hash(token))

    async def _move(self, session: WebSession, expires_ms: int) -> WebSession:
        moved = replace(session, expires_ms=expires_ms)
        async with self._store.write() as kept:
            # Looked at again: a sign-out since then counts.
            if await kept.accounts.web_session(session.token_hash) == session:
                await kept.accounts.end_web_session(session.token_hash)
                await kept.accounts.add_web_session(moved)
        return moved
