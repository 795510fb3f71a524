"""`dispatch-host doctor`: the links between this host and its phones, as tables. Called by `operations`, wherever that runs.

A link more is a line more in a table and a method that looks. docs/doctor.md says what each means.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.device import awake_words, service_clock
from dispatch.device.keys import DeviceKey
from dispatch.device.pairing_client import PairingClient
from dispatch.device.session import Session
from dispatch.device.sign_in import SignIn
from dispatch.doctor import links
from dispatch.doctor.aside import aside
from dispatch.doctor.chain import Chart, Finding, Found, Link, broken, ok, refused, walk, warning
from dispatch.plain import one_line, path_text

from dispatch_host.agents.registry import Listed, Registry
from dispatch_host.browser.chamber import NoBrowser
from dispatch_host.browser.session import Browser
from dispatch_host.desktop.best import best_desktop
from dispatch_host.desktop.desktop import Desktop, NoDesktop
from dispatch_host.fleet import Fleet
from dispatch_host.journal import permissions, threads
from dispatch_host.journal.values import Pairing
from dispatch_host.owned import Owned
from dispatch_host.permissions.permission import BROWSER, DESKTOP, TERMINAL, Grant, Permission, granted
from dispatch_host.rights import Rights
from dispatch_host.sandbox.probe import Found as SandboxFound
from dispatch_host.sandbox.probe import probe
from dispatch_host.scope import Folder

_LOST_ADVICE = "Stop the host and restore its home from a backup; without one, delete journal.db and pair again."


@dataclass(slots=True)
class Patient:
    """This host."""

    owned: Owned
    fleet: Fleet | None
    """The links of the running host; None when none runs."""
    awake: pb.KeepAwakeStatus
    agents: Registry
    connectors: Sequence[pb.Connector] = ()
    """As the host has them that runs; without one, as they are written."""

    async def disk(self) -> Finding:
        return await links.disk(self.owned.home.path)

    async def journal(self) -> Finding:
        return await links.database(self.owned.home / "journal.db", advice=_LOST_ADVICE)

    async def keys(self) -> Finding:
        return links.keys(self.owned.store.kind)

    async def account(self) -> Finding:
        """See whether this host was signed in once: it knows its service then, and has a key there."""
        signed_in = SignIn.load(self.owned.home)
        if signed_in is None or DeviceKey.load(self.owned.store) is None:
            return refused(errors.SignInRequired())
        return ok(f"{signed_in.device_name}, of {signed_in.account} at {signed_in.server}")

    async def name(self) -> Finding:
        return await links.name(self.sign_in.server, of=links.SERVICE)

    async def port(self) -> Finding:
        return await links.port(self.sign_in.server, of=links.SERVICE)

    async def tls(self) -> Finding:
        dialler = self.sign_in.dialler(plaintext=self.owned.plaintext)
        return await links.tls(dialler, self.sign_in.server, now_ms=self.owned.clock.wall_ms())

    async def signed_in(self) -> Finding:
        """Ask the service about the sign-in. A host without one goes on with what it is paired with, and pairs no more."""
        session = Session(self.owned.store)
        try:
            if not session.token:
                raise errors.SignInRequired
            async with PairingClient(
                server=self.sign_in.server,
                identity=self.owned.key.identity(DeviceKind.DEVICE_KIND_HOST),
                session=session.token,
                dialler=self.sign_in.dialler(plaintext=self.owned.plaintext),
            ) as client:
                await client.list_devices()
        except errors.SignInRequired as error:
            return warning(f"{error.sentence} What is paired goes on; nothing more can be paired.", error.advice)
        except errors.DispatchError as error:
            return refused(error)
        return ok("the service takes it")

    async def paired(self) -> Finding:
        found = await self.owned.journal.step(threads.pairings)
        if not found:
            return refused(errors.NotPairedYet())
        return ok(", ".join(pairing.phone_name for pairing in found))

    async def running(self) -> Finding:
        if self.fleet is None:
            return broken("no host runs here", "Start it: dispatch-host run.", reason=errors.NotRunning.reason)
        return ok("it runs")

    async def agent(self) -> Finding:
        """See whether the agent that does the tasks can be used. Its provider or its program is not asked."""
        listed = await self.agents.listed()
        return look_at_agent(next(one for one in listed if one.chosen))

    async def folders(self) -> Finding:
        """See whether agents may open anything at all; how each folder is comes behind it."""
        approved = await approved_folders(self.owned)
        if not approved:
            return warning("none is approved: agents can open nothing", "Approve one: dispatch-host folders add PATH.")
        return ok(f"{len(approved)} approved" if len(approved) > 1 else "one is approved")

    async def terminal(self) -> Finding:
        """See whether programs that agents may start can be kept in, by keeping one in."""
        grant = await self._granted(TERMINAL)
        if grant is None:
            return ok("agents may not start programs")
        return look_at_sandbox(grant, await probe(home=Path.home(), keep_out=self.owned.keep_out))

    async def written_connectors(self) -> Finding:
        """See whether connectors are written right, and whether one broke. None is started for it."""
        return look_at_connectors(self.connectors)

    async def browser(self) -> Finding:
        """See whether pages can be opened, if agents may, by starting a browser."""
        if await self._granted(BROWSER) is None:
            return ok("agents may not open web pages")
        sandbox = partial(probe, home=Path.home(), keep_out=self.owned.keep_out)
        return await look_at_browser(Browser(sandbox, home=Path.home(), keep_out=self.owned.keep_out))

    async def desktop(self) -> Finding:
        """See whether the desktop can be spoken to, if agents may, by listing its windows."""
        if await self._granted(DESKTOP) is None:
            return ok("agents may not use the desktop")
        return await look_at_desktop(best_desktop(self.owned.environment, platform=sys.platform))

    async def _granted(self, permission: Permission) -> Grant | None:
        now_ms = self.owned.clock.wall_ms()
        held = await self.owned.journal.step(lambda tx: permissions.grants(tx, now_ms))
        return granted(held, permission, now_ms=now_ms)

    async def kept_awake(self) -> Finding:
        """See whether the computer may fall asleep under a task; its owner may have meant that."""
        said = awake_words.words(self.awake.state)
        if (why := awake_words.warning(self.awake.state)) is not None:
            return warning(said, why["advice"])
        return ok(said)

    @property
    def sign_in(self) -> SignIn:
        return SignIn.required(self.owned.home)


@dataclass(slots=True)
class Way:
    """The way from this host to one phone."""

    owned: Owned
    fleet: Fleet | None
    pairing: Pairing
    relay_at: str = field(default="")

    async def grant(self) -> Finding:
        """Renew the right to attach, beside the one that the running link holds."""
        rights = Rights(
            self.owned.home,
            self.pairing,
            identity=self.owned.identity(),
            clock=self.owned.clock,
            plaintext=self.owned.plaintext,
        )
        try:
            right = await rights.right(fresh=True)
        except errors.DispatchError as error:
            return refused(error)
        if not right.relays:
            return refused(errors.NoRelay())
        self.relay_at = right.relays[0]
        return ok("renewed just now")

    async def clock(self) -> Finding:
        return links.clock(service_clock.off_ms(self.owned.home))

    async def relay_name(self) -> Finding:
        return await links.name(self.relay_at, of=links.RELAY)

    async def relay_port(self) -> Finding:
        return await links.port(self.relay_at, of=links.RELAY)

    async def relay_tls(self) -> Finding:
        dialler = SignIn.required(self.owned.home).dialler(plaintext=self.owned.plaintext)
        return await links.tls(dialler, self.relay_at, now_ms=self.owned.clock.wall_ms())

    async def relay(self) -> Finding:
        """See whether the running host has its stream."""
        link = self.fleet.link_of(self.pairing.pair_id) if self.fleet is not None else None
        if link is None:
            return broken("the keys of this pairing are gone", "Pair the two again.", reason=errors.NotPaired.reason)
        if link.is_open:
            return ok(f"connected to {link.client.relay}")
        if link.reason:
            return refused(errors.of(link.reason))
        return broken("it is just connecting", "Ask again in a few seconds.", reason=errors.NoNetwork.reason)

    async def phone(self) -> Finding:
        """See whether the phone is there. One that is not hears everything later, so that is no fault."""
        link = self.fleet.link_of(self.pairing.pair_id) if self.fleet is not None else None
        there = link is not None and link.phone_attached
        return ok("attached" if there else "not attached just now; what it misses it is told later")


OF_THE_HOST: Sequence[Link[Patient]] = (
    Link(name="disk", look=Patient.disk),
    Link(name="journal", look=Patient.journal),
    Link(name="keys", look=Patient.keys),
    Link(name="account", look=Patient.account),
    Link(name="name", needs=("account",), look=Patient.name),
    Link(name="port", needs=("name",), look=Patient.port),
    Link(name="tls", needs=("port",), look=Patient.tls),
    Link(name="sign_in", needs=("tls",), look=Patient.signed_in),
    Link(name="paired", needs=("account",), look=Patient.paired),
    Link(name="running", look=Patient.running),
    Link(name="keep_awake", needs=("running",), look=Patient.kept_awake),
    Link(name="agent", look=Patient.agent),
    Link(name="folders", look=Patient.folders),
    Link(name="terminal", look=Patient.terminal),
    Link(name="connectors", look=Patient.written_connectors),
    Link(name="browser", look=Patient.browser),
    Link(name="desktop", look=Patient.desktop),
)
"""What is no phone's and no folder's in particular. What keeps the agents in is one line more here."""

TO_A_PHONE: Sequence[Link[Way]] = (
    Link(name="grant", needs=("paired", "sign_in"), look=Way.grant),
    Link(name="clock", needs=("grant",), look=Way.clock),
    Link(name="relay_name", needs=("grant",), look=Way.relay_name),
    Link(name="relay_port", needs=("relay_name",), look=Way.relay_port),
    Link(name="relay_tls", needs=("relay_port",), look=Way.relay_tls),
    Link(name="relay", needs=("relay_tls", "running"), look=Way.relay),
    Link(name="phone", needs=("relay",), look=Way.phone),
)


async def _folder(folder: Folder) -> Finding:
    return await answered(folder, look_at_folder)


async def answered(
    folder: Folder, look: Callable[[Folder], Finding], *, seconds: float = links.LOOK_SECONDS
) -> Finding:
    """Look at a folder, which may lie on a disk that never answers."""
    try:
        return await aside(lambda: look(folder), seconds=seconds)
    except TimeoutError:
        return broken(
            f"its disk did not answer in {seconds:g} s",
            "Mount it again, or take the approval away: dispatch-host folders remove.",
            reason=errors.FolderNotApproved.reason,
        )


OF_A_FOLDER: Sequence[Link[Folder]] = (Link(name="folder", look=_folder),)


async def examine(
    owned: Owned,
    fleet: Fleet | None,
    awake: pb.KeepAwakeStatus,
    agents: Registry,
    connectors: Sequence[pb.Connector] = (),
) -> AsyncGenerator[Found, None]:
    """Walk all links; those to a phone once for each, and each approved folder."""
    chart = Chart()
    async for found in walk(OF_THE_HOST, Patient(owned, fleet, awake, agents, connectors), chart):
        yield found
    for pairing in await owned.journal.step(threads.pairings):
        own = chart.copy()
        async for found in walk(TO_A_PHONE, Way(owned, fleet, pairing), own, about=pairing.phone_name):
            yield found
    for folder in await approved_folders(owned):
        async for found in walk(OF_A_FOLDER, folder, chart, about=path_text(folder.path)):
            yield found


async def approved_folders(owned: Owned) -> Sequence[Folder]:
    """Give the folders that agents may open now."""
    return await owned.journal.step(lambda tx: permissions.folders(tx, owned.clock.wall_ms()))


def look_at_agent(chosen: Listed) -> Finding:
    """See whether an agent can do tasks."""
    if chosen.why_not:
        return broken(
            f"{chosen.name} can't be used: {chosen.why_not}",
            "Set it right, or choose another: dispatch-host agent use.",
            reason=errors.AgentUnavailable.reason,
        )
    return ok(f"{chosen.name} does the tasks")


def look_at_sandbox(grant: Grant, found: SandboxFound) -> Finding:
    """See how programs would be started: in the sandbox, as its owner accepted, or not at all."""
    if found.programs is not None:
        return ok("programs are started in the sandbox")
    if grant.permission.without_sandbox:
        return warning(
            f"programs run WITHOUT a sandbox: {found.why}",
            f"You accepted that. {found.advice} To end it: dispatch-host permissions revoke terminal.",
        )
    return broken(f"there is no terminal: {found.why}", found.advice, reason=errors.SandboxUnavailable.reason)


def look_at_connectors(connectors: Sequence[pb.Connector]) -> Finding:
    """See whether one is written wrong or broke."""
    wrong = [mistake for one in connectors for mistake in one.mistakes]
    if wrong:
        return broken(
            one_line(f"{wrong[0]}; {len(wrong)} in all" if len(wrong) > 1 else wrong[0], 300),
            "Mend connectors.json in the home: dispatch-host connectors lists every mistake.",
            reason=errors.ConnectorUnavailable.reason,
        )
    for one in connectors:
        if one.state == "broken":
            return warning(f"{one.name}: {one.text}", f"See what it says: dispatch-host connectors check {one.name}.")
    there = [one for one in connectors if one.state != "disabled"]
    return ok(f"{len(there)} written" if there else "there are none")


async def look_at_browser(browser: Browser) -> Finding:
    """Start a browser, and end it."""
    try:
        await browser.probe()
    except NoBrowser as missing:
        advice = missing.advice or "See docs/browser.md."
        return broken(f"no web page can be opened: {missing.why}", advice, reason=errors.SandboxUnavailable.reason)
    return ok("web pages are opened in the sandbox")


async def look_at_desktop(desktop: Desktop) -> Finding:
    """List the windows of the desktop."""
    try:
        windows = await desktop.windows()
    except NoDesktop as missing:
        advice = missing.advice or "See docs/desktop.md."
        return broken(f"the desktop can't be reached: {missing.why}", advice, reason=errors.NotPermitted.reason)
    return ok(f"{len(windows)} windows are open")


def look_at_folder(folder: Folder) -> Finding:
    """See whether a folder is still what was approved: there, itself, and open to this user as far as agents may go."""
    path = folder.path
    again = "Bring it back, or take the approval away: dispatch-host folders remove."
    try:
        if path.resolve(strict=True) != path or not path.is_dir():
            return broken("something else is there now", again, reason=errors.FolderNotApproved.reason)
        os.listdir(path)
    except FileNotFoundError:
        return broken("it is gone", again, reason=errors.FolderNotApproved.reason)
    except OSError as failure:
        return broken(
            f"it can't be read: {failure.strerror}",
            "Give this user the right to read it.",
            reason=errors.FolderNotApproved.reason,
        )
    if not folder.writable:
        return ok("agents may read it")
    if not os.access(path, os.W_OK | os.X_OK) or os.statvfs(path).f_flag & os.ST_RDONLY:
        return broken(
            "agents may change it, and this user can't write there",
            "Give this user the right to write there, or approve it for reading only: dispatch-host folders add.",
            reason=errors.FolderNotApproved.reason,
        )
    return ok("agents may read and change it")
