"""A provider of sign-ins of the tests' own that does as it is told, wrong things included. tests/oidc runs a certified one.

Real HTTP on a free port, on a thread of its own. Honest until a test changes one of its levers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey

from tests.support.ports import port_to_come_back_to

CLIENT_ID = "dispatch"
CLIENT_SECRET = "very secret: 100% of it"
Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked."""

    path: str
    form: Mapping[str, str]
    authorization: str


@dataclass(slots=True)
class TinyProvider:
    """The provider, with its levers."""

    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    says: str = "authorization_pending"
    """What it answers a device that asks for a token; "" for a token."""
    about: Claims = field(default_factory=dict)
    """What it says of itself, where that is not the truth."""
    codes: Claims = field(default_factory=dict)
    """What it says of a device code, where that is not usual."""
    claims: Claims = field(default_factory=dict)
    """What it says of people, where that is not usual; None leaves a claim out."""
    key: ECKey = field(default_factory=lambda: a_key("first"))
    published: list[ECKey] | None = None
    """The keys that it shows; None for the one that it signs with."""
    sign: Callable[[TinyProvider, Claims], str] | None = None
    """How it makes a token, where that is not usual."""
    answer: Callable[[str], tuple[int, bytes] | None] = lambda _: None
    """A whole answer to a path, in place of the proper one."""
    requests: list[Request] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    """Everything it ever gave out that nobody else may see."""
    _challenges: dict[str, tuple[str, str]] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None
    _port: int = field(default_factory=port_to_come_back_to)

    def __enter__(self) -> TinyProvider:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, each time at the same port."""
        handler = type("Handler", (_Handler,), {"provider": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Be down."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def asked(self, path: str) -> list[Request]:
        """Give what was asked at a path."""
        return [one for one in self.requests if one.path == path]

    def secret(self) -> str:
        """Make something that nobody else may see."""
        self.secrets.append(secrets.token_urlsafe(24))
        return self.secrets[-1]

    def authorize(self, url: str) -> dict[str, str]:
        """Do as a person who says yes in a browser: gives the query that it brings back."""
        query = dict(parse_qsl(urlsplit(url).query))
        assert query["code_challenge_method"] == "S256"
        code = self.secret()
        self._challenges[code] = query["code_challenge"], query["nonce"]
        return {"state": query["state"], "code": code, "iss": self.issuer}

    # ---- What it answers.

    def respond(self, request: Request) -> tuple[int, Any]:
        """Give status and body."""
        made: Callable[[], Claims] | None = {
            "/.well-known/openid-configuration": self._about,
            "/keys": lambda: {"keys": [key.as_dict(private=False) for key in self.published or [self.key]]},
            "/device": self._device,
            "/token": lambda: self._token(request),
        }.get(request.path)
        if made is None:
            return 404, {"error": "not_found"}
        if request.path in ("/device", "/token") and not self._knows(request):
            return 401, {"error": "invalid_client"}
        body = made()
        return (400 if "error" in body else 200), body

    def _knows(self, request: Request) -> bool:
        pair = urlencode({CLIENT_ID: CLIENT_SECRET}).replace("=", ":")
        return request.authorization == "Basic " + base64.b64encode(pair.encode()).decode()

    def _about(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "device_authorization_endpoint": f"{self.issuer}/device",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256", "none"],
        } | self.about

    def _device(self) -> Claims:
        user_code = self.secret()[:8]
        return {
            "device_code": self.secret(),
            "user_code": user_code,
            "verification_uri": f"{self.issuer}/enter",
            "verification_uri_complete": f"{self.issuer}/enter?code={user_code}",
            "expires_in": 600,
            "interval": 5,
        } | self.codes

    def _token(self, request: Request) -> Claims:
        nonce = None
        if request.form["grant_type"] == "authorization_code":
            challenge, nonce = self._challenges.pop(request.form["code"], ("", ""))
            hashed = hashlib.sha256(request.form["code_verifier"].encode()).digest()
            if challenge != base64.urlsafe_b64encode(hashed).decode().rstrip("="):
                return {"error": "invalid_grant"}
        elif self.says:
            return {"error": self.says}
        token = (self.sign or signed)(self, self._said(nonce))
        self.secrets.append(token)
        return {"id_token": token, "access_token": self.secret(), "token_type": "Bearer"}

    def _said(self, nonce: str | None) -> Claims:
        now = self.now_ms() // 1_000
        said = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "1815", "iat": now, "exp": now + 300, "nonce": nonce}
        said |= {"preferred_username": "Ada Lovelace"} | self.claims
        return {name: value for name, value in said.items() if value is not None}


def a_key(kid: str) -> ECKey:
    """Make a key of this name."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})


def signed(provider: TinyProvider, claims: Claims, **header: Any) -> str:
    """Make a token properly."""
    said = {"alg": "ES256", "kid": provider.key.kid} | header
    return jws.serialize_compact(said, json.dumps(claims).encode(), provider.key, ["ES256"])


class _Handler(BaseHTTPRequestHandler):
    provider: TinyProvider

    def do_GET(self) -> None:
        self._respond({})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._respond({name: values[0] for name, values in parse_qs(content).items()})

    def _respond(self, form: dict[str, str]) -> None:
        request = Request(urlsplit(self.path).path, form, self.headers.get("Authorization", ""))
        self.provider.requests.append(request)
        given = self.provider.answer(request.path)
        if given is None:
            status, body = self.provider.respond(request)
            given = status, json.dumps(body).encode()
        self.send_response(given[0])
        self.send_header("Content-Length", str(len(given[1])))
        if given[0] in (301, 302, 307):
            self.send_header("Location", given[1].decode())
        self.end_headers()
        self.wfile.write(given[1])

    def log_message(self, *_: object) -> None:
        """Say nothing."""
