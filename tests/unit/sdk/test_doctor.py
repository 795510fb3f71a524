"""The walk along a chain, what is said of it, and the looks that both devices share."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.cli import Console, Exit
from dispatch.doctor import links, telling
from dispatch.doctor.chain import Chart, Finding, Found, Link, State, broken, ok, refused, walk, warning

from deploy.certs import HERE
from tests.support.certificates import Certificates
from tests.support.waiting import DEADLINE_SECONDS

DAY_MS = 86_400_000


def now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)


class Patient:
    """Remembers which links were looked at."""

    def __init__(self, **findings: Finding) -> None:
        self.findings = findings
        self.looked_at: list[str] = []

    def look(self, name: str) -> Any:
        async def look(patient: Patient) -> Finding:
            patient.looked_at.append(name)
            return patient.findings.get(name, ok("fine"))

        return look


async def walked(patient: Patient) -> list[Found]:
    needs = {"name": (), "port": ("name",), "tls": ("port",), "disk": (), "session": ("disk", "tls")}
    table = [Link[Patient](name=name, needs=of, look=patient.look(name)) for name, of in needs.items()]
    return [found async for found in walk(table, patient, Chart())]


async def test_a_link_whose_need_is_broken_is_not_looked_at_and_says_which_one_it_was() -> None:
    patient = Patient(name=broken("no such name", "Check it."))

    found = {one.link: one.finding for one in await walked(patient)}

    assert patient.looked_at == ["name", "disk"]
    for name in ("port", "tls", "session"):
        assert found[name].state is State.NOT_REACHED
        assert found[name].text == "not reached, because name is broken"
        assert not found[name].advice


async def test_a_warning_stands_in_nobodys_way() -> None:
    patient = Patient(name=warning("odd", "Look at it."))

    await walked(patient)

    assert patient.looked_at == ["name", "port", "tls", "disk", "session"]


async def test_the_verdict_names_the_first_broken_link_and_the_exit_code_is_zero_only_if_all_is_well() -> None:
    well = telling.verdict_of(await walked(Patient()))
    warned = telling.verdict_of(await walked(Patient(disk=warning("little room", "Make room."))))
    ill = telling.verdict_of(
        await walked(Patient(name=warning("odd", "Look."), tls=refused(errors.TlsFailed()), session=broken("x", "y")))
    )

    assert (well["ok"], well["broken"], telling.exit_of_verdict(well)) == (True, None, Exit.DONE)
    assert (warned["ok"], warned["broken"], warned["advice"]) == (False, None, "Make room.")
    assert telling.exit_of_verdict(warned) == Exit.REFUSED
    assert (ill["broken"], ill["advice"]) == ("tls", errors.TlsFailed.advice)
    assert telling.exit_of_verdict(ill) == Exit.FAILED


def test_what_a_server_says_can_not_colour_the_terminal() -> None:
    found = Found(
        link="name", about="\x1b[31mx", finding=broken("\x1b[2Jevil\nname", "Do this.", reason=Reason.REASON_NO_NETWORK)
    )
    console = Console(as_json=False, out=io.StringIO(), colour=False)

    line = telling.line_of(telling.event_of(found), console)

    assert "\x1b" not in line
    assert "\n" not in line
    assert telling.event_of(found)["reason"] == "NO_NETWORK"


async def test_a_name_that_is_none_and_a_port_that_is_closed_are_broken_with_the_mend() -> None:
    def resolves_nothing(_host: str, _port: int) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    listening = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        assert (await links.name(address, of=links.SERVICE)).state is State.OK
        assert (await links.port(address, of=links.SERVICE)).state is State.OK

    with socket.socket() as nobody_listens:  # the port is ours, so nobody else takes it meanwhile
        nobody_listens.bind(("127.0.0.1", 0))
        closed = await links.port(f"127.0.0.1:{nobody_listens.getsockname()[1]}", of=links.RELAY)
    unknown = await links.name("nowhere.invalid:1", of=links.SERVICE, resolve=resolves_nothing)

    assert closed.state is State.BROKEN
    assert "relay is down" in closed.advice
    assert unknown.state is State.BROKEN
    assert "--server" in unknown.advice
    assert (await links.name("no address", of=links.SERVICE)).state is State.BROKEN
    assert (await links.name("a..b:1", of=links.RELAY)).state is State.BROKEN  # no name at all to a resolver


async def test_a_resolver_that_never_answers_is_not_waited_for(tmp_path: Path) -> None:
    never = threading.Event()

    def hangs(_host: str, _port: int) -> list[object]:
        never.wait()
        return []

    finding = await links.name("nowhere.invalid:1", of=links.SERVICE, resolve=hangs, seconds=0.05)
    never.set()

    assert finding.state is State.BROKEN
    assert "was not resolved in 0.05 s" in finding.text


async def test_what_never_answers_does_not_keep_the_program_from_ending() -> None:
    """A pool's thread would: the loop waits for it, and then the interpreter does."""
    program = (
        "import asyncio, threading\nfrom dispatch.doctor.aside import aside\n"
        "try:\n    asyncio.run(aside(threading.Event().wait, seconds=0.05))\nexcept TimeoutError:\n    print('late')"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert said == b"late\n"


async def shown(certificates: Certificates, tmp_path: Path, names: Sequence[str], days: float) -> Any:
    """Show a certificate on a port."""

    keys = certificates.keys(certificates.issue(names, days=days))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.certificate, keys.key)
    context.set_alpn_protocols(["h2"])

    async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"as HTTP/2 servers do")
        await reader.read()
        writer.close()

    return await asyncio.start_server(greets, "127.0.0.1", 0, ssl=context)


