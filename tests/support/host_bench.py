"""A host on a bench: real journal, real link, real gRPC; relay, pairing service, phone and agent are made by hand.

The agent is the named seam `Agent`; it records what it was asked and does what the test tells it, step by step.
"""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeVar
from urllib.request import urlopen

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from dispatch import attestation, errors, proof
from dispatch.address import Address
from dispatch.api.host.v1 import host_pb2
from dispatch.api.pairing.v1 import pairing_pb2, pairing_pb2_grpc
from dispatch.api.relay.v1.relay_pb2 import Condition, DeviceKind
from dispatch.channel import server_options
from dispatch.clock import SystemClock
from dispatch.device.home import Home
from dispatch.device.keys import DeviceKey, PlainFiles
from dispatch.device.sign_in import SignIn
from dispatch.device.trust import Trust
from dispatch.ids import PairId
from dispatch.sealed.keys import PairKeys, Role
from dispatch.status import refuse
from dispatch_host import entries
from dispatch_host.agents import (
    AgentEvent,
    Ask,
    Gate,
    Result,
    Task,
    Turn,
    Words,
)
from dispatch_host.agents.registry import Known, Registry
from dispatch_host.app import Told, run
from dispatch_host.control_client import ControlClient
from dispatch_host.direct.listener import Setting
from dispatch_host.journal import Tx, Writer, threads
from dispatch_host.journal.values import Pairing
from dispatch_host.limits import Limits
from dispatch_host.owned import Owned, owning
from dispatch_host.pairing_desk import ATTACHED_SECONDS
from dispatch_host.pairings import keep
from dispatch_host.power.awake import Means
from dispatch_host.power.sleep import Heard, SleepWatch
from dispatch_host.reminding import REMIND_SECONDS
from dispatch_host.schedule.scheduler import LOOK_SECONDS
from dispatch_host.scope import Folder

from tests.support.phone_end import PhoneEnd
from tests.support.relay_end import RelayEnd
from tests.support.waiting import DEADLINE_SECONDS

HOUR_MS = 3_600_000

T = TypeVar("T")


class NoSleepWatch:
    """A system that tells nothing."""

    async def watch(self, heard: Heard) -> None:
        del heard


