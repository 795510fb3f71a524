"""What the browser may reach: which addresses, and which web addresses are opened at all. Pure; looking names up is the proxy's.

docs/browser.md, where it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

URL_CHARACTERS = 4096
_WEB = {"http": 80, "https": 443}
_FIRST_FREE_PORT = 1024  # below are mail, name and file servers, which would take a web request for something else
# Of IPv6 those in which an address of IPv4 is written: whoever dials one reaches the other. The rest is nobody's, whatever
# this version of Python takes for global.
_SPECIAL: Sequence[Network] = [
    ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.88.99.0/24"),
        "168.63.129.16/32",  # public by its number, and in each machine of one cloud the way to what runs it
        *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2002::/16", "3fff::/20", "5f00::/16"),
    )
]


class BadAddress(ValueError):
    """No web address that is opened here, and why."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The public web, and the networks that the owner named."""

    networks: Sequence[Network] = ()

    @classmethod
    def parse(cls, text: str) -> Reach:
        """Read networks with commas between them: `127.0.0.1/32, 192.168.1.0/24`. Raises ValueError."""
        return cls([ip_network(part.strip()) for part in text.split(",") if part.strip()])

    def allows(self, address: Address, port: int, *, near: Sequence[Network] = ()) -> bool:
        """Tell whether this very address may be dialled. `near` are the networks that this computer is in, public or not."""
        address = _plain(address)
        if any(address in network for network in self.networks):
            return True
        if any(address in network for network in near):
            return False
        return is_public(address) and (port in _WEB.values() or port >= _FIRST_FREE_PORT)


def is_public(address: Address) -> bool:
    """Tell whether an address is somebody's on the internet: not this computer's, not a private network's, not a special one."""
    address = _plain(address)
    if any(address in network for network in _SPECIAL) or (isinstance(address, IPv6Address) and address.is_site_local):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def checked(url: str) -> str:
    """Give a web address that may be opened, with its scheme; `example.org` is `https://example.org`. Raises BadAddress.

    Looked at is the address as it is written: where its name leads is looked at when it is dialled.
    """
    url = url.strip()
    if len(url) > URL_CHARACTERS or any(char.isspace() or not char.isprintable() for char in url):
        raise BadAddress("that is no web address")
    if "://" not in url:
        if url.partition(":")[0].lower() in ("file", "data", "javascript", "about", "chrome", "blob", "view-source"):
            raise BadAddress("only http: and https: are opened")
        url = f"https://{url}"
    parts = _split(url)
    if parts.scheme not in _WEB:
        raise BadAddress("only http: and https: are opened")
    if not parts.hostname or parts.username is not None or parts.password is not None or "\\" in url:
        raise BadAddress("that is no web address")
    return url


def origin(url: str) -> str:
    """Give the origin of a web address, the only part of it that is noted anywhere; empty for what is none."""
    try:
        parts = _split(url)
    except BadAddress:
        return ""
    if parts.scheme not in _WEB or not parts.hostname:
        return ""
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    return f"{parts.scheme}://{name}" + (f":{port}" if port and port != _WEB[parts.scheme] else "")


def literal(host: str) -> Address | None:
    """Read a host that is an address; None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError as wrong:
        raise BadAddress("that is no web address") from wrong
    return parts