@pytest.mark.parametrize(
    ("names", "days", "believed", "state", "advice"),
    [
        (HERE, 30, True, State.OK, ""),
        (HERE, 3, True, State.WARNING, "renew"),
        (HERE, -1, True, State.BROKEN, "renew"),
        (["elsewhere"], 30, True, State.BROKEN, "name"),
        (HERE, 30, False, State.BROKEN, "--ca"),
    ],
    ids=["good", "ends soon", "expired", "another name", "another authority"],
)
async def test_a_certificate_is_judged_as_this_device_would(
    tmp_path: Path, names: Sequence[str], days: float, believed: bool, state: State, advice: str
) -> None:
    theirs = Certificates(tmp_path / "theirs")
    ours = theirs if believed else Certificates(tmp_path / "ours", name="other")
    server = await shown(theirs, tmp_path, names, days)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        finding = await links.tls(ours.dialler(), address, now_ms=now_ms())
    assert finding.state is state, finding
    assert advice in finding.advice


def test_a_clock_that_is_far_off_is_a_warning_and_nothing_more() -> None:
    assert links.clock(None).state is State.OK
    assert links.clock(-900).state is State.OK
    assert links.clock(10 * 60_000).state is State.WARNING


def test_plain_keys_are_a_warning() -> None:
    assert links.keys("sealed file").state is State.OK
    assert "--passphrase-file" in links.keys("plain file").advice


async def test_a_folder_is_written_to_and_nothing_is_left_there(tmp_path: Path) -> None:
    assert (await links.disk(tmp_path)).state in (State.OK, State.WARNING)
    assert os.listdir(tmp_path) == []
    gone = await links.disk(Path(f"{tmp_path}/gone"))
    assert gone.state is State.BROKEN
    assert gone.reason == Reason.REASON_STORE_FAILED


async def test_a_damaged_database_is_broken_and_one_that_is_whole_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    connection = sqlite3.connect(file)
    connection.executescript("CREATE TABLE a (b TEXT); CREATE INDEX c ON a (b);")
    connection.executemany("INSERT INTO a VALUES (?)", [("x" * 900,) for _ in range(200)])
    connection.commit()
    connection.close()
    before = file.read_bytes()
    assert (await links.database(file, advice="Restore it.")).state is State.OK
    assert file.read_bytes() == before

    file.write_bytes(before[:8192] + bytes(4096) + before[12288:])
    damaged = await links.database(file, advice="Restore it.")

    assert (damaged.state, damaged.advice) == (State.BROKEN, "Restore it.")
    assert (await links.database(tmp_path / "none.db", advice="x")).state is State.BROKEN


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with no room left, where this machine lets us have one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"NOT RUN: no disk of our own here ({mounted.stderr.decode().strip()})")
    try:
        with contextlib.suppress(OSError):
            (folder / "fill").write_bytes(bytes(64 * 1024))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_is_broken_and_to_be_given_room(full_disk: Path) -> None:
    finding = await links.disk(full_disk)

    assert finding.state is State.BROKEN
    assert "room" in finding.advice
    assert "No space left" in finding.text
    assert os.listdir(full_disk) == ["fill"]
