"""Takes an address for a server of HTTP, before anything is served there. Called by the listeners for browsers."""

from __future__ import annotations

import socket

from dispatch.address import Address


def bind(listen: Address) -> tuple[socket.socket, Address]:
    """Give a socket that has the address, and the address really bound (port 0 takes a free one). Raises OSError."""
    family, kind, number, _, where = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, number)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
    except OSError as failure:
        bound.close()
        raise OSError(f"can't listen on {listen}: {failure.strerror}") from failure
    return bound, Address(host=listen.host, port=bound.getsockname()[1])
