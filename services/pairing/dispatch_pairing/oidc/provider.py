"""The line to the provider: what it says of itself, its keys, and the three questions that it is asked.

Gives values and raises ProviderUnreachable (come back) or ProviderFailed (the operator has to look); the reason stands in the
log, without anything that the provider or a person keeps secret. Called by `device` and `web`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from dispatch.clock import Clock
from dispatch.errors import ProviderFailed, ProviderUnreachable
from dispatch.runtime.logs import get_logger

from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Visitor
from dispatch_pairing.oidc import discovery
from dispatch_pairing.oidc.attempts import Said
from dispatch_pairing.oidc.discovery import DiscoveryRefused, Metadata, is_safe
from dispatch_pairing.oidc.id_token import Expected, Flaw, SigningKey, TokenRefused, name_in, read_keys, verify
from dispatch_pairing.oidc.settings import ProviderSettings

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

_FRESH_MS = 3_600_000
_ANSWER_SECONDS = 8.0  # less than a device waits for its call
_ANSWER_BYTES = 256 * 1_024
_RETRY_MS = 5_000
_CODE_CHARS = 1_024
_USER_CODE_CHARS = 64
_LONGEST_CODE_SECONDS = 3_600
_INTERVAL_SECONDS = 5
_LONGEST_INTERVAL_SECONDS = 60
# The words of RFC 6749, 5.2 and RFC 8628, 3.5; any other is a stranger's text and stays out of the log.
_ERRORS = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
     "invalid_scope", "authorization_pending", "slow_down", "access_denied", "expired_token", "server_error",
     "temporarily_unavailable"}
)  # fmt: skip

_log = get_logger()


_SAID = {
    "authorization_pending": Said.PENDING,
    "slow_down": Said.SLOW_DOWN,
    "access_denied": Said.DENIED,
    "expired_token": Said.EXPIRED,
    # What providers say of a code that they do not know, or no longer.
    "invalid_grant": Said.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the provider gave for a device that wants in (RFC 8628, 3.2)."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    verification_uri: str
    verification_uri_complete: str = field(repr=False)
    expires_ms: int
    """How long it is good."""
    interval_ms: int


class Provider:
    """One provider. Made by `opened`."""

    def __init__(self, settings: ProviderSettings, *, clock: Clock, metrics: Metrics, http: httpx.AsyncClient) -> None:
        self.settings = settings
        self._clock = clock
        self._metrics = metrics
        self._http = http
        # What the provider said of itself, and when; asked again when it is old, by one caller at a time, and not at once
        # when it did not answer: whoever waits in line would wait as long again.
        self._asking = asyncio.Lock()
        self._down_until_ms = 0
        self._metadata: tuple[int, Metadata] | None = None
        self._keys: tuple[int, tuple[SigningKey, ...]] | None = None

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: ProviderSettings, *, clock: Clock, metrics: Metrics) -> AsyncIterator[Provider]:
        """Open the line until the block ends; asks nothing yet, so that a provider that is down stops no start.

        Raises ValueError for an authority that can't be read.
        """
        try:
            trusted = ssl.create_default_context(cafile=settings.ca)
        except (OSError, ssl.SSLError) as failure:
            raise ValueError(f"{settings.ca} holds no certificate of an authority in PEM") from failure
        http = httpx.AsyncClient(
            verify=trusted,
            timeout=_ANSWER_SECONDS,
            # A proxy of the environment stands between us and other computers, not this one.
            trust_env=not settings.issuer.startswith("http:"),
            follow_redirects=False,
            # An answer is read as it comes, so that a small one can't unfold into a large one.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
        async with http:
            yield cls(settings, clock=clock, metrics=metrics, http=http)

    # ---- The questions.

    async def begin_device(self) -> DeviceCode:
        """Ask for a code that a person enters at the provider."""
        metadata = await self.metadata()
        if metadata.device_authorization is None:
            raise self.failed("it names no device_authorization_endpoint")
        status, answer = await self._ask(metadata, metadata.device_authorization, {"scope": self.settings.scopes})
        if status != httpx.codes.OK:
            raise self.failed("it gives no device code", error=_error(answer))
        return self._device_code(answer)

    async def ask_device(self, device_code: str) -> Visitor | Said:
        """Ask whether the person has entered the code."""
        form = {"grant_type": DEVICE_GRANT, "device_code": device_code}
        return await self._token(await self.metadata(), form, nonce=None)

    async def authorization_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Give the address at the provider to send a browser to."""
        metadata = await self.metadata()
        if metadata.authorization is None:
            raise self.failed("it names no authorization_endpoint")
        url: str = prepare_grant_uri(
            metadata.authorization,
            self.settings.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=self.settings.scopes,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    async def exchange(self, code: str, *, redirect_uri: str, nonce: str, verifier: str) -> Visitor | Said:
        """Give whom the code vouches for that a browser brought back."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return await self._token(await self.metadata(), form, nonce=nonce)

    async def _token(self, metadata: Metadata, form: Mapping[str, str], *, nonce: str | None) -> Visitor | Said:
        status, answer = await self._ask(metadata, metadata.token, form)
        if status != httpx.codes.OK:
            error = _error(answer)
            if (said := _SAID.get(error)) is None:
                raise self.failed("it gives no token", error=error)
            self._metrics.provider_answers.labels(said.value).inc()
            return said
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise self.failed("it gives no ID token")
        visitor = await self._believe(token, metadata, nonce=nonce)
        access = answer.get("access_token")
        if not visitor.name and isinstance(access, str) and metadata.user_info is not None:
            visitor = await self._named(visitor, access, metadata.user_info)
        self._metrics.provider_answers.labels("approved").inc()
        return visitor

    async def _believe(self, token: str, metadata: Metadata, *, nonce: str | None) -> Visitor:
        """Check a token; with a key that is not known yet, once more with the provider's keys of now."""
        expected = Expected(
            issuer=metadata.issuer, client_id=self.settings.client_id, algorithms=metadata.algorithms, nonce=nonce
        )
        for fresh in (False, True):
            keys = await self._signing_keys(metadata, fresh=fresh)
            try:
                return verify(token, keys=keys, expected=expected, now_seconds=self._clock.wall_ms() // 1_000)
            except TokenRefused as refused:
                if fresh or refused.flaw is not Flaw.KEY_UNKNOWN:
                    raise self.failed(str(refused), flaw=refused.flaw.value) from refused
        raise AssertionError("the second round returns or raises")

    async def _named(self, visitor: Visitor, access: str, url: str) -> Visitor:
        """Ask for the name where the ID token has none (Core 1.0, 5.3). Whoever it is, is known by now: without a name, too."""
        try:
            status, answer = await self._fetch("GET", url, headers={"Authorization": f"Bearer {access}"})
        except (ProviderFailed, ProviderUnreachable):
            return visitor
        if status != httpx.codes.OK or answer.get("sub") != visitor.subject:
            return visitor
        return replace(visitor, name=name_in(answer))

    def _device_code(self, answer: Mapping[str, Any]) -> DeviceCode:
        def text(name: str, limit: int) -> str:
            found = answer.get(name)
            if not isinstance(found, str) or not 0 < len(found) <= limit or not found.isprintable():
                raise self.failed(f"it gives a device code without a proper {name}")
            return found

        def url(name: str) -> str:
            found = text(name, 2_048)
            if not is_safe(found, loopback=self.settings.issuer.startswith("http:")):
                raise self.failed(f"it sends people to a {name} that is not https")
            return found

        def seconds(name: str, default: int, most: int) -> int:
            found = answer.get(name, default)
            if not isinstance(found, int) or isinstance(found, bool) or found < 1:
                raise self.failed(f"it gives a device code without a proper {name}")
            return min(found, most)

        return DeviceCode(
            device_code=text("device_code", _CODE_CHARS),
            user_code=text("user_code", _USER_CODE_CHARS),
            verification_uri=url("verification_uri"),
            verification_uri_complete=url("verification_uri_complete") if "verification_uri_complete" in answer else "",
            expires_ms=seconds("expires_in", 0, _LONGEST_CODE_SECONDS) * 1_000,
            interval_ms=seconds("interval", _INTERVAL_SECONDS, _LONGEST_INTERVAL_SECONDS) * 1_000,
        )

    # ---- What it says of itself.

    async def metadata(self) -> Metadata:
        """Give what the provider says of itself, at most an hour old."""
        async with self._asking:
            now_ms = self._clock.steady_ms()
            if self._metadata is None or now_ms - self._metadata[0] >= _FRESH_MS:
                document = await self._document(self.settings.issuer.rstrip("/") + discovery.PATH)
                try:
                    self._metadata = now_ms, discovery.parse(document, issuer=self.settings.issuer)
                except DiscoveryRefused as refused:
                    raise self.failed(str(refused)) from refused
            return self._metadata[1]

    async def _signing_keys(self, metadata: Metadata, *, fresh: bool) -> tuple[SigningKey, ...]:
        async with self._asking:
            now_ms = self._clock.steady_ms()
            if fresh or self._keys is None or now_ms - self._keys[0] >= _FRESH_MS:
                self._keys = now_ms, read_keys(await self._document(metadata.keys))
            return self._keys[1]

    async def _document(self, url: str) -> dict[str, Any]:
        now_ms = self._clock.steady_ms()
        if now_ms < self._down_until_ms:
            raise ProviderUnreachable(retry_after_ms=self._down_until_ms - now_ms)
        try:
            status, answer = await self._fetch("GET", url)
        except ProviderUnreachable:
            self._down_until_ms = self._clock.steady_ms() + _RETRY_MS
            raise
        if status != httpx.codes.OK:
            raise self.failed("it does not give a document that it must", status=status)
        return answer

    # ---- Asking.

    async def _ask(self, metadata: Metadata, url: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Ask as the client that we are (RFC 6749, 2.3.1)."""
        client_id, secret = self.settings.client_id, self.settings.client_secret
        said, headers = dict(form), {}
        if secret is None or metadata.secret_in_body:
            said["client_id"] = client_id
        if secret is not None and metadata.secret_in_body:
            said["client_secret"] = secret
        elif secret is not None:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return await self._fetch("POST", url, data=said, headers=headers)

    async def _fetch(self, method: str, url: str, **content: Any) -> tuple[int, dict[str, Any]]:
        """Give the status and the JSON object of an answer. Raises ProviderUnreachable, ProviderFailed."""
        body = b""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS), self._http.stream(method, url, **content) as response:
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > _ANSWER_BYTES:
                        raise self.failed("its answer is too large")
        except (httpx.HTTPError, TimeoutError) as failure:
            raise self._unreachable(cause=type(failure).__name__) from failure
        except httpx.InvalidURL as failure:
            raise self.failed("it names an address that is none") from failure
        status = response.status_code
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
            raise self._unreachable(status=status)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self.failed("its answer is no JSON object", status=status)
        return status, answer

    def failed(self, why: str, **facts: object) -> ProviderFailed:
        """Count and log an answer that can't be used; gives what to raise."""
        self._metrics.provider_answers.labels("failed").inc()
        _log.warning("provider failed", why=why, **facts)
        return ProviderFailed(why)

    def _unreachable(self, **facts: object) -> ProviderUnreachable:
        self._metrics.provider_answers.labels("unreachable").inc()
        _log.warning("provider unreachable", **facts)
        return ProviderUnreachable(retry_after_ms=_RETRY_MS)


def _error(answer: Mapping[str, Any]) -> str:
    found = answer.get("error")
    return found if isinstance(found, str) and found in _ERRORS else "another"
