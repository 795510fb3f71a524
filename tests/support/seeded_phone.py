"""A phone's home as a sign-in and a pairing leave it, made without either, so that a test begins with a paired phone.

Real programs run on it: the right to attach is in its store already.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch.clock import Clock, SystemClock
from dispatch.device.home import Home
from dispatch.device.keys import PlainFiles
from dispatch.ids import PairId
from mobile_sim.desk import Desk, opened_desk
from mobile_sim.patience import USUAL, Patience
from mobile_sim.phone import secret_name
from mobile_sim.store import Pairing, PairingState, Right, Store

from tests.support.device_end import Identity
from tests.support.host_mind import HostMind
from tests.support.pairs import Pair, make_pair
from tests.support.trust_service import TrustService
from tests.support.waiting import DEADLINE_SECONDS

Event = dict[str, Any]
FAR_MS = 2**45
MOST_BYTES = 4 * 1024**3

UNHURRIED = Patience(
    command_seconds=DEADLINE_SECONDS,
    connect_seconds=DEADLINE_SECONDS,
    shake_seconds=DEADLINE_SECONDS,
    status_seconds=DEADLINE_SECONDS,
    presence_seconds=DEADLINE_SECONDS,
    session_seconds=DEADLINE_SECONDS,
    probe_seconds=DEADLINE_SECONDS,
)
"""For tests of what is there in the end: a loaded machine is no reason not to see it."""
HASTY = Patience(
    connect_seconds=0.2, shake_seconds=0.2, sync_seconds=0.2, status_seconds=0.2, direct_seconds=0.2, probe_seconds=0.2
)
"""For tests of what is not there."""


def identity(role: str, key: Ed25519PrivateKey, pair_id: bytes, trust: TrustService) -> Identity:
    """Make a device of a key that is known already."""
    device = Identity(role, pair_id, trust)
    device.key = key
    device.public_key = key.public_key().public_bytes_raw()
    from dispatch.proof import device_id

    device.device_id = device_id(device.public_key)
    return device


@dataclass
class SeededPhone:
    """A phone's home, and the other side of its pairings."""

    path: Path
    pairs: dict[str, Pair] = field(default_factory=dict)
    patience: Patience = USUAL
    clock: Clock = field(default_factory=SystemClock)

    @classmethod
    def make(cls, path: Path, *, server: str = "127.0.0.1:9") -> SeededPhone:
        """Sign in, as far as files show it. No service stands behind the address."""
        home = Home(path)
        home.create()
        sign_in = {
            "server": server,
            "service_name": "dispatch.test",
            "account": "ada",
            "account_id": "00" * 16,
            "device_name": "pocket",
        }
        (path / "sign-in.json").write_text(json.dumps(sign_in))
        PlainFiles.of(home).put("session", b"a session that nobody asks for")
        PlainFiles.of(home).put("device", os.urandom(32))
        return cls(path)

    def pair(self, trust: TrustService, relays: Sequence[str], *, host: str = "desk") -> tuple[HostMind, Identity]:
        """Pair with a host; gives the host's side. The phone's key is that of its first pairing."""
        first = next(iter(self.pairs.values()), None)
        pair = make_pair(f"{host} {os.urandom(8).hex()}")
        if first is not None:
            pair = _with_phone(pair, first)
        self.pairs[host] = pair
        secrets = PlainFiles.of(Home(self.path))
        secrets.put("device", pair.phone_signing.private_bytes_raw())
        secrets.put(secret_name(pair.phone.pair_id), pair.phone.to_bytes())
        phone = identity("phone", pair.phone_signing, pair.phone.pair_id, trust)
        self.in_store(
            Pairing(
                pair_id=pair.phone.pair_id,
                host_name=host,
                host_key=pair.phone.peer_ed25519,
                own_key=pair.phone.own_ed25519,
                state=PairingState.ACTIVE,
                made_at_ms=SystemClock().wall_ms(),
            ),
            Right(grant=phone.grant(), relays=relays, renew_at_ms=FAR_MS),
        )
        host_side = identity("host", pair.host_signing, pair.phone.pair_id, trust)
        return HostMind(pair.host, pair.host_signing), host_side

    def in_store(self, pairing: Pairing, right: Right) -> None:
        """Write a pairing into the store."""
        with self.store() as store, store.transaction():
            store.pairings.add(pairing)
            store.pairings.set_state(pairing.pair_id, pairing.state)
            store.pairings.set_right(pairing.pair_id, right)

    def pair_id(self, host: str = "desk") -> PairId:
        """Give the id of a pairing."""
        return self.pairs[host].phone.pair_id

    @contextlib.contextmanager
    def store(self) -> Any:
        """Open the store, as nobody else has it open."""
        store = Store.open(self.path / "phone.db")
        try:
            yield store
        finally:
            store.close()

    @contextlib.asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """Run the phone in this process."""
        home = Home(self.path)
        with home.owned():
            async with opened_desk(
                home, clock=self.clock, rng=os.urandom, plaintext=False, patience=self.patience
            ) as desk:
                yield desk

    async def send(self, text: str, **options: Any) -> tuple[int, list[Event]]:
        """Send a task in this process."""
        events: list[Event] = []
        async with self.desk() as desk:
            request = send_request(text, **options)
            code = await desk.do(request, say=events.append, hear=_nobody)
        return code, events

    async def thread(self) -> list[Event]:
        """Read the thread in this process."""
        return await self.says("thread", host=None)

    async def says(self, what: str, **options: Any) -> list[Event]:
        """Do something that succeeds, in this process; gives what was said."""
        lines: list[Event] = []
        async with self.desk() as desk:
            assert await desk.do({"do": what, **options}, say=lines.append, hear=_nobody) == 0
        return lines


def send_request(text: str, **options: Any) -> Event:
    """Write what `dispatch-phone send` asks of the phone."""
    return {
        "do": "send",
        "text": text,
        "host": None,
        "wait": None,
        "id": str(uuid4()),
        "most_bytes": MOST_BYTES,
        **options,
    }


async def _nobody() -> bool:
    raise AssertionError("nobody was to be asked")


def _with_phone(pair: Pair, first: Pair) -> Pair:
    """Give the pair the signing key of the phone's first one: a phone has one."""
    from dataclasses import replace

    public = first.phone_signing.public_key().public_bytes_raw()
    return replace(
        pair,
        phone=replace(pair.phone, own_ed25519=public),
        host=replace(pair.host, peer_ed25519=public),
        phone_signing=first.phone_signing,
    )
