"""The doctor of both devices, with real processes: each link is broken for real; the first is named, with its mend."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, replaced
from tests.support.power_end import Logind, needs_bus, private_bus
from tests.support.processes import Event, run
from tests.support.secure_world import SecureWorld
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import World

pytestmark = pytest.mark.big


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A host and a phone, paired; the host does not run yet. One that freezes is found out soon."""
    async with World(tmp_path, relay_env={"DISPATCH_RELAY_LEASE_MS": "5000"}) as world:
        await world.services()
        host = await world.devices()
        await host.stop()
        yield world


class Report:
    """What a doctor said."""

    def __init__(self, code: int, events: list[Event]) -> None:
        self.code = code
        self.events = events
        self.links = {event["link"]: event for event in events if event["event"] == "link"}
        self.verdict = events[-1]

    @property
    def broken(self) -> list[str]:
        return [name for name, link in self.links.items() if link["state"] == "broken"]

    @property
    def not_reached(self) -> list[str]:
        return [name for name, link in self.links.items() if link["state"] == "not_reached"]

    def names(self, link: str, *advice: str) -> None:
        """Check that this link is the one to be mended, with this advice."""
        assert self.verdict["broken"] == link, self.events
        for words in advice:
            assert words in self.verdict["advice"], self.verdict
        assert self.code == 4


async def phone_doctor(world: World, *options: str) -> Report:
    return await unhurried("dispatch-phone", "doctor", "--home", world.home("pocket"), *options)


async def host_doctor(world: World, *options: str) -> Report:
    return await unhurried("dispatch-host", "doctor", "--home", world.home("desk"), *options)


async def unhurried(*words: str) -> Report:
    """Have a doctor look, again while a busy computer did not answer a look in its five seconds."""
    async with asyncio.timeout(2 * DEADLINE_SECONDS):
        while True:
            report = Report(*await run(*words))
            said = str(report.verdict.get("text"))
            if "did not answer in" not in said and "was not resolved in" not in said:
                return report


async def test_nothing_is_broken_and_the_host_answers_from_inside_the_seal(world: World) -> None:
    await world.run_host("desk")

    report = await phone_doctor(world)

    assert report.broken == report.not_reached == []
    assert "answered in" in report.links["session"]["text"]
    assert report.links["keys"]["state"] == "warning"  # plain files: the only thing to know of
    assert (report.verdict["ok"], report.verdict["warnings"], report.code) == (False, 1, 9)


