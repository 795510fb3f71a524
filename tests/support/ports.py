"""Addresses for services that stop and come back at the same place.

A port that the system chooses is one of those that it also gives to every connection that anybody opens: while its service is
away, it may be taken. Those below that range are nobody's. Each process of a run of tests has a part of them to itself, also
beside another run on the same computer, and gives each once before it begins anew: nobody else can have what is to come back.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
from collections.abc import Iterator

_FIRST, _PARTS, _PORTS = 15_000, 32, 500
"""Up to 31,000: Linux gives away those from 32,768, macOS and Windows those from 49,152."""


def _ports_of_this_process() -> Iterator[int]:
    chance = random.SystemRandom()
    for part in chance.sample(range(_PARTS), _PARTS):
        first = _FIRST + part * _PORTS
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind(("127.0.0.1", first))
        except OSError:
            mark.close()
            continue
        with mark:  # as long as the process lives: who finds it bound takes another part
            begin = chance.randrange(_PORTS)
            yield from itertools.cycle([*range(first + begin, first + _PORTS), *range(first, first + begin)])
    raise RuntimeError(f"all {_PARTS} parts of the ports are taken by other runs of tests")


_ports = _ports_of_this_process()


def address_to_come_back_to() -> str:
    """Give HOST:PORT on loopback where nothing listens."""
    while True:
        port = next(_ports)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"


def port_to_come_back_to() -> int:
    """Give the port alone."""
    return int(address_to_come_back_to().rpartition(":")[2])
