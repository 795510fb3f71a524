"""What runs for `make phone`: the page, both services with listeners for it, and a host with samples. Each a process of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dispatch.address import Address
from dispatch.runtime.web_server import WebServer

from deploy.certs import HERE, Authority
from deploy.demo.samples import write_photos, write_samples
from deploy.web import bundle
from deploy.web.site import Keys, application, serve
from tests.support.processes import Process, run

ACCOUNT = "you"
DAYS = 7
SAMPLE_BYTES = 1_000_000


class StageError(Exception):
    """Something could not be started."""


class PartEnded(Exception):
    """A program ended by itself, and without it nothing is left to try. Says which, and with what exit code."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a person needs."""

    address: str
    service: str
    account: str
    password: str
    authority: Path
    host: Path


class Stage:
    """Starts everything in a folder of its own. `stop` must be called at the end, however it ends.

    `name` is where browsers find this computer: a name or an IP address that it listens on.
    """

    def __init__(self, folder: Path, built: Path, *, name: str, port: int, password: str) -> None:
        self._folder = folder
        self._built = built
        self._name = name
        self._port = port
        self._password = password
        self._running: list[Process] = []
        self._host: Process | None = None
        self._site: WebServer | None = None

    async def open(self, own_folder: Path | None) -> Opened:
        """Start it; gives what to say. Raises StageError, ValueError, OSError."""
        authority, keys = self._certificates()
        files = bundle.read(self._built)
        listen = "127.0.0.1" if self._name == "localhost" else self._name
        tls = ("--web", f"{listen}:0", "--web-cert", str(keys[0]), "--web-key", str(keys[1]))
        # The page's policy may name its services only when these are there, and these name the page's origin: it says any over TLS.
        try:
            self._site, bound = await serve(
                application(files), listen=Address(host=listen, port=self._port), keys=Keys(*keys)
            )
        except ssl.SSLError as failure:
            raise StageError(str(failure)) from failure
        origin = f"https://{self._name}:{bound.port}"
        server, service = await self._services(origin, tls)
        await self._start_host(server, own_folder)
        return Opened(f"{origin}/", service, ACCOUNT, self._password, authority, self._home)

    async def stop(self) -> None:
        """End everything."""
        if self._host is not None and self._host.returncode is not None:
            # Its person may have started it again: nobody's home is taken away from under a host.
            await run("dispatch-host", "stop", "--home", str(self._home))
        await asyncio.gather(*(process.stop() for process in self._running), return_exceptions=True)
        if self._site is not None:
            await self._site.stop()

    async def go_on(self, host_gone: Callable[[int], None]) -> None:
        """Wait for as long as the services run. Raises PartEnded when one of them has ended.

        A host may go: its person stops it to see what the phone says then. `host_gone` hears its exit code, and the rest goes on.
        """
        waiting = {asyncio.create_task(_end(process)): process for process in self._running}
        try:
            while waiting:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    process, code = waiting.pop(one), one.result()
                    if process is not self._host:
                        raise PartEnded(f"{' '.join(process.words[:2])} has ended by itself, with exit code {code}")
                    host_gone(code)
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    @property
    def _home(self) -> Path:
        return self._folder / "host"

    def _certificates(self) -> tuple[Path, tuple[Path, Path]]:
        """Make an authority and a certificate by it. The authority's key is written nowhere, and gone when this ends."""
        now = datetime.now(UTC)
        names = list(dict.fromkeys([self._name, *HERE]))
        authority = Authority.make("Dispatch, made for one make phone", names=names, now=now)
        issued = authority.issue(names, now=now, days=DAYS)
        ca, certificate, key = (self._folder / name for name in ("ca.pem", "tls.pem", "tls.key"))
        ca.write_bytes(authority.pem)
        certificate.write_bytes(issued.certificate)
        key.touch(mode=0o600)
        key.write_bytes(issued.key)
        return ca, (certificate, key)

    async def _services(self, origin: str, tls: tuple[str, ...]) -> tuple[str, str]:
        data = [str(self._folder / name) for name in ("pairing", "relay")]
        local = ("--listen", "127.0.0.1:0")
        pairing = await self._start(
            "dispatch-pairing", "serve", "--data", data[0], *local, *tls, "--web-origin", origin
        )
        listening = await pairing.event("listening")
        server, service = listening["address"], listening["web"]
        told = ("--pairing", server, "--web-origin", origin)
        relay = await self._start("dispatch-relay", "serve", "--data", data[1], *local, *tls, *told)
        await relay.event("listening")
        await self._do(
            "dispatch-pairing", "account", "add", ACCOUNT, "--data", data[0], "--password-stdin", stdin=self._password
        )
        return server, service

    async def _start_host(self, server: str, own_folder: Path | None) -> None:
        home = ("--home", str(self._home))
        account = ("--server", server, "--account", ACCOUNT, "--name", "Desk", "--password-stdin")
        await self._do("dispatch-host", "login", *account, *home, stdin=self._password)
        samples = write_samples(self._folder / "files", big_csv_bytes=SAMPLE_BYTES)
        changed = self._folder / "files" / "Holiday"
        write_photos(changed)
        for folder in [own_folder] if own_folder else [samples.downloads, samples.documents]:
            await self._do("dispatch-host", "folders", "add", str(folder), *home)
        await self._do("dispatch-host", "folders", "add", str(changed), "--write", *home)
        self._host = await self._start("dispatch-host", "run", *home)
        await self._host.event("running")

    async def _start(self, *words: str) -> Process:
        process = await Process.start(*words)
        self._running.append(process)
        return process

    async def _do(self, *words: str, stdin: str = "") -> None:
        code, events = await run(*words, stdin=stdin)
        if code != 0:
            raise StageError(f"{words[0]} {words[1]}: exit {code}, {events[-1:]}")


async def _end(process: Process) -> int:
    """Wait for the end of a program, however long it runs; gives its exit code."""
    async for _ in process.stream():
        pass
    return await process.ended()
