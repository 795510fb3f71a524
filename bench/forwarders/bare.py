"""What the relay is held against: gRPC with its options, and nothing else. Started by `bench.subjects.bare`.

Each message goes to the peer's stream as it came. The first one names end and pair, and is answered with an empty one.
"""

from __future__ import annotations

import sys
from typing import Any

import uvloop
from dispatch.channel import server_options

import grpc  # isort: skip -- behind dispatch, which sets what grpc reads when it is imported

SERVICE = "dispatch.bench.Bare"
METHOD = "Attach"

Context = grpc.aio.ServicerContext[bytes, bytes]


class Forwarder:
    """All streams."""

    def __init__(self) -> None:
        self._streams: dict[bytes, Context] = {}

    async def attach(self, _requests: object, context: Context) -> None:
        """Serve one stream. A stream is written to by its peer's reader alone, once it was answered."""
        name: object = await context.read()
        if not isinstance(name, bytes):
            return
        peer = (b"h" if name[:1] == b"p" else b"p") + name[1:]
        await context.write(b"")
        self._streams[name] = context
        try:
            while isinstance(message := await context.read(), bytes):
                if (stream := self._streams.get(peer)) is not None:
                    await stream.write(message)
        finally:
            if self._streams.get(name) is context:
                del self._streams[name]


async def main(port: int) -> None:
    """Serve on loopback until the process is ended."""
    server = grpc.aio.server(options=server_options())
    attach: Any = Forwarder().attach  # the stubs know only the blocking form of a handler
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(attach)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
