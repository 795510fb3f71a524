"""Addresses for services that stop and come back at the same place.

A port that the system chooses is one of those that it also gives to every connection that anybody opens: while its service is
away, it may be taken. Those below that range are nobody's.
"""

from __future__ import annotations

import contextlib
import random
import socket

_PORTS = range(15_000, 32_000)  # Linux gives away those from 32768, macOS and Windows those from 49152
_CHANCE = random.SystemRandom()


def address_to_come_back_to() -> str:
    """Give HOST:PORT on loopback where nothing listens."""
    while True:
        port = _CHANCE.choice(_PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"
