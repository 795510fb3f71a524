"""Ask a server of ours whether it serves: `python -m dispatch.runtime.health 127.0.0.1:7301`. Called by health checks.

`--ca FILE` for a server that speaks TLS (its own certificate will do), `--name NAME` when that is for another name than the
address asked. Exit code 0 says yes. Says why not on standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dispatch.status import from_rpc
from dispatch.tls import BY_THE_RULE, Dialler, read_authorities

TIMEOUT_SECONDS = 4.0


async def why_not(address: str, dialler: Dialler = BY_THE_RULE) -> str:
    """Ask; gives why the server does not serve, nothing if it does."""
    async with dialler.dial(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types know no methods
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as failure:
            return str(await dialler.explain(address, from_rpc(failure)))
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return ""
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def main(words: Sequence[str]) -> str | None:
    """Ask the address given; gives what `sys.exit` takes."""
    parser = argparse.ArgumentParser(prog="python -m dispatch.runtime.health", description=__doc__)
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("--ca", type=Path, metavar="FILE")
    parser.add_argument("--name", default="")
    given = parser.parse_args(words)
    try:
        ca = "" if given.ca is None else read_authorities(given.ca)
        return asyncio.run(why_not(given.address, Dialler(ca=ca, name=given.name))) or None
    except ValueError as mistake:
        return str(mistake)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
