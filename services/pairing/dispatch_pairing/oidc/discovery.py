"""What a provider says of itself (OpenID Connect Discovery 1.0, 3), read as a stranger's word. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dispatch_pairing.oidc.id_token import ALGORITHMS

PATH = "/.well-known/openid-configuration"
_URL_CHARS = 2_048


class DiscoveryRefused(Exception):
    """What the provider says of itself can't be used. The text says why, for the log."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where the provider is asked what, and how."""

    issuer: str
    token: str
    keys: str
    user_info: str | None
    authorization: str | None
    device_authorization: str | None
    """None for a provider that lets no devices sign in."""
    algorithms: frozenset[str]
    """Those that it may sign ID tokens with and that we take."""
    secret_in_body: bool
    """How the client secret is shown: in the body only when the provider does not take it in the header."""


def is_safe(url: str, *, loopback: bool) -> bool:
    """Say whether secrets may go to this address: https, or with `loopback` http to this computer."""
    if len(url) > _URL_CHARS or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and loopback and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse(document: Mapping[str, Any], *, issuer: str) -> Metadata:
    """Read the document. Raises DiscoveryRefused, also when it is another provider's."""
    if document.get("issuer") != issuer:
        raise DiscoveryRefused("the provider calls itself otherwise than this service was told")
    loopback = issuer.startswith("http:")

    def url(name: str) -> str | None:
        found = document.get(name)
        if found is None:
            return None
        if not isinstance(found, str) or not is_safe(found, loopback=loopback):
            raise DiscoveryRefused(f"{name} is not an https address")
        return found

    token, keys = url("token_endpoint"), url("jwks_uri")
    if token is None or keys is None:
        raise DiscoveryRefused("the provider names no token_endpoint or no jwks_uri")
    algorithms = frozenset(_words(document, "id_token_signing_alg_values_supported", ["RS256"])) & ALGORITHMS.keys()
    if not algorithms:
        raise DiscoveryRefused("the provider signs with nothing that is safe enough")
    ways = _words(document, "token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        issuer=issuer,
        token=token,
        keys=keys,
        user_info=url("userinfo_endpoint"),
        authorization=url("authorization_endpoint"),
        device_authorization=url("device_authorization_endpoint"),
        algorithms=algorithms,
        secret_in_body="client_secret_basic" not in ways and "client_secret_post" in ways,
    )


def _words(document: Mapping[str, Any], name: str, default: list[str]) -> list[str]:
    found = document.get(name, default)
    if not isinstance(found, list):
        raise DiscoveryRefused(f"{name} is not a list")
    return [word for word in found if isinstance(word, str)]
