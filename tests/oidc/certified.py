"""Runs the provider as a process, and does what a person does at it: opens pages, logs in, says yes or no."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from tests.support.ports import address_to_come_back_to
from tests.support.waiting import DEADLINE_SECONDS

FOLDER = Path(__file__).parent
CLIENT_ID = "dispatch"
CLIENT_SECRET = "a secret, with: 100% of signs+more"
REDIRECT_URI = "http://127.0.0.1:7399/callback"


@dataclass(slots=True)
class Certified:
    """The provider; may be stopped and started again at its address, with another key."""

    secret: str | None = CLIENT_SECRET
    code_seconds: int = 600
    redirect_uri: str = REDIRECT_URI
    issuer: str = field(default_factory=lambda: f"http://{address_to_come_back_to()}")
    _process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Certified:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it."""
        assert (FOLDER / "node_modules").is_dir(), f"run `npm ci --ignore-scripts` in {FOLDER} first"
        asked = {
            "port": urlsplit(self.issuer).port,
            "client_id": CLIENT_ID,
            "client_secret": self.secret,
            "redirect_uri": self.redirect_uri,
            "code_seconds": self.code_seconds,
        }
        self._process = await asyncio.create_subprocess_exec(
            "node",
            "provider.mjs",
            cwd=FOLDER,
            env={"PATH": os.environ["PATH"], "OIDC_TEST": json.dumps(asked)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            line = await self._process.stdout.readline()
        self.issuer = json.loads(line)["issuer"]

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


class Browser:
    """A person's browser: cookies, forms, redirects."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(trust_env=False, timeout=DEADLINE_SECONDS)
        self.page = ""
        self.url = ""

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def open(self, url: str) -> None:
        """Open a page, wherever it sends us; one that is not the provider's is not asked for."""
        await self._go(httpx.Request("GET", url))

    async def enter_code(self, url_complete: str) -> None:
        """Open the page of a code and confirm that it is ours."""
        await self.open(url_complete)
        await self._submit()  # the page does so itself, with a script
        await self._submit()

    async def log_in(self, name: str) -> None:
        """Say who we are, and yes to what the service asks for."""
        await self._submit({"login": name, "password": "anything"})
        await self._submit()

    async def say_no(self) -> None:
        """Press cancel."""
        found = re.search(r'href="([^"]*/abort)"', self.page)
        assert found, self.page
        await self.open(urljoin(self.url, found[1]))

    @property
    def query(self) -> dict[str, str]:
        """What stands in the address behind the question mark."""
        return dict(parse_qsl(urlsplit(self.url).query))

    async def _submit(self, filled: dict[str, str] | None = None) -> None:
        action = re.search(r'<form[^>]*action="([^"]+)"', self.page)
        assert action, self.page
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', self.page))
        url = urljoin(self.url, html.unescape(action[1]))
        await self._go(self._http.build_request("POST", url, data=hidden | (filled or {})))

    async def _go(self, request: httpx.Request) -> None:
        home = urlsplit(self.url or str(request.url)).netloc
        while True:
            response = await self._http.send(self._with_cookies(request))
            self.url, self.page = str(response.url), response.text
            if not response.is_redirect:
                return
            onward = urljoin(self.url, response.headers["Location"])
            if urlsplit(onward).netloc != home:
                self.url, self.page = onward, ""
                return
            request = httpx.Request("GET", onward)

    def _with_cookies(self, request: httpx.Request) -> httpx.Request:
        self._http.cookies.set_cookie_header(request)
        return request
