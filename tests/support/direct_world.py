"""A real host, a real relay and a real phone in this process, with a proxy on each path of the phone: what tests of paths need.

The pairing service is made by hand (it signs, and takes reports); the agent is the bench's scripted one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from dispatch.address import Address
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.clock import SystemClock
from dispatch.device.home import Home
from dispatch.device.keys import PlainFiles
from dispatch_host.direct.listener import Setting
from mobile_sim.desk import Desk, opened_desk
from mobile_sim.direct import Way
from mobile_sim.line import Line
from mobile_sim.patience import USUAL, Patience
from mobile_sim.phone import secret_name
from mobile_sim.store import Pairing, PairingState, Right

from tests.support.host_bench import Bench
from tests.support.power_end import Sleeper
from tests.support.proxy import Proxy
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import FAR_MS, Event, SeededPhone, send_request
from tests.support.waiting import until

PATIENT = replace(QUICK, lease_ms=5_000, valid_for_ms=10_000)


class PhonesClock:
    """This computer's clock, except that the test can let time pass for the phone."""

    def __init__(self) -> None:
        self.passed_ms = 0

    def wall_ms(self) -> int:
        return SystemClock().wall_ms()

    def steady_ms(self) -> int:
        return SystemClock().steady_ms() + self.passed_ms

    def boot_ms(self) -> int:
        return SystemClock().boot_ms()


class DirectWorld:
    """Use as an async context manager; `phone` opens the phone."""

    def __init__(self, folder: Path, *, direct: bool = True) -> None:
        self.folder = folder
        self.sleeper = Sleeper()
        self.bench = Bench(folder / "host", sleep=self.sleeper)
        self.relay = Relay(folder / "relay", settings=PATIENT)
        self.by_relay = Proxy("127.0.0.1:1")
        self.lan = Proxy("127.0.0.1:1")
        self.home = folder / "phone"
        self.clock = PhonesClock()
        self._direct = direct
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> DirectWorld:
        await self._stack.enter_async_context(self.by_relay)
        await self._stack.enter_async_context(self.lan)
        self.relay.advertise = self.by_relay.address
        await self._stack.enter_async_context(self.relay)
        self.by_relay.target = Address.parse(self.relay.address)
        self.bench.pairing.signs_as(self.relay.trust.signers[0], self.relay.trust.keys)
        await self._stack.enter_async_context(self.bench)
        self.bench.pairing.relays_of[self.bench.pair_id] = [self.relay.address]
        self._make_phone()
        await self.host_runs()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def host_runs(self) -> None:
        """Start the host, and wait until it is at the relay."""
        if self._direct:
            anywhere = Address(host="127.0.0.1", port=0)
            self.bench.direct = Setting(at=(anywhere,), told=(self.lan.address,), listening=self._aim)
        self.bench.told.clear()
        self.bench.starts()
        await self.bench.until(lambda: "connected" in self.bench.told)

    async def host_is_gone(self) -> None:
        """End the host as a kill would."""
        assert self.bench._running is not None
        self.bench._running.cancel()
        await asyncio.gather(self.bench._running, return_exceptions=True)

    async def host_dies(self) -> None:
        """End the host as a kill would, and start it again."""
        await self.host_is_gone()
        await self.host_runs()

    def _aim(self, listening: Sequence[Address]) -> None:
        """Let the proxy lead to where the host listens."""
        self.lan.target = listening[0]

    def _make_phone(self) -> None:
        phone = SeededPhone.make(self.home)
        secrets, keys = PlainFiles.of(Home(self.home)), self.bench.phone.keys
        secrets.put("device", self.bench.phone_key.private_bytes_raw())
        secrets.put(secret_name(keys.pair_id), keys.to_bytes())
        phone.in_store(
            Pairing(
                pair_id=keys.pair_id,
                host_name="desk",
                host_key=keys.peer_ed25519,
                own_key=keys.own_ed25519,
                state=PairingState.ACTIVE,
                made_at_ms=SystemClock().wall_ms(),
            ),
            Right(grant=self.grant(), relays=[self.by_relay.address], renew_at_ms=FAR_MS),
        )

    def grant(self) -> bytes:
        """Sign the phone a grant."""
        keys = self.bench.phone.keys
        return self.bench.pairing.grant(keys.pair_id, keys.own_ed25519, DeviceKind.DEVICE_KIND_PHONE, hours=20)

    @contextlib.asynccontextmanager
    async def phone(self, way: Way = Way.AUTO, patience: Patience = USUAL) -> AsyncIterator[PhoneInHand]:
        """Run the phone for the body."""
        home = Home(self.home)
        with home.owned():
            async with opened_desk(
                home, clock=self.clock, rng=os.urandom, plaintext=False, way=way, patience=patience
            ) as desk:
                yield PhoneInHand(desk)


class PhoneInHand:
    """A phone that is on."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        phone = desk._phone
        self.line: Line = phone.line(phone.hosts()[0])
        self._sending: list[asyncio.Task[int]] = []

    async def is_on(self, path: str) -> None:
        """Wait until it uses this path."""
        await until(lambda: self.line.path == path and (path != "relay" or self.line.ready))

    async def send(self, text: str, **options: Any) -> tuple[int, list[Event]]:
        """Send a task and watch it to its end."""
        events: list[Event] = []
        return await self.watch(text, events, **options), events

    def watch(self, text: str, events: list[Event], **options: Any) -> asyncio.Task[int]:
        """Send a task; what happens is added to the events."""
        request = send_request(text, **options)
        return asyncio.create_task(self.desk.do(request, say=events.append, hear=_nobody))

    async def thread(self) -> list[str]:
        """Give the names of what stands in the thread."""
        lines: list[Event] = []
        assert await self.desk.do({"do": "thread", "host": None}, say=lines.append, hear=_nobody) == 0
        return [line["event"] for line in lines]

    def has_right(self, grant: bytes) -> None:
        """Give it another right to attach."""
        store, pair_id = self.desk._phone.store, self.line.pair_id
        kept = store.pairings.right(pair_id)
        assert kept is not None
        with store.transaction():
            store.pairings.set_right(pair_id, replace(kept, grant=grant))

    async def doctor(self) -> dict[str, str]:
        """Have the doctor look; gives the state of each link."""
        lines: list[Event] = []
        await self.desk.do({"do": "doctor", "host": None}, say=lines.append, hear=_nobody)
        return {line["link"]: line["state"] for line in lines if line["event"] == "link"}

    async def status(self) -> Event:
        """Ask how the computer is."""
        lines: list[Event] = []
        assert await self.desk.do({"do": "status"}, say=lines.append, hear=_nobody) == 0
        return dict(lines[0]["hosts"][0])


async def _nobody() -> bool:
    raise AssertionError("nobody was to be asked")
