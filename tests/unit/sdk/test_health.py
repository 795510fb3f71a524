"""What a container's health check asks: does the server serve, and if not, why not."""

from __future__ import annotations

import asyncio
import sys

from dispatch.address import Address
from dispatch.runtime.server import Server


async def asked(address: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dispatch.runtime.health", address, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_a_server_that_serves_is_healthy_and_one_that_does_not_says_so() -> None:
    server = Server(services=())
    address = str(await server.start(Address(host="127.0.0.1", port=0)))
    try:
        await server.serving(True)
        assert await asked(address) == (0, "")

        await server.serving(False)
        assert await asked(address) == (1, "NOT_SERVING\n")
    finally:
        await server.stop(grace_seconds=0)


async def test_nobody_there_is_not_healthy() -> None:
    server = Server(services=())
    address = str(await server.start(Address(host="127.0.0.1", port=0)))
    await server.stop(grace_seconds=0)

    code, said = await asked(address)

    assert code == 1
    assert said.startswith("UNAVAILABLE")
