"""A real relay in this process, its trust fed by a `TrustService`, and devices that are made by hand."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from dispatch.address import Address
from dispatch.api.relay.v1.relay_pb2 import PushHint
from dispatch.ids import PairId
from dispatch.tls import BY_THE_RULE, Dialler
from dispatch_relay.app import serve
from dispatch_relay.kept import Kept
from dispatch_relay.listeners import Running
from dispatch_relay.options import Options, WebOptions
from dispatch_relay.push import OwedCall, PushOutcome
from dispatch_relay.settings import Settings
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.device_end import DeviceEnd, Identity
from tests.support.ports import address_to_come_back_to
from tests.support.trust_service import TrustService, new_id
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.wires import WebAddress

Health = health_pb2.HealthCheckResponse

QUICK = Settings(
    lease_ms=2_000, idle_ask_ms=4_000, restart_grace_ms=600, valid_for_ms=60_000, drain_ms=300, hello_ms=5_000
)
"""Short waits, so that a test need not be patient; still long enough for a loaded machine. A command may wait longer than any
test does: one that shall be too late says so itself."""


class RecordingPush:
    """A push transport that calls nobody and remembers whom it should have."""

    key = b""
    takes_targets = False

    def __init__(self, outcome: PushOutcome = PushOutcome.SENT) -> None:
        self.calls: list[tuple[PairId, PushHint.ValueType]] = []
        self.outcome = outcome

    async def call(self, pair_id: PairId, owed: OwedCall) -> PushOutcome:
        self.calls.append((pair_id, owed.hint))
        return self.outcome

    def looked(self, pair_id: PairId) -> None: ...

    def changed(self, pair_id: PairId) -> None: ...

    def forget(self, pair_id: PairId) -> None: ...


class Pair:
    """A phone and a host of one pairing."""

    def __init__(self, trust: TrustService) -> None:
        self.pair_id = new_id()
        self.phone = Identity("phone", self.pair_id, trust)
        self.host = Identity("host", self.pair_id, trust)


class Relay:
    """Starts, stops and starts again. Use as an async context manager.

    `options` are those of the command line; with a certificate, `dialler` says how to ask the relay for its health. With
    `carrier` "web" it listens for browsers as well, and its `address` is that one, so that whatever a test attaches comes by there.
    """

    def __init__(
        self,
        data: Path,
        *,
        settings: Settings = QUICK,
        dialler: Dialler = BY_THE_RULE,
        carrier: str = "grpc",
        beside: Relay | None = None,
        kept: Callable[[], Kept] | None = None,
        **options: Any,
    ) -> None:
        """`beside` is one that follows the same pairing service and outlives this one; `kept` makes what both have in common."""
        self._beside = beside
        self._kept = kept
        self.carrier = carrier
        self._dialler = dialler
        self._options = options
        self.data = data
        self.settings = settings
        self.push = RecordingPush()
        self.trust: TrustService = TrustService() if beside is None else beside.trust
        self.grpc_address = ""
        self.web_address = ""
        self.advertise = ""  # where devices reach it, when that is not where it listens
        self._metrics = ""
        self._stopped = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._ends: list[DeviceEnd] = []

    async def __aenter__(self) -> Relay:
        if self._beside is None:
            await self.trust.__aenter__()
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(end.drop() for end in self._ends))
        await self.stop()
        if self._beside is None:
            await self.trust.__aexit__(kind, error, trace)

    @property
    def address(self) -> str:
        """Where devices reach it."""
        return WebAddress(self.web_address) if self.carrier == "web" else self.grpc_address

    async def start(self, *, until_serving: bool = True, **changed: Any) -> None:
        """Start, at the address of the last time, and wait until it lets people in."""
        self.settings = replace(self.settings, **changed)
        listening: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        said: dict[str, Any] = {
            "listen": Address.parse(self.grpc_address or address_to_come_back_to()),
            "data": self.data,
            "pairing": Address.parse(self.trust.address),
            "advertise": Address.parse(self.advertise) if self.advertise else None,
            "metrics": Address.parse("127.0.0.1:0"),
            **({"web": self._web()} | self._options),
        }
        options = Options(**said)
        self._stopped = asyncio.Event()
        self._serving = asyncio.create_task(
            serve(
                options,
                self.settings,
                ready=listening.set_result,
                stopped=self._stopped,
                kept=None if self._kept is None else self._kept(),
                push=None if "push" in self._options else self.push,  # else it makes its own
            )
        )
        waited: list[asyncio.Future[Any]] = [self._serving, listening]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            await self._serving
        running = listening.result()
        self.grpc_address, self._metrics = str(running.address), str(running.metrics)
        self.web_address = "" if running.web is None else str(running.web)
        if until_serving:
            await self.serving()

    def _web(self) -> WebOptions | None:
        if self.carrier != "web":
            return None
        return WebOptions(listen=Address.parse(self.web_address or address_to_come_back_to()))

    async def serving(self, serving: bool = True) -> None:
        """Wait until the health protocol says so."""
        wanted = Health.SERVING if serving else Health.NOT_SERVING
        async with self._dialler.dial(self.grpc_address) as channel, asyncio.timeout(DEADLINE_SECONDS):
            stub: Any = health_pb2_grpc.HealthStub(channel)  # the stubs know only Check, and only the blocking form
            async for health in stub.Watch(health_pb2.HealthCheckRequest()):
                if health.status == wanted:
                    return

    async def stop(self) -> None:
        """Stop as SIGTERM does."""
        self._stopped.set()
        if self._serving is not None:
            await self._serving
            self._serving = None

    async def start_again(self, **changed: Any) -> None:
        """Stop as SIGTERM does, and start with other settings."""
        await self.stop()
        await self.start(**changed)

    def pair(self) -> Pair:
        """Make a pairing that this relay has never heard of."""
        return Pair(self.trust)

    async def attach(self, device: Identity, **options: object) -> DeviceEnd:
        """Attach a device; its stream is dropped when the test ends. Comes back while trust is not there yet."""
        through = options.pop("through", self.address)
        address = through if isinstance(through, str) else str(through)
        end = await DeviceEnd.attach(device, address, dialled=self.address, **options)  # type: ignore[arg-type]
        self._ends.append(end)
        return end

    async def metric(self, name: str, **labels: str) -> float:
        """Read a metric as Prometheus would."""
        text = await asyncio.to_thread(self.metrics_text)
        inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        wanted = f"{name}{{{inside}}}" if labels else name
        values = [line.rpartition(" ")[2] for line in text.splitlines() if line.rpartition(" ")[0] == wanted]
        assert len(values) == 1, f"{wanted} is there {len(values)} times"
        return float(values[0])

    async def metric_above(self, name: str, value: float, **labels: str) -> None:
        """Wait until a metric is above a value."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await self.metric(name, **labels) <= value:  # noqa: ASYNC110 -- a page is read, it announces nothing
                await asyncio.sleep(0.05)

    def metrics_text(self) -> str:
        """Give the whole metrics page."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=DEADLINE_SECONDS) as answer:
            text: str = answer.read().decode()
        return text


@contextlib.contextmanager
def locked(relay: Relay) -> Iterator[None]:
    """Hold the store's write lock, as a stuck backup would."""
    other = sqlite3.connect(relay.data / "relay.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()
