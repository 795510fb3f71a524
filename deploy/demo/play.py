"""What happens in the demo, in order. Every step is a command that a person could type; docs/cli.md is their contract."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.demo.samples import write_photos, write_samples
from deploy.demo.screen import Screen
from deploy.demo.tasks import Task, own_tasks, sample_tasks
from tests.support.lateness import CALM, never_ran
from tests.support.processes import Event, Process, run

ACCOUNT = "you"
PASSWORD = "made up for this demo"  # noqa: S105 -- the account lives as long as the demo
REFUSED = 3
CHANGED = "Holiday"
"""The one folder that may be changed: samples, also where the rest are a person's own."""
OFFLINE = 'dispatch_relay_host_offline_failures_total{cause="app_closed"}'
LONGEST_TASK_SECONDS = 240.0
"""A task, with all its tries."""


class NotAsExpectedError(Exception):
    """Something in the demo did not go as it must."""


def expect(true: object, what: object) -> None:
    """Raise NotAsExpectedError unless it is so."""
    if not true:
        raise NotAsExpectedError(str(what))


class Play:
    """One run of the demo in a folder of its own. `stop` must be called at the end, however it ends."""

    def __init__(self, stage: Path, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self._changed = stage / "files" / CHANGED
        self._running: list[Process] = []
        self._metrics = ""

    async def perform(self, own_folder: Path | None) -> None:
        """Do everything. Raises NotAsExpectedError."""
        folders, tasks = self._material(own_folder)
        write_photos(self._changed)
        server = await self._start_services()
        await self._sign_in(server, folders)
        await self._pair()
        host = await self._start("dispatch-host", "run", *self._home("host"))
        await host.event("connected")
        self._screen.chapter("The thread, as the phone shows it")
        for task in tasks:
            await self._send_and_get(task, host)
        await self._change_and_take_back(host)
        await self._send_to_a_closed_host(host, tasks[0])

    async def stop(self) -> None:
        """End every process."""
        await asyncio.gather(*(process.stop() for process in self._running), return_exceptions=True)

    def _material(self, own_folder: Path | None) -> tuple[Sequence[Path], Sequence[Task]]:
        if own_folder is None:
            samples = write_samples(self._stage / "files")
            self._screen.chapter("Files")
            self._screen.fact("Downloads and Documents with made-up PDFs and CSVs, one of 50 MB")
            return [samples.downloads, samples.documents], sample_tasks(samples)
        samples = write_samples(self._stage / "files", prefix="Sample ")
        tasks = own_tasks(own_folder, samples)
        self._screen.chapter("Files")
        self._screen.fact(f"{own_folder}, to be read only; samples for what it lacks")
        needed = [
            folder for folder in (samples.downloads, samples.documents) if any(folder.name in t.text for t in tasks)
        ]
        return [own_folder, *needed], tasks

    async def _start_services(self) -> str:
        self._screen.chapter("Servers, each a process of its own")
        data = [str(self._stage / name) for name in ("pairing", "relay")]
        local = ("--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
        pairing = await self._start("dispatch-pairing", "serve", "--data", data[0], *local)
        server: str = (await pairing.event("listening"))["address"]
        self._screen.fact(f"pairing service on {server}: introduces your devices to each other")
        relay = await self._start("dispatch-relay", "serve", "--data", data[1], "--pairing", server, *local, env=CALM)
        listening = await relay.event("listening")
        self._metrics = listening["metrics"]
        self._screen.fact(f"relay on {listening['address']}: carries the thread and can't read it")
        await self._do(
            "dispatch-pairing", "account", "add", ACCOUNT, "--data", data[0], "--password-stdin", stdin=PASSWORD
        )
        return server

    async def _sign_in(self, server: str, folders: Sequence[Path]) -> None:
        self._screen.chapter("Your computer and your phone")
        for device, name in (("host", "Desk"), ("phone", "Pocket")):
            account = ("--server", server, "--account", ACCOUNT, "--name", name, "--password-stdin")
            await self._do(f"dispatch-{device}", "login", *account, *self._home(device), stdin=PASSWORD)
        for folder in folders:
            await self._do("dispatch-host", "folders", "add", str(folder), *self._home("host"))
        await self._do("dispatch-host", "folders", "add", str(self._changed), "--write", *self._home("host"))
        names = " and ".join(folder.name for folder in folders)
        self._screen.fact(
            f"Desk and Pocket are signed in; the host may read {names}, change {CHANGED}, and nothing else"
        )

    async def _pair(self) -> None:
        picture = self._stage / "qr.png"
        host = await self._start("dispatch-host", "pair", "--qr-png", str(picture), *self._home("host"))
        await host.event("qr")
        self._screen.fact("the host shows a QR code; the phone's camera reads the picture")
        phone = await self._start("dispatch-phone", "pair", "--qr", str(picture), *self._home("phone"))
        sides = {"host": host, "phone": phone}
        codes = {name: await side.event("code") for name, side in sides.items()}
        for name, code in codes.items():
            self._screen.fact(f"the {name + ' shows':12} {code['code']}  for {code['peer']!r}  yes")
        expect(codes["host"]["code"] == codes["phone"]["code"], f"the codes differ: {codes}")
        for side in sides.values():
            await side.say("yes")
        for side in sides.values():
            await side.event("paired")
            expect(await side.ended() == 0, side)
        self._screen.fact("paired: both said yes to the same code")

    async def _send_and_get(self, task: Task, host: Process) -> None:
        last, code = await self._send(task.text)
        expect(last["event"] == "done" and code == 0, f"{task.text!r} ended as {last}\n{host}")
        rest = last["text"]
        for words in task.answer_has:
            expect(words in rest, f"the answer to {task.text!r} has no {words!r} (in this place)")
            rest = rest.partition(words)[2]

    async def _change_and_take_back(self, host: Process) -> None:
        """Have files renamed after a question that the phone answers, and take that back."""
        self._screen.chapter("A change is asked for before it is done, and taken back")
        before = {path.name: path.read_bytes() for path in self._changed.iterdir()}
        await self._send_and_get(Task(f"Rename the photos in {CHANGED} to trip 1, trip 2, …"), host)
        after = {path.name: path.read_bytes() for path in self._changed.iterdir()}
        expect(after.keys().isdisjoint(before) and sorted(after.values()) == sorted(before.values()), list(after))
        await self._send_and_get(Task("Undo that"), host)
        expect({path.name: path.read_bytes() for path in self._changed.iterdir()} == before, "it was not undone")

    async def _send_to_a_closed_host(self, host: Process, task: Task) -> None:
        self._screen.chapter("And when the computer is not there")
        before = await asyncio.to_thread(self._sample, OFFLINE)
        await self._do("dispatch-host", "stop", *self._home("host"))
        expect(await host.ended() == 0, host)
        self._screen.fact("the host's app is closed")
        last, code = await self._send(task.text)
        expect(
            (last["event"], last.get("reason"), code) == ("refused", "HOST_APP_CLOSED", REFUSED), f"it ended as {last}"
        )
        after = await asyncio.to_thread(self._sample, OFFLINE)
        expect(after == before + 1, f"{OFFLINE} went from {before} to {after}")
        self._screen.say("")
        self._screen.fact("nothing was queued: it will not run behind your back. The operator sees it, too:")
        self._screen.fact(f"{OFFLINE} {before:g} → {after:g}")

    async def _send(self, text: str) -> tuple[Event, int]:
        """Send a task, anew while a busy computer is too late for it; gives the last event and the exit code."""
        try:
            async with asyncio.timeout(LONGEST_TASK_SECONDS):
                while True:
                    last, code = await self._send_once(text)
                    if not never_ran(last):
                        return last, code
        except TimeoutError:
            last_said = self._running[-1]
            raise NotAsExpectedError(f"{text!r} was not over within {LONGEST_TASK_SECONDS:g} s: {last_said}") from None

    async def _send_once(self, text: str) -> tuple[Event, int]:
        """Send a task and show what comes; gives the last event and the exit code."""
        self._screen.asked(text)
        started = time.monotonic()
        phone = await self._start("dispatch-phone", "send", text, *self._home("phone"))
        phone.close_stdin()
        async for event in phone.stream():
            self._screen.event(event)
            if event["event"] == "asking":
                await self._do("dispatch-phone", "answer", event["task_id"], "once", *self._home("phone"))
        code = await phone.ended()
        expect(phone.events, phone)
        self._screen.outcome(phone.events[-1], seconds=time.monotonic() - started)
        return phone.events[-1], code

    def _home(self, device: str) -> tuple[str, str]:
        return "--home", str(self._stage / device)

    async def _start(self, *words: str, env: Mapping[str, str] | None = None) -> Process:
        process = await Process.start(*words, env=env)
        self._running.append(process)
        return process

    async def _do(self, *words: str, stdin: str = "") -> None:
        code, events = await run(*words, stdin=stdin)
        expect(code == 0, f"{' '.join(words)}: exit {code}, {events[-1:]}")

    def _sample(self, name: str) -> float:
        """Read one sample of the relay's metrics."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        values = [float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " ")]
        expect(len(values) == 1, f"the relay has no metric {name}")
        return values[0]