@needs_bus
async def test_with_sealed_keys_all_is_well_on_both_and_the_exit_code_is_zero(world: World, tmp_path: Path) -> None:
    passphrase = world.folder / "passphrase"
    passphrase.write_text("a passphrase that nobody guesses\n")
    passphrase.chmod(0o600)
    sealed = ("--passphrase-file", str(passphrase))
    # A computer that can be kept awake, wherever this runs.
    async with private_bus(tmp_path) as bus:
        await Logind(bus).comes()
        buses = {"DBUS_SYSTEM_BUS_ADDRESS": bus, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/none"}
        host = await world.start("dispatch-host", "run", "--home", world.home("desk"), *sealed, env=buses)
        await host.event("connected")

        phone, desk = await phone_doctor(world, *sealed), await host_doctor(world, *sealed)
        await host.stop()

    for report in (phone, desk):
        assert (report.code, report.verdict["ok"]) == (0, True), report.events
    assert desk.links["folders"]["text"] == "one is approved"
    assert desk.links["folder"]["about"] == str(world.folder / "files")


async def test_a_host_that_never_ran_is_told_to_be_started_on_either_side(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.services()
        await world.sign_in("dispatch-host", "desk")
        await world.sign_in("dispatch-phone", "pocket")
        (await host_doctor(world)).names("paired", "Pair")
        (await phone_doctor(world)).names("paired", "Pair")
        await world.pair("desk", "pocket")

        phone, host = await phone_doctor(world), await host_doctor(world)

    phone.names("presence", "dispatch-host run")
    assert phone.links["presence"]["reason"] == "HOST_NEVER_CONNECTED"
    assert phone.not_reached == ["session"]
    assert "because presence is broken" in phone.links["session"]["text"]
    host.names("running", "dispatch-host run")
    assert host.not_reached == ["keep_awake", "relay", "phone"]
    assert host.links["relay_port"]["state"] == "ok"


async def test_a_host_that_was_closed_or_froze_is_told_apart(world: World) -> None:
    closed = await phone_doctor(world)
    host = await world.run_host("desk")
    host.signal(signal.SIGSTOP)
    frozen = await phone_doctor(world)
    host.signal(signal.SIGCONT)

    closed.names("presence", "Start it there")
    assert closed.links["presence"]["reason"] == "HOST_APP_CLOSED"
    frozen.names("presence", "Check that it is on")
    assert frozen.links["presence"]["reason"] == "HOST_UNREACHABLE"


async def test_a_relay_that_is_down_is_named_by_both(world: World) -> None:
    await world.run_host("desk")
    await world.relay.stop()

    phone, host = await phone_doctor(world), await host_doctor(world)

    phone.names("relay_port", "relay is down")
    assert phone.not_reached == ["relay_tls", "relay", "presence", "session"]
    host.names("relay_port", "relay is down")


async def test_a_service_that_is_down_is_named_and_the_kept_right_still_opens_the_rest(world: World) -> None:
    await world.run_host("desk")
    assert (await world.send("which files are largest?"))[0] == 0
    await world.pairing.stop()

    phone, host = await phone_doctor(world), await host_doctor(world)

    phone.names("port", "pairing service is down")
    assert phone.links["sign_in"]["text"] == "not reached, because port is broken"
    assert phone.links["grant"]["state"] == "warning"
    assert phone.links["session"]["state"] == "ok"
    host.names("port", "pairing service is down")
    assert "relay" in host.not_reached


async def test_a_phone_that_is_signed_out_or_revoked_is_told_to_sign_in(world: World) -> None:
    await run("dispatch-host", "revoke", "pocket", "--yes", "--home", world.home("desk"))
    revoked = await phone_doctor(world)
    await run("dispatch-phone", "logout", "--home", world.home("pocket"))
    signed_out = await phone_doctor(world)

    revoked.names("sign_in", "Sign in and pair again")
    assert revoked.links["sign_in"]["reason"] == "DEVICE_REVOKED"
    assert "session" in revoked.not_reached
    signed_out.names("account", "Sign in")


async def test_a_wrong_name_is_the_link_that_is_named(world: World) -> None:
    for device, doctor in (("pocket", phone_doctor), ("desk", host_doctor)):
        file = Path(world.home(device)) / "sign-in.json"
        file.write_text(file.read_text().replace(world.server, "nowhere.invalid:7301"))

        report = await doctor(world)

        report.names("name", "--server")
        assert report.links["port"]["text"] == "not reached, because name is broken"
        assert report.links["sign_in"]["text"] == "not reached, because name is broken"


async def test_folders_the_journal_and_the_home_are_looked_at_while_it_runs_and_while_not(world: World) -> None:
    gone = world.folder / "gone"
    gone.mkdir()
    await run("dispatch-host", "folders", "add", str(gone), "--home", world.home("desk"))
    await world.run_host("desk")
    shutil.rmtree(gone)

    running = await host_doctor(world)

    running.names("folder", "folders remove")
    assert running.verdict["about"] == str(gone)
    (gone.parent / "elsewhere").mkdir()
    gone.symlink_to(gone.parent / "elsewhere")
    moved = await host_doctor(world)
    moved.names("folder")
    assert "something else" in moved.verdict["text"]


async def test_a_host_on_which_nothing_is_approved_is_told_so(world: World) -> None:
    await run("dispatch-host", "folders", "remove", str(world.folder / "files"), "--home", world.home("desk"))

    report = await host_doctor(world)

    assert report.links["folders"]["state"] == "warning"
    assert "folders add" in report.links["folders"]["advice"]
    assert "folder" not in report.links


async def test_a_damaged_journal_is_named(world: World) -> None:
    journal = Path(world.home("desk")) / "journal.db"
    with sqlite3.connect(journal) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
    connection.close()
    with journal.open("r+b") as file:
        file.seek((root - 1) * page_bytes)
        file.write(os.urandom(page_bytes))

    report = await host_doctor(world)

    assert report.verdict["broken"] in ("journal", "home"), report.events
    assert "backup" in report.verdict["advice"] or "disk" in report.verdict["advice"]


@pytest.mark.parametrize("flaw", ["expired", "other authority"])
async def test_what_is_wrong_with_a_certificate_is_said(tmp_path: Path, flaw: str) -> None:
    async with SecureWorld(tmp_path) as world:
        await world.services()
        await world.sign_in("dispatch-phone", "pocket")
        await world.sign_in("dispatch-host", "desk")
        await world.pairing.stop()
        theirs = Certificates(tmp_path / "theirs")
        issued = theirs.issue(["localhost"], days=-1 if flaw == "expired" else 5)
        impostor = await serving(issued.certificate, issued.key, tmp_path)
        for device in ("pocket", "desk"):
            file = Path(world.home(device)) / "sign-in.json"
            kept = file.read_text().replace(world.server, f"localhost:{impostor.port}")
            if flaw != "other authority":
                kept = json.dumps(json.loads(kept) | {"ca": theirs.pem})
            file.write_text(kept)

        reports = [await phone_doctor(world), await host_doctor(world)]
        await impostor.close()

    advice = {"expired": "renew", "other authority": "--ca"}[flaw]
    for report in reports:
        report.names("tls", advice)
        assert report.links["sign_in"]["state"] == "not_reached"


class Impostor:
    """Something that shows a certificate."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.port: int = server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()


async def serving(certificate: bytes, key: bytes, folder: Path) -> Impostor:
    replaced(folder / "impostor.pem", certificate)
    replaced(folder / "impostor.key", key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "impostor.pem", folder / "impostor.key")
    context.set_alpn_protocols(["h2"])

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    return Impostor(await asyncio.start_server(serve, "localhost", 0, ssl=context))


async def test_a_home_that_can_not_be_used_is_said_so(world: World) -> None:
    for program, device in (("dispatch-phone", "pocket"), ("dispatch-host", "desk")):
        (Path(world.home(device)) / "keys" / "device").chmod(0o644)

        report = Report(*await run(program, "doctor", "--home", world.home(device)))

        assert report.code == 4
        assert report.verdict["broken"] == "home", report.events
