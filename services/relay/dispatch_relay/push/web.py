"""Web Push (RFC 8030, 8291, 8292), to browsers and to UnifiedPush servers. docs/push.md.

pywebpush encrypts and py-vapid signs; the request is made here, because the library's own follows redirects and dials
whatever a name leads to.
"""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.resolver import AsyncResolver
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from dispatch.clock import Clock
from dispatch.ids import PairId
from py_vapid import Vapid02
from pywebpush import WebPusher

from dispatch_relay.push import keys
from dispatch_relay.push.answers import Answer, Result, judged
from dispatch_relay.push.places import IN_ALL, Places, site
from dispatch_relay.push.reach import Reach
from dispatch_relay.push.target import Target
from dispatch_relay.push.words import Message, headers, payload

_NAME_TRIES = 2
_CONNECT_SHARE = _NAME_SHARE = 1 / 3
"""Of the time of an attempt: to connect, and to look a name up."""
_TOKEN_SECONDS = 12 * 60 * 60
"""Of a VAPID token; the most is a day (RFC 8292, 2)."""


def check(contact: str, *, ca: Path | None) -> None:
    """Raise ValueError for a contact that push services can't be told, or authorities that can't be read."""
    wrong = []
    try:
        _signed(
            Vapid02(ec.generate_private_key(ec.SECP256R1())), {"aud": "https://push.example", "exp": 0, "sub": contact}
        )
    except ValueError as failure:
        wrong.append(f"--push-contact: {failure}")
    try:
        ssl.create_default_context(cafile=None if ca is None else str(ca))
    except ssl.SSLError:
        wrong.append(f"{ca} holds no certificate")
    except OSError as failure:
        wrong.append(f"{ca} can't be read: {failure.strerror}")
    if wrong:
        raise ValueError("\n".join(wrong))


def _signed(vapid: Any, claims: dict[str, Any]) -> dict[str, str]:
    try:
        signed: dict[str, str] = vapid.sign(claims)
    except Exception as failure:
        raise ValueError(f"{claims['sub']!r} is no contact: mailto:you@example.org") from failure
    return signed


class _Forbidden(OSError):
    """The endpoint leads to an address that is not called."""


class WebPush:
    """The transport. `close` when nothing is sent any more."""

    name = "web"

    def __init__(
        self,
        key: EllipticCurvePrivateKey,
        *,
        contact: str,
        reach: Reach,
        ca: Path | None,
        timeout_ms: int,
        clock: Clock,
        nameservers: Sequence[str] | None = None,
    ) -> None:
        """`contact` is told to push services: whom to ask about us. Raises ValueError for it, OSError for `ca`.

        `nameservers` are those of the computer unless a test names others, HOST:PORT.
        """
        self._vapid: Any = Vapid02(key)
        self._contact = contact
        self._secret = keys.secret(key)
        self._reach = reach
        self._clock = clock
        self._token("https://push.example")  # a contact that the library does not sign is said now
        try:
            tls = ssl.create_default_context(cafile=None if ca is None else str(ca))
        except ssl.SSLError:
            raise ValueError(f"{ca} holds no certificate") from None
        self._places = Places()
        seconds = timeout_ms / 1_000
        # Names are looked up without a thread for each, and for less long than an attempt: whoever has an endpoint under a name
        # that nobody answers for would hold the threads of all that this relay does beside.
        self._names = AsyncResolver(
            nameservers=nameservers, timeout=_NAME_SHARE * seconds / _NAME_TRIES, tries=_NAME_TRIES
        )
        # No proxy of the environment, no cookies, and a socket only to where one may go: what is dialled is looked at, not what
        # a name led to a moment ago.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=IN_ALL, socket_factory=self._socket, resolver=self._names),
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SHARE * seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    def leads_to(self, _pair_id: PairId, target: Target) -> bool:
        return bool(target.endpoint)

    def place(self, target: Target) -> AbstractAsyncContextManager[None]:
        return self._places.take(site(target.endpoint))

    async def send(self, message: Message, target: Target) -> Answer:
        body = _sealed(payload(message), target)
        said = {
            **headers(message, secret=self._secret),
            **self._token(_origin(target.endpoint)),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
        }
        try:
            async with self._session.post(target.endpoint, data=body, headers=said, allow_redirects=False) as answer:
                return judged(answer.status, answer.headers.get("Retry-After", ""), now_ms=self._clock.wall_ms())
        except (aiohttp.ClientError, OSError, TimeoutError) as failure:
            return Answer(Result.FORBIDDEN if _forbidden(failure) else Result.UNREACHABLE)
        except ValueError:  # a name that is no name
            return Answer(Result.REFUSED)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()
        await self._names.close()

    def _token(self, audience: str) -> dict[str, str]:
        # New claims each time: what is signed for one push service must never name another.
        expiry = self._clock.wall_ms() // 1_000 + _TOKEN_SECONDS
        return _signed(self._vapid, {"aud": audience, "exp": expiry, "sub": self._contact})

    def _socket(self, info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if not self._reach.allows(str(address[0])):
            raise _Forbidden("an address that is not called")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


def _sealed(text: bytes, target: Target) -> bytes:
    def web(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode()

    pusher: Any = WebPusher(
        {"endpoint": target.endpoint, "keys": {"p256dh": web(target.p256dh), "auth": web(target.auth)}}
    )
    body: bytes = pusher.encode(text, "aes128gcm")["body"]
    return body


def _origin(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    port = f":{parts.port}" if parts.port and parts.port != 443 else ""
    return f"https://{parts.hostname}{port}"


def _forbidden(failure: BaseException | None) -> bool:
    """Tell whether a failure comes of an address that is not called, and of nothing else."""
    seen = failure
    while seen is not None:
        if isinstance(seen, _Forbidden):
            return True
        inner = seen.os_error if isinstance(seen, aiohttp.ClientConnectorError) else None
        seen = inner if inner is not None and inner is not seen else seen.__cause__
    return False
