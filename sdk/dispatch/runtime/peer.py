"""Where a call came from, for counting what one address may ask of a server. Never logged, and no label of a metric."""

from __future__ import annotations

import ipaddress
from urllib.parse import unquote


def where(peer: str) -> str:
    """Give the address of a gRPC peer ("ipv4:192.0.2.7:4711") for counting: no port, and of IPv6 the network."""
    host = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
    return network(host) or peer


def network(host: str) -> str:
    """Give under what the callers from an address are counted: of IPv6 the network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
