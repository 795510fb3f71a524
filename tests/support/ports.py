"""Addresses for services that stop and come back at the same place.

A port that the system chooses is one of those that it also gives to every connection that anybody opens: while its service is
away, it may be taken. Those below that range are nobody's. Each process of a run of tests has a part of them to itself, and
gives each once before it begins anew: no other test can have what is to come back.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
from collections.abc import Iterator

_FIRST, _PARTS, _PORTS = 15_000, 16, 1_000
"""Up to 31,000: Linux gives away those from 32,768, macOS and Windows those from 49,152."""


def _ports_of_this_process() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(_FIRST + worker % _PARTS * _PORTS, _FIRST + (worker % _PARTS + 1) * _PORTS)
    begin = random.SystemRandom().randrange(_PORTS)
    return itertools.cycle([*ports[begin:], *ports[:begin]])


_ports = _ports_of_this_process()


def address_to_come_back_to() -> str:
    """Give HOST:PORT on loopback where nothing listens."""
    while True:
        port = next(_ports)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"
