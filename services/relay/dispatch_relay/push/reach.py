"""Which addresses a push service may have: an endpoint is whatever somebody wrote. Pure. docs/push.md "Registering"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Of IPv6 those in which an address of IPv4 is written: whoever dials one reaches the other. The rest is nobody's, whatever
# this version of Python takes for global.
_SPECIAL: Sequence[Network] = [
    ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.88.99.0/24"),
        *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2002::/16", "3fff::/20", "5f00::/16"),
    )
]


@dataclass(frozen=True, slots=True)
class Reach:
    """The internet, and the networks that the operator named."""

    networks: Sequence[Network] = ()

    @classmethod
    def of(cls, networks: Sequence[str]) -> Reach:
        """Read networks, `192.168.1.0/24`. Raises ValueError."""
        return cls([ip_network(one) for one in networks])

    def allows(self, host: str) -> bool:
        """Tell whether this very address, `93.184.216.34`, may be dialled. What is no address may not."""
        try:
            address: Address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self.networks):
            return True
        if any(address in network for network in _SPECIAL):
            return False
        if isinstance(address, IPv6Address) and address.is_site_local:
            return False
        return address.is_global and not address.is_multicast and not address.is_reserved
