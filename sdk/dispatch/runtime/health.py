"""Ask a server of ours whether it serves: `python -m dispatch.runtime.health 127.0.0.1:7301`. Called by health checks.

Exit code 0 says yes. Says why not on standard error.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dispatch.channel import dial

TIMEOUT_SECONDS = 4.0


async def why_not(address: str) -> str:
    """Ask; gives why the server does not serve, nothing if it does."""
    async with dial(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types know no methods
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as failure:
            return f"{failure.code().name}: {failure.details()}"
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return ""
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def main(words: Sequence[str]) -> str | None:
    """Ask the one address given; gives what `sys.exit` takes."""
    if len(words) != 1:
        return "usage: python -m dispatch.runtime.health HOST:PORT"
    return asyncio.run(why_not(words[0])) or None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
