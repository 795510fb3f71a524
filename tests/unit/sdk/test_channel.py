"""What grpc must be told before it is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

BUSY_PARENT = """
import asyncio, sys
import uvloop
from dispatch.address import Address
from dispatch.channel import dial
from dispatch.runtime.server import Server
from grpc_health.v1 import health_pb2, health_pb2_grpc

async def talk(stub):
    while True:
        await stub.Check(health_pb2.HealthCheckRequest())

async def main():
    server = Server(services=())
    address = await server.start(Address(host="127.0.0.1", port=0))
    await server.serving(True)
    async with dial(str(address)) as channel:
        talking = asyncio.create_task(talk(health_pb2_grpc.HealthStub(channel)))
        codes = []
        for _ in range(150):
            child = await asyncio.create_subprocess_exec("true", stdin=asyncio.subprocess.PIPE)
            codes.append(await child.wait())
        talking.cancel()
    await server.stop(grace_seconds=0)
    sys.exit(f"children died: {codes}" if any(codes) else 0)

uvloop.run(main())
"""


def test_children_of_a_process_that_talks_over_grpc_do_not_die_before_they_start() -> None:
    parent = subprocess.run([sys.executable, "-c", BUSY_PARENT], check=False, capture_output=True, text=True)

    assert parent.returncode == 0, parent.stderr


IMPORT = """
import importlib, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "grpc":
            print(os.environ.get("GRPC_EXPERIMENTS"), os.environ.get("GRPC_ENABLE_FORK_SUPPORT"))

sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
"""
SETTINGS = ("GRPC_EXPERIMENTS", "GRPC_ENABLE_FORK_SUPPORT", "GRPC_VERBOSITY")


@pytest.mark.parametrize(
    "module",
    [
        "dispatch.tls",
        "dispatch.thread.client",
        "dispatch_pairing.listeners",
        "dispatch_relay.trust_feed",
        "dispatch_host.control",
        "mobile_sim.line",
    ],
)
def test_grpc_is_told_before_it_is_imported_whatever_is_imported_first(module: str) -> None:
    """A module that imported grpc before the one that set it switched both off for the whole host, for as long as it ran."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    child = subprocess.run(
        [sys.executable, "-c", IMPORT, module], check=True, capture_output=True, text=True, env=environment
    )

    assert child.stdout == "-event_engine_listener 0\n"
