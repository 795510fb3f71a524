"""Passes bytes between its standard streams and a socket, until either ends. Started by an external agent, in its sandbox.

Runs alone, from its text: standard library only, nothing of the host. It knows no protocol and no secret.
"""

import os
import socket
import sys
import threading

_CHUNK_BYTES = 64 * 1024


def main(path: str) -> None:
    """Be the server that the agent started."""
    with socket.socket(socket.AF_UNIX) as host:
        host.connect(path)
        threading.Thread(target=_from_agent, args=(host,), daemon=True).start()
        while data := host.recv(_CHUNK_BYTES):
            while data:
                data = data[os.write(1, data) :]


def _from_agent(host: socket.socket) -> None:
    while data := os.read(0, _CHUNK_BYTES):
        host.sendall(data)
    host.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv[1])
