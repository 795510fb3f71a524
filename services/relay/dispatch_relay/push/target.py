"""Where and when a phone wants to be called, and what is refused of it. Pure: dials nothing. docs/push.md "Registering"."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.words import Language

from dispatch_relay.push.reach import Reach

ENDPOINT_CHARACTERS = 2_048
POINT_BYTES = 65
AUTH_BYTES = 16
MINUTES_OF_DAY = 24 * 60
_ZONE_CHARACTERS = 64
_TAG_CHARACTERS = 35  # RFC 5646, 4.4.1


@dataclass(frozen=True, slots=True)
class Quiet:
    """A part of each day in which nobody is called. Minutes are those of the day where the phone is."""

    time_zone: str
    from_minute: int
    to_minute: int
    questions_ring: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What a phone said. The endpoint is a secret: who has it can call the phone."""

    endpoint: str = field(default="", repr=False)
    p256dh: bytes = field(default=b"", repr=False)
    auth: bytes = field(default=b"", repr=False)
    quiet: Quiet | None = None
    language: Language | None = None
    """The person's; None when it was not said."""

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self.endpoint) or self.quiet is not None or self.language is not None


def read(said: pb.PushTarget, *, reach: Reach) -> Target:
    """Read what a phone said. Raises BadRequest."""
    quiet = _quiet(said.quiet) if said.HasField("quiet") else None
    language = _language(said.language) if said.language else None
    if not said.endpoint:
        return Target(quiet=quiet, language=language)
    _check_endpoint(said.endpoint, reach=reach)
    if len(said.auth) != AUTH_BYTES:
        raise errors.BadRequest(f"auth is not {AUTH_BYTES} bytes")
    try:
        if len(said.p256dh) != POINT_BYTES:
            raise ValueError
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), said.p256dh)
    except ValueError:
        raise errors.BadRequest("p256dh is no point of P-256") from None
    return Target(said.endpoint, said.p256dh, said.auth, quiet, language)


def _check_endpoint(endpoint: str, *, reach: Reach) -> None:
    if len(endpoint) > ENDPOINT_CHARACTERS or not all("!" <= char <= "~" and char not in '\\"<>' for char in endpoint):
        raise errors.BadRequest("the endpoint is no web address")
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise errors.BadRequest("the endpoint is no web address") from None
    if parts.scheme != "https" or not host or "@" in parts.netloc or parts.fragment:
        raise errors.BadRequest("an endpoint is https://, without a name, a password or a fragment")
    try:
        ip_address(host)
    except ValueError:
        return  # a name: where it leads is looked at when it is dialled
    # An aud claim (RFC 8292) with colons in its host is not signed by the library, and no push service has one.
    if ":" in host or not reach.allows(host):
        raise errors.BadRequest("the endpoint is at an address that this relay does not call")


def _language(tag: str) -> Language:
    if len(tag) > _TAG_CHARACTERS:
        raise errors.BadRequest("a language is a tag of BCP 47")
    return Language.of(tag)


def _quiet(said: pb.QuietHours) -> Quiet:
    if max(said.from_minute, said.to_minute) >= MINUTES_OF_DAY or said.from_minute == said.to_minute:
        raise errors.BadRequest("quiet hours go from one minute of the day to another")
    try:
        if len(said.time_zone) > _ZONE_CHARACTERS:
            raise ValueError
        ZoneInfo(said.time_zone)
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError is one; OSError: the name of a folder
        raise errors.BadRequest("a time zone that is not known here") from None
    return Quiet(said.time_zone, said.from_minute, said.to_minute, said.questions_ring)
