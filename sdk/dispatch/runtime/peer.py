"""Where a call came from, for counting what one address may ask of a server. Never logged, and no label of a metric.

Behind a load balancer every connection comes from there. `Proxies` says whose word on where a caller comes from is believed
(docs/scale.md "Behind a load balancer"); nobody else's is, or whoever is to be slowed down would name another address each time.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

FORWARDED = "x-forwarded-for"

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxies:
    """Networks in which every computer is a proxy of the operator's."""

    networks: tuple[_Network, ...] = ()

    @classmethod
    def parse(cls, words: Iterable[str]) -> Proxies:
        """Read what stands behind `--proxy`. Raises ValueError for what is no network, and for all of the internet."""
        return cls(tuple(_read_network(word) for word in words))

    def of_grpc(self, peer: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
        """Give under what a gRPC call is counted, by its peer ("ipv4:192.0.2.7:4711") and what was sent along."""
        if not self.networks:
            return where(peer)
        said = [value for name, value in metadata or () if name == FORWARDED and isinstance(value, str)]
        return network(self.caller(_host(peer), said)) or peer

    def of_web(self, host: str, forwarded: Sequence[str]) -> str:
        """Give under what a browser is counted, by the address of its connection and its headers of that name, in order."""
        return network(self.caller(host, forwarded))

    def caller(self, host: str, forwarded: Sequence[str]) -> str:
        """Give the address of a caller: what a proxy said last, or the connection's own where nobody is believed.

        Only the last value is the proxy's own word; those before it are what it was sent. One that is no address counts as none.
        """
        own = _read(host)
        if own is None or not forwarded or not any(own in one for one in self.networks):
            return host
        said = _read(forwarded[-1].rpartition(",")[2].strip())
        return host if said is None else str(said)


def where(peer: str) -> str:
    """Give the address of a gRPC peer ("ipv4:192.0.2.7:4711") for counting: no port, and of IPv6 the network."""
    return network(_host(peer)) or peer


def network(host: str) -> str:
    """Give under what the callers from an address are counted: of IPv6 the network."""
    address = _read(host)
    if address is None:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _host(peer: str) -> str:
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")


def _read(text: str) -> _Address | None:
    """Read an address. One of IPv4 that a socket for both kinds calls ::ffff:192.0.2.7 is one of IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return address
    # The name of an interface may be of any length, and means something on one computer only.
    return address.ipv4_mapped or ipaddress.IPv6Address(int(address))


def _read_network(word: str) -> _Network:
    try:
        read = ipaddress.ip_network(word.strip())
    except ValueError:
        raise ValueError(f"--proxy {word}: not a network like 10.1.2.0/24, or an address") from None
    if read.prefixlen == 0:
        raise ValueError(f"--proxy {word}: that is everybody, and whoever likes could say to come from anywhere")
    return read
