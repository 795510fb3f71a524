"""Which networks this computer is in: its own addresses, and those of its neighbours. Read anew each time: they come and go.

A computer with a public address is as much of a private place as one behind a router: what listens on it, or beside it, did not
choose to be reached from inside. docs/browser.md, where it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from dispatch_host.browser.reach import Network


def networks() -> Sequence[Network]:
    """Give the network of each address of each interface. Raises OSError."""
    import ifaddr  # noqa: PLC0415 -- of the extra `browser`, and read by nobody else

    return [
        ip_network(
            (own.ip if isinstance(own.ip, str) else own.ip[0].partition("%")[0], own.network_prefix), strict=False
        )
        for interface in ifaddr.get_adapters()
        for own in interface.ips
    ]
