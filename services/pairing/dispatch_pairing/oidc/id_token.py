"""Whether an ID token says what it must, to us, now (OpenID Connect Core 1.0, 3.1.3.7). Pure: keys and time are arguments.

The provider is believed to say who somebody is; everything it sends is still read as a stranger's word. Nothing of a token's
content is in what is raised here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from dispatch_pairing.model import Visitor

ALGORITHMS: Mapping[str, str] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "Ed25519": "OKP",
}
"""The signatures that we take, and the kind of key for each. No shared secrets, and never "none"."""

SKEW_SECONDS = 120
"""How far the provider's clock and ours may be apart."""
OLDEST_SECONDS = 600
"""A token is asked for and given in one call: one that was made long ago is somebody else's."""

_RSA_BITS = 2_048
_KEYS = 64
_SUBJECT_CHARS = 255
_NAMES = ("preferred_username", "name", "nickname")  # in the order in which they make a good account's name


class Flaw(StrEnum):
    """What is wrong with a token: the word for the log."""

    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    KEY_UNKNOWN = "key unknown"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    PARTY = "authorized party"
    TIME = "time"
    NONCE = "nonce"
    SUBJECT = "subject"


class TokenRefused(Exception):
    """The token is not believed."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(f"the ID token is refused: {flaw.value}")
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One of the provider's keys."""

    kid: str | None
    kind: str
    algorithm: str | None
    """The only one that it is for; None if it does not say."""
    key: Key = field(repr=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to say."""

    issuer: str
    client_id: str
    algorithms: Collection[str]
    nonce: str | None = field(default=None, repr=False)
    """What was sent along when it was asked for; None where nothing could be."""


def read_keys(document: Mapping[str, Any]) -> tuple[SigningKey, ...]:
    """Read a key set (RFC 7517). Keys that we can't or must not use are left out."""
    found = document.get("keys")
    entries = found[:_KEYS] if isinstance(found, list) else []
    keys = (_signing_key(entry) for entry in entries if isinstance(entry, dict))
    return tuple(key for key in keys if key is not None)


def _signing_key(entry: Mapping[str, Any]) -> SigningKey | None:
    kind, kid, algorithm = entry.get("kty"), entry.get("kid"), entry.get("alg")
    if kind not in set(ALGORITHMS.values()) or entry.get("use", "sig") != "sig":
        return None
    if not isinstance(kid, str | None) or not isinstance(algorithm, str | None):
        return None
    public = {name: entry[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in entry}
    try:
        if kind == "RSA" and len(public["n"]) * 6 < _RSA_BITS:
            return None
        return SigningKey(kid=kid, kind=kind, algorithm=algorithm, key=import_key(public))
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def verify(token: str, *, keys: Collection[SigningKey], expected: Expected, now_seconds: int) -> Visitor:
    """Give whom the token vouches for. Raises TokenRefused; with KEY_UNKNOWN the provider may have a new key by now."""
    claims = _claims(token, keys=keys, algorithms=expected.algorithms)
    _check(claims, expected=expected, now_seconds=now_seconds)
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_CHARS or not subject.isascii():
        raise TokenRefused(Flaw.SUBJECT)
    return Visitor(issuer=expected.issuer, subject=subject, name=name_in(claims))


def name_in(claims: Mapping[str, Any]) -> str:
    """Give what claims call somebody; empty if they do not say."""
    names = (claims.get(name) for name in _NAMES)
    return next((name for name in names if isinstance(name, str) and name.strip()), "")


def _claims(token: str, *, keys: Collection[SigningKey], algorithms: Collection[str]) -> dict[str, Any]:
    """Give what was signed, once the signature is that of one of the keys."""
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError) as failure:
        raise TokenRefused(Flaw.MALFORMED) from failure
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in algorithms or algorithm not in ALGORITHMS:
        raise TokenRefused(Flaw.ALGORITHM)
    fitting = [
        one
        for one in keys
        if one.kind == ALGORITHMS[algorithm] and one.algorithm in (None, algorithm) and (kid is None or one.kid == kid)
    ]
    # Without a key id only one key can be meant.
    if not fitting or (kid is None and len(fitting) > 1):
        raise TokenRefused(Flaw.KEY_UNKNOWN)
    for one in fitting:
        try:
            payload = jws.deserialize_compact(token, one.key, [algorithm]).payload
        except (JoseError, ValueError):
            continue
        return _object(payload)
    raise TokenRefused(Flaw.SIGNATURE)


def _object(payload: bytes | None) -> dict[str, Any]:
    try:
        claims = json.loads(payload or b"")
    except ValueError as failure:
        raise TokenRefused(Flaw.MALFORMED) from failure
    if not isinstance(claims, dict):
        raise TokenRefused(Flaw.MALFORMED)
    return claims


_FLAWS = {
    "iss": Flaw.ISSUER,
    "aud": Flaw.AUDIENCE,
    "azp": Flaw.PARTY,
    "exp": Flaw.TIME,
    "iat": Flaw.TIME,
    "nbf": Flaw.TIME,
    "nonce": Flaw.NONCE,
    "sub": Flaw.SUBJECT,
}


def _check(claims: Mapping[str, Any], *, expected: Expected, now_seconds: int) -> None:
    options = {"iss": {"value": expected.issuer}, "aud": {"value": expected.client_id}}
    params = {"client_id": expected.client_id, "nonce": expected.nonce}
    try:
        # Several audiences are taken only from a provider that says, as azp, that the token was made for us.
        CodeIDToken(claims, {}, options, params).validate(now=now_seconds, leeway=SKEW_SECONDS)
    except JoseError as failure:
        claim = str(getattr(failure, "claim", ""))
        raise TokenRefused(_FLAWS.get(claim.partition(",")[0], Flaw.MALFORMED)) from failure
    if claims["iat"] < now_seconds - OLDEST_SECONDS:
        raise TokenRefused(Flaw.TIME)
