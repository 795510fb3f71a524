"""A browser as the account page sees it, at the level of the protocol: cookies, forms and their tokens, every header in reach.

Written with httpx against what the pages really say; the browser of tests/browser is Chromium.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from tests.support.connect_end import TRUSTS_NOBODY
from tests.support.pairing_device import PASSWORD
from tests.support.waiting import DEADLINE_SECONDS


class _Forms(HTMLParser):
    """Collects the forms of a page: where each goes, and what its fields hold."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert given["method"] == "post"
            self._fields = self.forms.setdefault(given["action"], {})
        elif tag == "input" and self._fields is not None:
            self._fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None


def forms(page: httpx.Response) -> dict[str, dict[str, str]]:
    """Give the forms of a page, by where they go."""
    parser = _Forms()
    parser.feed(page.text)
    return parser.forms


def text(page: httpx.Response) -> str:
    """Give what a person reads of a page's main part, on one line."""
    main = page.text.partition("<main")[2].partition("</main>")[0].partition(">")[2]
    words = re.sub(r"<[^>]*>", " ", main)
    return " ".join(words.replace("&#39;", "'").replace("&amp;", "&").split())


@dataclass(slots=True)
class Browser:
    """One browser. It follows no redirect by itself, so that tests see each answer."""

    address: str
    verify: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)
    _client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Browser:
        scheme = "http" if self.verify is None else "https"
        self._client = httpx.AsyncClient(
            base_url=f"{scheme}://{self.address}",
            verify=self.verify or TRUSTS_NOBODY,
            headers=self.headers,
            trust_env=False,
            timeout=DEADLINE_SECONDS,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    @property
    def client(self) -> httpx.AsyncClient:
        assert self._client is not None
        return self._client

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.client.cookies.jar}

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a page."""
        return await self.client.get(path, headers=_named(headers))

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form as it is given, with or without a token."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}  # httpx leaves it out for an empty form
        return await self.client.post(path, data=fields, headers={**kind, **_named(headers)})

    async def send(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Load a page, fill in its form that goes to `action`, and send that."""
        found = forms(await self.get(page))
        return await self.post(action, {**found[action], **fields})

    async def sign_in(self, account: str = "ada", password: str = PASSWORD) -> httpx.Response:
        """Sign in by the form."""
        return await self.send("/sign-in", "/sign-in", account=account, password=password)


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
