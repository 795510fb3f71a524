"""Which addresses of the local network this computer has. Asks the operating system how it would reach such a network.

Nothing is sent: connecting a datagram socket only looks up the route. That works without a list of interfaces, which Python does
not give on every platform, and leaves out the networks of containers and virtual machines, where no phone is.
"""

from __future__ import annotations

import contextlib
import socket
from ipaddress import ip_address

MOST = 8
"""Addresses that are told, or dialled, at most."""

_ASKED = ("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.0.1", "192.0.2.1", "fd00::1", "2001:db8::1")
"""One of each private range, and of the documentation ranges for the default route."""
_DISCARD_PORT = 9


def private() -> list[str]:
    """List this computer's private addresses, those of its most likely network first."""
    found: list[str] = []
    for asked in _ASKED:
        family = socket.AF_INET6 if ":" in asked else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect((asked, _DISCARD_PORT))
            own = ip_address(one.getsockname()[0].partition("%")[0])
            usable = own.is_private and not (own.is_loopback or own.is_link_local or own.is_unspecified)
            if usable and str(own) not in found:
                found.append(str(own))
    return found[:MOST]
