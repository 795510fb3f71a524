"""A whole Dispatch that can be broken on purpose: real processes, each part on a disk of its own, behind scripted networks.

It knows how to start, kill and freeze a part; its disk and its clock are `disks` and `clocks`. Which of it happens when, and
what must come of it, is said elsewhere (`faults`, `trial`). Called by `trial` and `soak`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType

from dispatch.api.thread.v1.thread_pb2 import Event as ThreadEvent
from dispatch.device.telling import event_told

from tests.faults.cells import Known
from tests.faults.clocks import Clocks
from tests.faults.disks import Disks, let_write
from tests.faults.network import Network, Part, dialled_by
from tests.faults.pulse import Pulse
from tests.support.ports import address_to_come_back_to
from tests.support.processes import Event, Process, run
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import World

_BUILD_TRIES = 4

_BROKEN = re.compile(rb"""Traceback(?s:.{,4000})|(?m:^(?=.*"a library warns")(?=.*"where").*$)""")
"""As `dispatch.runtime.logs` writes the second."""

# Python runs this before anything else; only a worker of the assistant does something in it. It notes that its task is run,
# which is how the laboratory counts runs, and waits for as long as tasks are held.
_CUSTOMS = """\
import os, re, sys, time
if "dispatch_host.agents.builtin.worker" in sys.orig_argv:
    _parent = os.getppid()
    _words = re.search(rb'"(?:Search for|Send me) (cell[0-9a-f]{{12}})', sys.stdin.buffer.peek(65536))
    if _words:
        _runs = os.open({runs!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(_runs, _words[1] + b"\\n")
        os.close(_runs)
    while os.path.exists({hold!r}) and os.getppid() == _parent:
        time.sleep(0.02)
"""


def broken(said: bytes) -> str:
    """Give what is on a standard error of an exception that nobody took; empty if there is none."""
    found = _BROKEN.search(said)
    return found[0].decode(errors="replace") if found else ""


class Laboratory(World):
    """Use as World. `lease_ms` is the short lease that everything is measured in."""

    def __init__(self, folder: Path, *, lease_ms: int) -> None:
        super().__init__(
            folder,
            relay_env={
                "DISPATCH_RELAY_LEASE_MS": str(lease_ms),
                "DISPATCH_RELAY_IDLE_ASK_MS": str(lease_ms),
                "DISPATCH_RELAY_RESTART_GRACE_MS": str(2 * lease_ms),
            },
        )
        self.lease_ms: int = lease_ms
        self.pulse = Pulse()
        self.host: Process | None = None
        self.phone: Process | None = None
        self.disks = Disks(folder)
        self.clocks = Clocks(folder)
        self.tasks: list[Known] = []
        """How each task here ended on the phone: at the end of this laboratory all of it must still be so."""
        self.to_relay = Network(self._who)
        self.to_pairing = Network(self._who)
        self.lan = Network(lambda *_: Part.PHONE)
        self._runs = folder / "runs"
        self._hold = folder / "hold"

    async def __aenter__(self) -> Laboratory:
        await self.pulse.__aenter__()
        for network in self.networks:
            await network.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        for network in self.networks:
            network.clear()
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            for network in self.networks:
                await network.__aexit__(kind, error, trace)
            await asyncio.to_thread(self.disks.close)
            await self.pulse.__aexit__(kind, error, trace)

    @property
    def networks(self) -> tuple[Network, ...]:
        """Give all that lies between the parts."""
        return self.to_relay, self.to_pairing, self.lan

    # ---- Setting up.

    async def build(self) -> None:
        """Start everything, pair, and run the host."""
        self.disks.make()
        (self.folder / "customs").mkdir()
        customs = _CUSTOMS.format(runs=str(self._runs), hold=str(self._hold))
        (self.folder / "customs" / "sitecustomize.py").write_text(customs)
        (self.folder / "files").mkdir()
        (self.folder / "files" / "notes.txt").write_text("Nothing of note.\n" * 20)
        # An address of this computer that nobody else has, so that the host finds its port free at each start.
        self.lan.target = f"127.{'.'.join(str(1 + byte % 254) for byte in os.urandom(3))}:7400"
        await self.services()
        await self.devices()
        await self.connected()

    async def start_pairing(self, *options: str, listen: str = "") -> None:
        """Start the pairing service behind its network."""
        self.pairing_env = self.clocks.environment(Part.PAIRING)
        await super().start_pairing(*options, "--advertise", self.to_pairing.address, listen=listen)
        self.to_pairing.target, self.server = self.server, self.to_pairing.address

    async def start_relay(self, *options: str, listen: str = "") -> None:
        """Start the relay behind its network."""
        self.relay = await self.start(
            "dispatch-relay", "serve", "--listen", listen or address_to_come_back_to(), "--advertise", self.to_relay.address,
            "--data", str(self.disks.of(Part.RELAY)), "--pairing", self.server, "--metrics", "127.0.0.1:0", *options,
            env=self.relay_env | self.clocks.environment(Part.RELAY),
        )  # fmt: skip
        listening = await self.relay.event("listening")
        self.to_relay.target, self.relay_metrics = listening["address"], listening["metrics"]
        self.relay_address = self.to_relay.address

    async def run_host(self, host: str = "desk", *options: str, env: Mapping[str, str] | None = None) -> Process:
        """Run the host; gives it when it runs, connected or not. Phones are told the network in front of where it listens."""
        customs = {"PYTHONPATH": str(self.folder / "customs")}
        self.host = await self.start(
            "dispatch-host",
            "run",
            "--home",
            self.home(host),
            "--direct",
            self.lan.target,
            "--direct-advertise",
            self.lan.address,
            *options,
            env={**customs, **self.clocks.environment(Part.HOST), **(env or {})},
        )
        await self.host.event("running")
        return self.host

    async def sends(
        self, text: str, task_id: uuid.UUID, *options: str, wait_seconds: int = 90, path: str = "relay"
    ) -> Process:
        """Begin to send; the phone's process is the part `phone` until the next."""
        words = ("send", text, "--id", str(task_id), "--wait", str(wait_seconds), *options)
        return await self._runs_phone(*words, path=path)

    async def fetches(self, name: str, into: Path) -> Process:
        """Begin to fetch an artifact; the phone's process is the part `phone` until the next."""
        return await self._runs_phone("files", "get", name, "--into", str(into), path="relay")

    async def _runs_phone(self, *words: str, path: str) -> Process:
        env = {"DISPATCH_PHONE_PATH": path, **self.clocks.environment(Part.PHONE)}
        self.phone = await self.start("dispatch-phone", *words, "--home", self.home("pocket"), env=env)
        return self.phone

    # ---- What there is to see.

    async def threads(self) -> tuple[list[Event], list[Event]]:
        """Give the thread as the host tells it and as the phone tells it."""
        on_host, on_phone = await asyncio.gather(
            run("dispatch-host", "thread", "--home", self.home("desk")),
            run("dispatch-phone", "thread", "--home", self.home("pocket")),
        )
        return on_host[1], on_phone[1]

    def stores(self) -> tuple[list[Event], list[Event]]:
        """Give the same from their stores: a start of both programs costs more than all the rest of a cell."""
        events = "SELECT content FROM event WHERE number IS NOT NULL ORDER BY number"
        shown = "SELECT content FROM events WHERE shown AND content IS NOT NULL ORDER BY number"
        return self._read(Part.HOST, events), self._read(Part.PHONE, shown)

    def _read(self, part: Part, query: str) -> list[Event]:
        with contextlib.closing(sqlite3.connect(self.disks.store(part))) as connection:
            return [event_told(ThreadEvent.FromString(content)) for (content,) in connection.execute(query)]

    def decided_directly(self) -> set[str]:
        """Name the tasks whose last attempt the phone decided, and not the relay."""
        query = "SELECT task_id, direct FROM posts WHERE action = 'task' ORDER BY attempt"
        with contextlib.closing(sqlite3.connect(self.disks.store(Part.PHONE))) as connection:
            last = {str(uuid.UUID(bytes=task_id)): direct for task_id, direct in connection.execute(query)}
        return {task_id for task_id, direct in last.items() if direct}

    async def host_is_back(self) -> None:
        """Wait until the relay calls the host reachable."""
        while await self.sample('dispatch_relay_hosts{state="reachable"}') != 1:  # noqa: ASYNC110 -- a number on a page announces nothing
            await asyncio.sleep(0.1)

    async def sample(self, line: str) -> float:
        """Read one sample of the relay's metrics, as soon as it shows them: on a busy computer that takes its time."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                with contextlib.suppress(OSError):
                    return await super().sample(line)
                await asyncio.sleep(0.1)  # as above

    def dialled(self, part: Part, *, since: float) -> float | None:
        """Give when a part first dialled anybody since then; None when it has not."""
        times = [network.dialled(part, since=since) for network in self.networks]
        return min((at for at in times if at is not None), default=None)

    async def history(self) -> list[Event]:
        """Give the account's history."""
        _, events = await run("dispatch-phone", "history", "--limit", "200", "--home", self.home("pocket"))
        return events

    def runs(self, token: str) -> int:
        """Count how often an agent was started on the task with this token."""
        return self._runs.read_text().split().count(token) if self._runs.exists() else 0

    def tracebacks(self) -> list[str]:
        """Give what the programs printed from a traceback on, and what they wrote of one that a library gave them."""
        found = [(one.words[0], broken(bytes(one.stderr))) for one in self.processes]
        return [f"{program} printed: {words}" for program, words in found if words]

    def keep_logs(self, into: Path) -> None:
        """Write what each process said, for whoever looks into a failure."""
        into.mkdir(parents=True, exist_ok=True)
        for number, process in enumerate(self.processes):
            said = "\n".join(json.dumps(event) for event in process.events)
            log = bytes(process.stderr).decode(errors="replace")
            (into / f"{number:02}-{process.words[0]}-{process.pid}").write_text(
                f"{' '.join(process.words)} (exit {process.returncode})\n{said}\n---\n{log}"
            )

    def forget_logs(self) -> None:
        """Forget what was said up to now, and the processes that have ended."""
        self.processes = [process for process in self.processes if process.returncode is None]
        for process in self.processes:
            process.stderr.clear()

    # ---- Parts.

    def process(self, part: Part) -> Process | None:
        """Give the process of a part, if it has one that runs."""
        process = {
            Part.PHONE: self.phone,
            Part.HOST: self.host,
            Part.RELAY: getattr(self, "relay", None),
            Part.PAIRING: getattr(self, "pairing", None),
            Part.LAN: None,
        }[part]
        return process if process is not None and process.returncode is None else None

    async def kill(self, part: Part, number: signal.Signals = signal.SIGKILL) -> None:
        """End a part and wait until it has ended. An agent's worker is not killed with its host: it has to see to itself."""
        process = self.process(part)
        if process is not None:
            await self.end(process, number)

    async def end(self, process: Process, number: signal.Signals = signal.SIGKILL) -> None:
        """End one process, if it has not ended by itself, and wait until it has."""
        _signal(process, number)
        await process.ended()

    def freeze(self, part: Part, *, frozen: bool) -> None:
        """Stop a part in its tracks, or let it go on."""
        process = self.process(part)
        if process is not None:
            _signal(process, signal.SIGSTOP if frozen else signal.SIGCONT)

    async def start_part(self, part: Part) -> None:
        """Start a part that is down. The phone starts when somebody sends."""
        if self.process(part) is None:
            if part is Part.HOST:
                await self.run_host()
            elif part is Part.RELAY:
                await self.start_relay()
            elif part is Part.PAIRING:
                await self.start_pairing()

    async def connected(self) -> None:
        """Wait until the host that runs is connected."""
        if self.host is not None:
            await self.host.event("connected")

    async def must_not_run(self, part: Part) -> None:
        """Start a part that can't do its work, and see that it ends by itself and says why."""
        words = {
            Part.PHONE: ["dispatch-phone", "send", "-", "--home", self.home("pocket")],
            Part.HOST: ["dispatch-host", "run", "--home", self.home("desk")],
            Part.RELAY: ["dispatch-relay", "serve", "--listen", "127.0.0.1:0", "--pairing", self.server],
            Part.PAIRING: ["dispatch-pairing", "serve", "--listen", "127.0.0.1:0"],
        }[part]
        if part in {Part.RELAY, Part.PAIRING}:
            words += ["--data", str(self.disks.of(part))]
        process = await self.start(*words)
        if part is Part.PHONE:
            await process.say("nothing")
            process.close_stdin()
        code = await process.ended()
        said = process.events or process.stderr.strip()
        if code == 0 or not said:
            raise AssertionError(f"{process} should have said why it can't run")

    def hold_tasks(self) -> None:
        """Let no task that starts from now on go beyond its start."""
        self._hold.touch()

    def let_go(self) -> None:
        """Let them go on."""
        self._hold.unlink(missing_ok=True)

    def let_write(self, part: Part, *, may: bool) -> None:
        """Fail every write of a running part to a file, or let them succeed again."""
        process = self.process(part)
        if process is not None:
            let_write(process.pid, may=may)

    # ---- Networks.

    def _who(self, from_port: int, to_port: int) -> Part:
        for part in (Part.HOST, Part.RELAY):
            process = self.process(part)
            if process is not None and dialled_by(process.pid, from_port=from_port, to_port=to_port):
                return part
        return Part.PHONE


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal a process alone, not what it has started."""
    with contextlib.suppress(ProcessLookupError):  # it has ended, and nobody has heard of it yet
        os.kill(process.pid, number)


def now() -> float:
    """Give the seconds on the clock that the figures are read from."""
    return time.monotonic()


@contextlib.asynccontextmanager
async def laboratory(*, lease_ms: int) -> AsyncIterator[Laboratory]:
    """Build a laboratory in a folder of its own, and clear it away.

    Building is no experiment: on a computer so busy that a sign-in gets no answer it is begun again.
    """
    async with contextlib.AsyncExitStack() as stack:
        for attempt in range(1, _BUILD_TRIES + 1):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dispatch-faults-"))
            lab = await stack.enter_async_context(Laboratory(Path(folder), lease_ms=lease_ms))
            try:
                await lab.build()
            except (AssertionError, TimeoutError) as failure:
                if attempt == _BUILD_TRIES:
                    raise
                print(f"      a laboratory is built again: {type(failure).__name__} {failure}", flush=True)
                await stack.aclose()
            else:
                break
        yield lab
