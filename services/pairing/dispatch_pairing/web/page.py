"""What a page is: its method, its path, what its visitor must show, who answers it. The table rows of the account page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dispatch_pairing.model import Account
from dispatch_pairing.web.sessions import Known


class Need(Enum):
    """What a visitor must show. Whoever changes something shows the token of our own form besides."""

    NOTHING = "nothing"
    SIGN_IN = "sign-in"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, let in."""

    request: Request
    now_ms: int
    form_token: str = field(repr=False)
    known: Known | None = None
    """Who is signed in; never None on a page that needs it."""
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What was sent; empty for reading."""

    @property
    def account(self) -> Account:
        """The account. Only on pages that need a sign-in."""
        return self.signed_in.account

    @property
    def signed_in(self) -> Known:
        """The session. Only on pages that need a sign-in."""
        if self.known is None:
            raise AssertionError("a page that needs a sign-in was let in without")
        return self.known


@dataclass(frozen=True, slots=True)
class Page:
    """One thing that a browser may ask for."""

    method: str
    path: str
    need: Need
    answer: Callable[[Visit], Awaitable[Response]]


Values = dict[str, Any]