class PairingEnd(pairing_pb2_grpc.PairingServiceServicer):
    """The pairing service as far as a paired host needs it. Records what it was told."""

    def __init__(self) -> None:
        self.address = ""
        self.relays: list[str] = []
        self.relays_of: dict[bytes, list[str]] = {}  # other relays, by pairing
        self.ended: list[bytes] = []
        self.renewed = 0  # how often a grant was asked for
        self.completed: list[bytes] = []
        self.forgotten: set[bytes] = set()  # pairs that it does not know
        self.tombstones: set[bytes] = set()  # pairs that were ended for good
        self.revoked = False  # this host is
        self.vague = False  # it takes no pairing, and does not say that it ended
        self.away = False
        self.asked = 0  # how often for a grant
        self.lies: list[errors.DispatchError | bytes] = []  # what it says instead of the next grants
        self.ahead_ms = 0  # its clock
        self.minimum_phone_version = ""
        self._key = Ed25519PrivateKey.generate()
        self.public_key = self._key.public_key().public_bytes_raw()
        keys = proof.PinnedKeys(keys=(self.public_key,), sequence=1)
        signed = proof.sign_key_set(self._key.sign, self.public_key, keys)
        signature = pairing_pb2.KeySetSignature(key_id=signed.key_id, signature=signed.signature)
        self.keys = pairing_pb2.KeySet(keys=[self.public_key], sequence=1, signatures=[signature])
        self._host: bytes = b""
        self._server: Any = None

    async def __aenter__(self) -> PairingEnd:
        self._server = grpc.aio.server(options=server_options())
        pairing_pb2_grpc.add_PairingServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)

    def now_ms(self) -> int:
        return SystemClock().wall_ms() + self.ahead_ms

    def signs_as(self, key: Ed25519PrivateKey, keys: pairing_pb2.KeySet) -> None:
        """Be the service that a relay follows: sign with its key."""
        self._key, self.public_key, self.keys = key, key.public_key().public_bytes_raw(), keys

    def rotates(self) -> None:
        """Sign with another key from now on; the key set that says so is signed by the one before as well."""
        old, old_public = self._key, self.public_key
        self._key = Ed25519PrivateKey.generate()
        self.public_key = self._key.public_key().public_bytes_raw()
        keys = proof.PinnedKeys(keys=(self.public_key, old_public), sequence=self.keys.sequence + 1)
        signed = [
            proof.sign_key_set(key.sign, public, keys)
            for key, public in ((self._key, self.public_key), (old, old_public))
        ]
        signatures = [pairing_pb2.KeySetSignature(key_id=one.key_id, signature=one.signature) for one in signed]
        self.keys = pairing_pb2.KeySet(keys=keys.keys, sequence=keys.sequence, signatures=signatures)

    def grant(
        self,
        pair_id: bytes,
        device_key: bytes,
        role: DeviceKind.ValueType,
        *,
        hours: float = 1,
        starts_in_hours: float = -1,
    ) -> bytes:
        """Sign a grant; give it as it stands in Hello."""
        grant = pairing_pb2.Grant(
            account_id=bytes(16),
            device_id=proof.device_id(device_key),
            device_key=device_key,
            pair_id=pair_id,
            role=role,
            not_before_ms=self.now_ms() + round(starts_in_hours * HOUR_MS),
            not_after_ms=self.now_ms() + round(hours * HOUR_MS),
        ).SerializeToString()
        signed = proof.sign_grant(self._key.sign, self.public_key, grant)
        return pairing_pb2.SignedGrant(
            grant=grant, key_id=signed.key_id, signature=signed.signature
        ).SerializeToString()

    async def RenewGrant(
        self, request: pairing_pb2.RenewGrantRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pairing_pb2.RenewGrantResponse:
        await self._may_answer(context)
        self.renewed += 1
        if self.revoked:
            await refuse(context, errors.DeviceRevoked())
        if request.pair_id in self.forgotten:
            await refuse(context, errors.NotPaired(metadata={"pairing": "unknown"}))
        if request.pair_id in self.tombstones:
            await refuse(context, errors.NotPaired(metadata={"pairing": "ended"}))
        self.asked += 1
        grant = self.grant(request.pair_id, self._host, DeviceKind.DEVICE_KIND_HOST)
        lie = self.lies.pop(0) if self.lies else b""
        if isinstance(lie, errors.DispatchError):
            await refuse(context, lie)
        elif lie:
            grant = pairing_pb2.SignedGrant(grant=lie).SerializeToString()
        return pairing_pb2.RenewGrantResponse(
            grant=pairing_pb2.SignedGrant.FromString(grant),
            relays=self.relays_of.get(request.pair_id, self.relays),
            server_time_ms=self.now_ms(),
            keys=self.keys,
            minimum_phone_version=self.minimum_phone_version,
        )

    async def CompletePairing(
        self, request: pairing_pb2.CompletePairingRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pairing_pb2.CompletePairingResponse:
        await self._may_answer(context)
        named = attestation.verify_attestation(
            request.attestation, phone_signature=request.phone_signature, host_signature=request.host_signature
        )
        if named.pair_id in self.tombstones:
            await refuse(context, errors.NotPaired(metadata={"pairing": "ended"}))
        if self.vague:
            await refuse(context, errors.NotPaired())
        self.completed.append(named.pair_id)
        self.forgotten.discard(named.pair_id)
        return pairing_pb2.CompletePairingResponse()

    async def EndPairing(
        self, request: pairing_pb2.EndPairingRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pairing_pb2.EndPairingResponse:
        await self._may_answer(context)
        self.ended.append(request.pair_id)
        return pairing_pb2.EndPairingResponse()

    def knows_host(self, key: bytes) -> None:
        """Sign the host's grants for this key."""
        self._host = key

    async def _may_answer(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        if self.away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")


class DyingWriter:
    """A journal whose process dies behind a chosen commit: that one is on the disk, and nobody ever hears of it.

    `dead` is set then; every later step waits for the end, which `Bench.dies` brings: nothing goes on behind it, also what is
    shielded from the stream that asked for it.
    """

    def __init__(self, journal: Writer, after: int) -> None:
        self.dead = asyncio.Event()
        self.steps = 0
        self._gone = asyncio.Event()
        self._journal = journal
        self._after = after

    async def step(self, work: Callable[[Tx], T]) -> T:
        if self.dead.is_set():
            await self._end()
        self.steps += 1
        last = self.steps == self._after
        if last:
            self.dead.set()
        result = await self._journal.step(work)
        if last:
            await self._end()
        return result

    def goes(self) -> None:
        """Let the process be gone: also what is shielded from its end comes no further."""
        self._gone.set()

    async def _end(self) -> NoReturn:
        await self._gone.wait()
        raise asyncio.CancelledError


class FullDisk:
    """A journal on a disk that the test lets run full, or stall: nothing can be written while `full` is set."""

    def __init__(self, journal: Writer) -> None:
        self.full = False
        self.broken = False  # True: each step is a defect of ours
        self.refused = 0
        self._journal = journal
        self._stalled: asyncio.Event | None = None
        self._going_on = asyncio.Event()
        self._behind: Callable[[Any], bool] | None = None
        self._asked_by = ""

    def stalls(self, *, behind: type | Callable[[Any], bool] | None = None, asked_by: str = "") -> asyncio.Event:
        """Give the next step that is asked for (by a function of this name) no answer until it `goes_on`.

        Gives what is set when that begins. The step is not written before that; or, if it is the next one that answers with
        `behind` (of that type, or for which that holds), it is.
        """
        self._stalled, self._going_on, self._asked_by = asyncio.Event(), asyncio.Event(), asked_by
        self._behind = partial(_is_a, behind) if isinstance(behind, type) else behind
        return self._stalled

    def goes_on(self) -> None:
        """Work again."""
        self._going_on.set()

    async def step(self, work: Callable[[Tx], T]) -> T:
        if self.broken:
            raise RuntimeError("a defect")
        asked_by = work.func if isinstance(work, partial) else work
        meant = getattr(asked_by, "__qualname__", "").startswith(self._asked_by)
        if self._stalled is not None and self._behind is None and meant:
            await self._stall(self._stalled)
        if not self.full:
            result = await self._journal.step(work)
            if self._stalled is not None and self._behind is not None and meant and self._behind(result):
                await self._stall(self._stalled)
            return result

        def on_a_full_disk(tx: Tx) -> T:
            work(tx)
            raise sqlite3.OperationalError("database or disk is full")

        self.refused += 1
        return await self._journal.step(on_a_full_disk)

    async def _stall(self, stalled: asyncio.Event) -> None:
        self._stalled = None
        stalled.set()
        await self._going_on.wait()


def _is_a(kind: type, answer: object) -> bool:
    return isinstance(answer, kind)


class MovedClock:
    """This computer's clock, except that the test can let the time during sleep pass at once."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self.wall_ahead_ms = 0
        self.steady_ahead_ms = 0

    def wall_ms(self) -> int:
        return SystemClock().wall_ms() + self.wall_ahead_ms

    def steady_ms(self) -> int:
        return SystemClock().steady_ms() + self.steady_ahead_ms

    def boot_ms(self) -> int:
        return SystemClock().boot_ms() + self.ahead_ms


Deed = Callable[[Gate, Ask, Words], Awaitable[object]]
"""Something that the agent does with what it was given."""


class ScriptedAgent:
    """Records what it is asked; each task's events come from the test, one by one, or all at once."""

    takes_words = True

    def __init__(self) -> None:
        self.runs: list[Task] = []
        self.folders: list[Sequence[Folder]] = []  # as they were when the task began
        self.histories: list[Sequence[Turn]] = []
        self.heard: list[object] = []  # what came of what it did
        self.closed: list[str] = []
        self._queues: dict[str, asyncio.Queue[AgentEvent | BaseException | Deed]] = {}

    def says(self, text: str, *events: AgentEvent | BaseException | Deed) -> None:
        """Let the agent that works on these words say more, or do something, of which `heard` keeps what came."""
        for event in events:
            self._queue(text).put_nowait(event)

    async def run(
        self, task: Task, *, gate: Gate, history: Sequence[Turn], ask: Ask, words: Words
    ) -> AsyncGenerator[AgentEvent, None]:
        self.runs.append(task)
        self.folders.append(gate.folders)
        self.histories.append(history)
        try:
            if task.text.startswith("quick"):
                yield Result(f"done: {task.text}", {"words": task.text})
                return
            while True:
                event = await self._queue(task.text).get()
                if isinstance(event, BaseException):
                    raise event
                if callable(event):
                    self.heard.append(await event(gate, ask, words))
                else:
                    yield event
        finally:
            self.closed.append(task.text)

    def _queue(self, text: str) -> asyncio.Queue[AgentEvent | BaseException | Deed]:
        return self._queues.setdefault(text, asyncio.Queue())


async def _missing() -> str:
    return "It is not there."


class Bench:
    """A paired host and all that it touches. Use as an async context manager; `run` starts the host."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: Limits | None = None,
        sleep: SleepWatch | None = None,
        awake_means: Sequence[Means] = (),
    ) -> None:
        self.home = Home(folder / "home")
        self.agent = ScriptedAgent()
        self.other_agent = ScriptedAgent()
        self.agents = Registry(
            [
                Known(name="scripted", about="does what the test says", make=lambda: self.agent),
                Known(name="other", about="does the same", make=lambda: self.other_agent),
                Known(name="missing", about="is never there", make=lambda: self.agent, why_not=_missing),
            ],
            chosen="scripted",
        )
        self.clock = MovedClock()
        self.limits = limits or Limits()
        self.sleep: SleepWatch = sleep or NoSleepWatch()
        self.direct: Setting | None = None
        self.zone: tzinfo = UTC
        self.look_seconds = LOOK_SECONDS
        self.remind_seconds = REMIND_SECONDS
        self.attached_seconds = ATTACHED_SECONDS
        self.awake_means = awake_means
        self.relay = RelayEnd()
        self.pairing = PairingEnd()  # type: ignore[abstract]  # a paired host calls three of its methods
        self.told: list[str] = []
        self.metrics = ""  # where the running host shows its numbers
        self.phone: PhoneEnd
        self.pair_id: PairId
        self.host_key: DeviceKey
        self.phone_key = Ed25519PrivateKey.generate()
        self.dies_after = 0  # the commit behind which the next run dies; 0 for never
        self.dying: DyingWriter | None = None
        self.disk: FullDisk
        self._stack = contextlib.AsyncExitStack()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Bench:
        await self._stack.enter_async_context(self.relay)
        await self._stack.enter_async_context(self.pairing)
        self.pairing.relays = [self.relay.address]
        self.home.create()
        store = PlainFiles.of(self.home)
        self.host_key = DeviceKey.load_or_make(store, os.urandom)
        self.pairing.knows_host(self.host_key.public)
        signed_in = SignIn(
            server=self.pairing.address,
            service_name="test.service",
            account="ada",
            account_id=bytes(16).hex(),
            device_name="desk",
        )
        (self.home / "sign-in.json").write_text(json.dumps(asdict(signed_in)))
        Trust(self.home).start(self.pairing.keys)
        self.pair_id = await self.pairs()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None and not self._running.done():
            await self.stops()
        await self._stack.aclose()

    async def pairs(self, *, phone_name: str = "pocket") -> PairId:
        """Make the phone and the host a pair, as a ceremony would leave them; the phone is a fresh one under its key."""
        self.phone = await self.pairs_with(self.phone_key, self.relay, phone_name=phone_name)
        self.pair_id = self.phone.keys.pair_id
        return self.pair_id

    async def pairs_with(self, key: Ed25519PrivateKey, relay: RelayEnd, *, phone_name: str) -> PhoneEnd:
        """Make a pair with a phone of this key, that is behind this relay."""
        pair_id, psk = PairId(os.urandom(16)), os.urandom(32)
        phone_public = key.public_key().public_bytes_raw()
        self.pairing.relays_of[pair_id] = [relay.address]
        own, peer = X25519PrivateKey.generate(), X25519PrivateKey.generate()
        shared = {"pair_id": pair_id, "pair_psk": psk}
        host_keys = PairKeys(
            role=Role.HOST,
            own_x25519=own.private_bytes_raw(),
            peer_x25519=peer.public_key().public_bytes_raw(),
            own_ed25519=self.host_key.public,
            peer_ed25519=phone_public,
            **shared,  # type: ignore[arg-type]  # two fields that both have
        )
        phone_keys = PairKeys(
            role=Role.PHONE,
            own_x25519=peer.private_bytes_raw(),
            peer_x25519=own.public_key().public_bytes_raw(),
            own_ed25519=phone_public,
            peer_ed25519=self.host_key.public,
            **shared,  # type: ignore[arg-type]  # as above
        )
        words = attestation.attestation(
            pair_id=pair_id, service="test.service", host_key=self.host_key.public, phone_key=phone_public
        )
        pairing = Pairing(
            pair_id=pair_id,
            phone_key=phone_public,
            phone_name=phone_name,
            attestation=words,
            phone_signature=key.sign(words),
            host_signature=self.host_key.sign(words),
        )
        with self.owned() as owned:
            await keep(owned.journal, owned.store, host_keys)

            def write(tx: Tx) -> None:
                joined = threads.join(tx, pairing)
                assert joined is not None
                entry = entries.paired(phone_name=phone_name, host_name="desk", again=joined.again)
                owned.scribe.write(tx, pair_id, [entry])

            await owned.journal.step(write)
        grant = self.pairing.grant(pair_id, phone_public, DeviceKind.DEVICE_KIND_PHONE)
        return PhoneEnd(phone_keys, key, relay, grant=grant)

    def owned(self) -> contextlib.AbstractContextManager[Owned]:
        """Own the home, while the host does not run."""
        return owning(self.home, plaintext=False)

    def starts(self) -> None:
        """Start the host, in this process."""
        self._running = asyncio.create_task(self._run())

    async def runs(self) -> None:
        """Start the host and wait until it is attached."""
        self.starts()
        await self.relay.attached()

    async def ready(self) -> Bench:
        """Start the host and let the phone shake hands; the phone has the whole thread then."""
        await self.runs()
        await self.phone.shakes_hands()
        await self.phone.catches_up()
        return self

    async def stops(self, condition: Condition.ValueType = Condition.CONDITION_APP_CLOSED) -> None:
        """Stop the host as `dispatch-host stop` does."""
        assert self._running is not None
        async with ControlClient(self.home) as control:
            await control.stop(condition)
        await self._running
        self._running = None

    async def ended(self) -> None:
        """Wait for the host's own end; raises what it ended with."""
        assert self._running is not None
        running, self._running = self._running, None
        await running

    async def dies(self) -> None:
        """End the host without a word, as a kill would; its journal keeps what was committed."""
        assert self._running is not None
        self._running.cancel()
        if self.dying is not None:
            self.dying.goes()
        await asyncio.gather(self._running, return_exceptions=True)
        self._running = None
        self.dies_after, self.dying = 0, None
        await self.relay.detached()

    @contextlib.asynccontextmanager
    async def control(self) -> AsyncIterator[ControlClient]:
        """Give the front desk of the running host."""
        async with ControlClient(self.home) as control:
            yield control

    async def knows(self, condition: Callable[[host_pb2.GetStatusResponse], object]) -> None:
        """Wait until the host's own status says so."""
        async with self.control() as control, asyncio.timeout(DEADLINE_SECONDS):
            while not condition(await control.status()):  # noqa: ASYNC110 -- only asking tells
                await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Let the host be dead for the body, and start it again behind it."""
        await self.dies()
        yield
        await self.runs()

    async def is_quiet(self) -> None:
        """Wait until the host has dealt with every row that there is."""
        await self.relay.until(
            lambda: any(frame.ack.through_seq == len(self.relay.rows) for frame in self.relay.frames)
        )

    def change(self, statement: str, *values: Any) -> None:
        """Change the journal behind the host's back, while it does not run."""
        with contextlib.closing(sqlite3.connect(self.home / "journal.db")) as connection:
            connection.execute(statement, values)
            connection.commit()

    def copy_journal(self) -> bytes:
        """Take a backup, while the host does not run."""
        with contextlib.closing(sqlite3.connect(self.home / "journal.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return (self.home / "journal.db").read_bytes()

    def restore_journal(self, backup: bytes) -> None:
        """Put a backup back, while the host does not run."""
        for name in ("journal.db-wal", "journal.db-shm"):
            (self.home / name).unlink(missing_ok=True)
        (self.home / "journal.db").write_bytes(backup)

    def clock_ms(self) -> int:
        """Tell the clock that epochs are reckoned by."""
        return SystemClock().boot_ms()

    def metrics_text(self) -> str:
        """Give the whole metrics page."""
        with urlopen(f"http://{self.metrics}/metrics", timeout=DEADLINE_SECONDS) as page:
            text: str = page.read().decode()
        return text

    def rows(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        """Look into the journal."""
        with contextlib.closing(sqlite3.connect(self.home / "journal.db")) as connection:
            return connection.execute(question, values).fetchall()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something that nobody announces."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():  # noqa: ASYNC110 -- nobody announces it
                await asyncio.sleep(0.01)

    async def _run(self) -> None:
        def running(metrics: str) -> None:
            self.metrics = metrics
            self.told.append("running")

        told = Told(
            over=lambda _: self.told.append("over"),
            running=running,
            connected=lambda _: self.told.append("connected"),
            disconnected=lambda _pairing, _reason: self.told.append("disconnected"),
        )
        with self.owned() as owned:
            journal: Any = owned.journal
            if self.dies_after:
                journal = self.dying = DyingWriter(owned.journal, self.dies_after)
            self.disk = journal = FullDisk(journal)
            await run(
                replace(owned, clock=self.clock, journal=journal, zone=lambda: self.zone),
                agents=self.agents,
                sleep=self.sleep,
                awake_means=self.awake_means,
                look_seconds=self.look_seconds,
                remind_seconds=self.remind_seconds,
                attached_seconds=self.attached_seconds,
                limits=self.limits,
                metrics_at=Address.parse("127.0.0.1:0"),
                told=told,
                direct=self.direct,
            )
