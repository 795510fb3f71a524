"""Trial `start-up`: how long a person waits for `dispatch-phone send` to say its first byte, and for a service until it serves.

Where the phone's relay would be, a listener takes the connection. Each phone has a home of its own, as pairing left it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dispatch.channel import dial
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.subjects.subject import Lost
from bench.trials.trial import Reading, Trial, TrialPlan, readings
from tests.support.processes import BIN, ENVIRONMENT, Process
from tests.support.seeded_phone import SeededPhone
from tests.support.trust_service import TrustService
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import ACCOUNT, World

NAME = "start-up"
LAST_WORDS_BYTES = 500
MEASURED = frozenset({"serve", "run"})
"""Commands whose start is measured; what signs in and pairs before them may begin as tests have it."""


@contextlib.asynccontextmanager
async def _listener() -> AsyncIterator[tuple[str, asyncio.Queue[float]]]:
    """Take connections; gives the address, and when the first byte of each came."""
    came: asyncio.Queue[float] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            came.put_nowait(time.perf_counter())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"{host}:{port}", came


async def _first_byte(home: Path, came: asyncio.Queue[float]) -> float:
    """Send a task; gives how many ms after the start of the program its first byte came. Raises Lost with its last words."""
    begun = time.perf_counter()
    phone = await asyncio.create_subprocess_exec(
        str(BIN / "dispatch-phone"), "send", "summarise report.csv", "--home", str(home),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            first = await came.get()
    except TimeoutError:
        phone.kill()
        _, said = await phone.communicate()
        raise Lost(f"dispatch-phone said nothing: {said[-LAST_WORDS_BYTES:].decode(errors='replace')}") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            phone.kill()
        await phone.communicate()
    return (first - begun) * 1e3


async def phones(folder: Path, times: int) -> list[float]:
    """Send from phones one after the other. Gives ms."""
    took = []
    async with _listener() as (address, came):
        seeded = SeededPhone.make(folder / "seeded")
        seeded.pair(TrustService(), [address])
        for number in range(times):
            home = folder / f"phone{number}"
            shutil.copytree(seeded.path, home)
            took.append(await _first_byte(home, came))
            while not came.empty():  # a phone that dialled again
                came.get_nowait()
    return took


class Executed(World):
    """A world whose services and hosts start as a person starts them: tests fork theirs from a process that has imported all."""

    async def start(self, *words: str, env: Mapping[str, str] | None = None) -> Process:
        process = await Process.start(*words, env=env, executed=words[1] in MEASURED)
        self.processes.append(process)
        return process


async def _serves(address: str) -> None:
    """Wait until a service says that it serves."""
    async with dial(address, alone=True) as channel, asyncio.timeout(DEADLINE_SECONDS):
        stub: Any = health_pb2_grpc.HealthStub(channel)  # the stubs know only Check, and only the blocking form
        async for health in stub.Watch(health_pb2.HealthCheckRequest()):
            if health.status == health_pb2.HealthCheckResponse.SERVING:
                return
    raise Lost(f"{address} does not serve")


async def _served(times: int, start: Callable[[], Awaitable[tuple[Process, str]]]) -> list[float]:
    """Start a service again and again, and leave the last one running. Gives ms until it served."""
    took = []
    for number in range(times):
        begun = time.perf_counter()
        process, address = await start()
        await _serves(address)
        took.append((time.perf_counter() - begun) * 1e3)
        if number < times - 1:
            await process.stop()
    return took


async def _connected(world: World, times: int) -> list[float]:
    """Start a paired host again and again; the first start, behind its pairing, is not counted. Gives ms until it was connected."""
    took = []
    host = await world.devices()
    for _ in range(times):
        await host.stop()
        begun = time.perf_counter()
        host = await world.run_host("desk")
        took.append((time.perf_counter() - begun) * 1e3)
    return took


async def run(plan: TrialPlan, folder: Path) -> Sequence[Reading]:
    """Start phones, services, and a host that is paired."""
    first_bytes = await phones(folder, plan.starts)
    async with Executed(folder) as world:

        async def pairing_service() -> tuple[Process, str]:
            await world.start_pairing()
            return world.pairing, world.server

        async def relay_service() -> tuple[Process, str]:
            await world.start_relay()
            return world.relay, world.relay_address

        pairing = await _served(plan.starts, pairing_service)
        relay = await _served(plan.starts, relay_service)
        await world.add_account(ACCOUNT)
        host = await _connected(world, plan.starts)
    ms = {
        "phone_first_byte_ms": first_bytes,
        "pairing_serves_ms": pairing,
        "relay_serves_ms": relay,
        "host_connected_ms": host,
    }
    return readings(NAME, of=plan.starts, **{name: statistics.median(took) for name, took in ms.items()})


TRIAL = Trial(
    name=NAME,
    about="a program's start until the phone's first byte, until a service serves, until a host is connected: medians",
    figures=("phone_first_byte_ms", "pairing_serves_ms", "relay_serves_ms", "host_connected_ms"),
    run=run,
)
