"""A whole Dispatch on this machine: services, hosts and phones, each a real process, in one temporary folder."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.support.lateness import CALM, LATE
from tests.support.pairing_service import add_account
from tests.support.ports import address_to_come_back_to
from tests.support.processes import Event, Process, run
from tests.support.waiting import DEADLINE_SECONDS

PASSWORD = "correct horse battery staple"
ACCOUNT = "ada"
_WORKER = "dispatch_host.agents.builtin.worker"


async def scrape(address: str) -> bytes:
    """Read a process's metrics page."""

    def read() -> bytes:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE_SECONDS) as answer:
            page: bytes = answer.read()
            return page

    return await asyncio.to_thread(read)


class World:
    """Starts what a test asks for and ends all of it. Use as an async context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        relay_env: Mapping[str, str] | None = None,
        pairing_env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.relay_env = {**CALM, **(relay_env or {})}
        self.pairing_env = dict(pairing_env or {})
        self.login_options: tuple[str, ...] = ()
        self.processes: list[Process] = []
        self.pairing: Process
        self.relay: Process
        self.server = ""
        self.pairing_web = ""
        self.pairing_metrics = ""
        self.relay_address = ""
        self.relay_web = ""
        self.relay_metrics = ""

    async def __aenter__(self) -> World:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(process.stop() for process in self.processes if process.returncode is None))

    async def start(self, *words: str, env: Mapping[str, str] | None = None) -> Process:
        """Start a program that is ended with the world."""
        process = await Process.start(*words, env=env)
        self.processes.append(process)
        return process

    async def services(self) -> None:
        """Start both services and make the account."""
        await self.start_pairing()
        await self.start_relay()
        await self.add_account(ACCOUNT)

    async def services_for_browsers(
        self, origin: str, *, web: str = "", advertise: str = "", relay: Sequence[str] = ()
    ) -> None:
        """Start both services, with listeners for pages of that origin, and make the account.

        `web` is where the relay listens for them, `advertise` what it tells them instead, `relay` more of its options.
        """
        await self.start_pairing("--web", "127.0.0.1:0", "--web-origin", origin)
        told = ("--web-advertise", advertise) if advertise else ()
        await self.start_relay("--web", web or address_to_come_back_to(), "--web-origin", origin, *told, *relay)
        await self.add_account(ACCOUNT)

    async def start_pairing(self, *options: str, listen: str = "") -> None:
        """Start the pairing service."""
        self.pairing = await self.start(
            "dispatch-pairing", "serve", "--listen", listen or address_to_come_back_to(), "--data", str(self.folder / "pairing"),
            "--metrics", "127.0.0.1:0", *options, env=self.pairing_env,
        )  # fmt: skip
        listening = await self.pairing.event("listening")
        self.server, self.pairing_metrics = listening["address"], listening["metrics"]
        self.pairing_web = listening["web"] or ""

    async def start_relay(self, *options: str, listen: str = "") -> None:
        """Start the relay."""
        self.relay = await self.start(
            "dispatch-relay", "serve", "--listen", listen or address_to_come_back_to(), "--data", str(self.folder / "relay"),
            "--pairing", self.server, "--metrics", "127.0.0.1:0", *options, env=self.relay_env,
        )  # fmt: skip
        listening = await self.relay.event("listening")
        self.relay_address, self.relay_metrics = listening["address"], listening["metrics"]
        self.relay_web = listening["web"] or ""

    async def add_account(self, name: str) -> None:
        """Make an account. Not by the command line, which has tests of its own: each start costs a second of this machine."""
        await add_account(self.folder / "pairing", name, PASSWORD)

    async def sample(self, line: str) -> float:
        """Read one sample of the relay's metrics by its full name with labels."""
        for sample in (await scrape(self.relay_metrics)).decode().splitlines():
            if sample.startswith(line + " "):
                return float(sample.rpartition(" ")[2])
        raise AssertionError(f"no sample {line}")

    def home(self, device: str) -> str:
        """Give the home of a device by its name."""
        return str(self.folder / device)

    async def sign_in(self, program: str, device: str, *, account: str = ACCOUNT) -> None:
        """Sign a device in: `sign_in("dispatch-host", "desk")`."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                code, events = await run(
                    program, "login", "--home", self.home(device), "--server", self.server, "--account", account,
                    "--name", device, "--password-stdin", *self.login_options, stdin=PASSWORD,
                )  # fmt: skip
                if code == 0:
                    return
                # So says a device to which a service on a busy computer did not answer in time.
                assert events[-1].get("reason") == "NO_NETWORK", events

    async def pair(self, host: str, phone: str) -> tuple[Event, Event]:
        """Pair two devices that are signed in, by the picture, both saying yes; gives what both said at the end."""
        picture = self.folder / f"{host}-{phone}.png"
        on_host = await self.start("dispatch-host", "pair", "--home", self.home(host), "--qr-png", str(picture))
        await on_host.event("qr")
        on_phone = await self.start("dispatch-phone", "pair", "--home", self.home(phone), "--qr", str(picture))
        shown = [await side.event("code") for side in (on_host, on_phone)]
        assert shown[0]["code"] == shown[1]["code"]
        for side in (on_host, on_phone):
            await side.say("yes")
        ends = await on_host.event("paired"), await on_phone.event("paired")
        assert [await on_host.ended(), await on_phone.ended()] == [0, 0]
        return ends

    async def run_host(self, host: str, *options: str, env: Mapping[str, str] | None = None) -> Process:
        """Run a paired host until the relay has accepted it."""
        process = await self.start("dispatch-host", "run", "--home", self.home(host), *options, env=env)
        await process.event("connected")
        return process

    def held(self) -> dict[str, str]:
        """Give an environment for `run_host` in which every task is held until `let_go`: its worker does not begin."""
        hold, customs = self.folder / "hold", self.folder / "customs"
        hold.touch()
        customs.mkdir()
        # Python runs this before anything else; only a worker of the assistant waits in it.
        (customs / "sitecustomize.py").write_text(
            f"import os, sys, time\nwhile {_WORKER!r} in sys.orig_argv and os.path.exists({str(hold)!r}):\n    time.sleep(0.02)\n"
        )
        return {"PYTHONPATH": str(customs)}

    def hold_again(self) -> None:
        """Hold the tasks that begin from now on, on a host that was run so."""
        (self.folder / "hold").touch()

    def let_go(self) -> None:
        """Let the tasks that are held go on."""
        (self.folder / "hold").unlink()

    async def devices(
        self, *, host: str = "desk", phone: str = "pocket", env: Mapping[str, str] | None = None
    ) -> Process:
        """Sign in, pair and run one host and one phone, with `folder/files` approved."""
        files = self.folder / "files"
        files.mkdir(exist_ok=True)
        await self.sign_in("dispatch-host", host)
        await self.sign_in("dispatch-phone", phone)
        code, events = await run("dispatch-host", "folders", "add", str(files), "--home", self.home(host))
        assert code == 0, events
        await self.pair(host, phone)
        return await self.run_host(host, env=env)

    async def send(
        self, text: str, *options: str, phone: str = "pocket", late: Collection[str] = LATE
    ) -> tuple[int, list[Event]]:
        """Send a task; gives the exit code and the events. One that a busy computer was too late for is sent again.

        `late`: what says so. Nothing, where that may be the answer.
        """
        async with asyncio.timeout(2 * DEADLINE_SECONDS):
            while True:
                code, events = await run("dispatch-phone", "send", text, "--home", self.home(phone), *options)
                accepted = any(event["event"] == "accepted" for event in events)
                if accepted or code not in {7, 9} or events[-1].get("reason") not in late:
                    return code, events
