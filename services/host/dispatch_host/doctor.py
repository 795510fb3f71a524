"""`dispatch-host doctor`: the links between this host and its phones, as tables. Called by `operations`, wherever that runs.

A link more is a line more in a table and a method that looks. docs/doctor.md says what each means.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.device import awake_words
from dispatch.device.keys import DeviceKey
from dispatch.device.pairing_client import PairingClient
from dispatch.device.session import Session
from dispatch.device.sign_in import SignIn
from dispatch.doctor import links
from dispatch.doctor.chain import Chart, Finding, Found, Link, broken, ok, refused, walk, warning
from dispatch.plain import path_text

from dispatch_host.agents.registry import Registry
from dispatch_host.browser.session import Browser
from dispatch_host.desktop.best import best_desktop
from dispatch_host.doctor_looks import (
    answered,
    look_at_agent,
    look_at_browser,
    look_at_connectors,
    look_at_desktop,
    look_at_folder,
    look_at_sandbox,
)
from dispatch_host.doctor_way import TO_A_PHONE, Way
from dispatch_host.fleet import Fleet
from dispatch_host.journal import permissions, threads
from dispatch_host.owned import Owned
from dispatch_host.permissions.permission import BROWSER, DESKTOP, TERMINAL, Grant, Permission, granted
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
        return await look_at_browser(Browser(sandbox, home=Path.home(), keep_out=self.owned.keep_out).probe)

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


async def _folder(folder: Folder) -> Finding:
    return await answered(folder, look_at_folder)


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
