"""A push service as browsers' vendors run one, and the browsers that subscribe there and open what comes.

Checks who calls (RFC 8292) and decrypts (RFC 8291) as they do. What a subscription answers is what the test says:
`answers`, then 201.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import http_ece
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dispatch.api.relay.v1 import relay_pb2 as pb
from py_vapid import Vapid02

from tests.support.certificates import Certificates
from tests.support.waiting import until

PLEASE_HANG = 0
"""An answer that never comes."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push as the service got it, and as the browser opened it."""

    path: str
    headers: dict[str, str]
    body: bytes
    text: bytes
    claims: dict[str, Any]
    key: bytes

    @property
    def said(self) -> dict[str, Any]:
        """What the service worker reads."""
        read: dict[str, Any] = json.loads(self.text)
        return read


@dataclass
class Browser:
    """A subscription of one browser."""

    endpoint: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: os.urandom(16))
    opens_here: bool = True  # else somebody else has the key, and `text` stays empty
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    tried: list[int] = field(default_factory=list)  # what each attempt was answered
    pushes: list[Pushed] = field(default_factory=list)  # those that were taken

    def target(self, **more: Any) -> pb.PushTarget:
        """Write what the phone tells its relay."""
        public = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return pb.PushTarget(endpoint=self.endpoint, p256dh=public, auth=self.auth, **more)

    def opens(self, body: bytes) -> bytes:
        """Decrypt, as a browser does."""
        text: bytes = http_ece.decrypt(body, private_key=self.private, auth_secret=self.auth, version="aes128gcm")
        return text

    async def got(self, count: int = 1) -> Pushed:
        """Wait until so many pushes were taken; gives the last."""
        await until(lambda: len(self.pushes) >= count)
        return self.pushes[count - 1]

    async def was_tried(self, count: int) -> None:
        """Wait until so many attempts were made."""
        await until(lambda: len(self.tried) >= count)


class PushService:
    """Serves on a free port over TLS. Use as an async context manager."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._runner: web.AppRunner | None = None
        self._hanging = asyncio.Event()
        self.origin = ""
        self.subscribed: dict[str, Browser] = {}
        self.strays: list[str] = []  # requests to where nobody subscribed

    async def __aenter__(self) -> PushService:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pushed)
        keys = self._certificates.keys(name="push")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(keys.certificate, keys.key)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = self._runner.addresses[0][1]
        self.origin = f"https://localhost:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hanging.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def subscribe(
        self, answers: Sequence[int | tuple[int, dict[str, str]]] = (), *, opens_here: bool = True
    ) -> Browser:
        """Subscribe a browser. Its first pushes are answered with these."""
        path = f"/wpush/{os.urandom(12).hex()}"
        browser = Browser(self.origin + path, opens_here=opens_here)
        browser.answers = [(one, {}) if isinstance(one, int) else one for one in answers]
        self.subscribed[path] = browser
        return browser

    async def _pushed(self, request: web.Request) -> web.Response:
        browser = self.subscribed.get(request.path)
        if browser is None or request.method != "POST":
            self.strays.append(f"{request.method} {request.path}")
            return web.Response(status=404)
        body = await request.read()
        status, headers = browser.answers.pop(0) if browser.answers else (201, {})
        if status == PLEASE_HANG:
            browser.tried.append(status)
            await self._hanging.wait()
            return web.Response(status=500)
        if status in (200, 201):
            browser.pushes.append(self._opened(browser, request, body))
        browser.tried.append(status)
        return web.Response(status=status, headers=headers)

    def _opened(self, browser: Browser, request: web.Request, body: bytes) -> Pushed:
        authorization = request.headers["Authorization"]
        assert Vapid02.verify(authorization)
        parts = dict(part.strip().split("=", 1) for part in authorization.removeprefix("vapid ").split(","))
        return Pushed(
            path=request.path_qs,
            headers=dict(request.headers),
            body=body,
            text=browser.opens(body) if browser.opens_here else b"",
            claims=json.loads(_bytes(parts["t"].split(".")[1])),
            key=_bytes(parts["k"]),
        )


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
