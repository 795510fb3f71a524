"""deploy/compose.scale.yaml for real: two of each service, driven from outside through the load balancer, while parts of it end.

The host and the phone here are ordinary processes on this computer, which know one address: the load balancer's.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.compose.stack import DOCKER, Stack
from tests.support.lateness import never_started
from tests.support.ports import port_to_come_back_to
from tests.support.processes import Event, run
from tests.support.waiting import DEADLINE_SECONDS, until_so
from tests.support.world import ACCOUNT, PASSWORD, World

pytestmark = pytest.mark.timeout(900)

PORTS = {
    f"DISPATCH_{name}_PORT": str(port_to_come_back_to()) for name in ("PAIRING", "PAIRING_WEB", "RELAY", "RELAY_WEB")
}
STACK = Stack("dispatch-test-scale", scale=True, environment={**PORTS, "DISPATCH_NETWORK": "10.73.9"})
SERVER = f"localhost:{PORTS['DISPATCH_PAIRING_PORT']}"
DATABASE = ("--data", "/var/lib/dispatch", "--database", "/certs/database")


@pytest.fixture(scope="module")
def up() -> Iterator[str]:
    """Everything started by `make up SCALE=1`; gives what it said."""
    with STACK.up() as said:
        add = ("exec", "-T", "pairing", "dispatch-pairing", "account", "add", ACCOUNT, *DATABASE, "--password-stdin")
        STACK.compose(*add, stdin=PASSWORD)
        yield said


class Outside(World):
    """Devices on this computer, of services in containers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = SERVER
        ca = folder / "ca.pem"
        self.login_options = ("--ca", str(ca))
        ca.write_text(STACK.compose("exec", "-T", "host", "cat", "/ca/ca.pem"))
        self.sent: list[str] = []

    async def done(self, text: str, *options: str) -> list[Event]:
        """Have a task done, however often it takes to get it there; every attempt is the same task, while it can still start."""
        task_id = str(uuid.uuid4())
        async with asyncio.timeout(2 * DEADLINE_SECONDS):
            while True:
                _, events = await self.send(text, "--id", task_id, *options)
                if events[-1]["event"] == "done":
                    self.sent.append(task_id.replace("-", ""))
                    return events
                if never_started(events[-1]):  # that one is over
                    task_id = str(uuid.uuid4())

    async def tasks(self) -> list[Event]:
        """List what the host has of tasks, but for those that came too late to start."""
        code, events = await run("dispatch-host", "tasks", "--limit", "1000", "--home", self.home("desk"))
        assert code == 0, events
        return [event for event in events if event["event"] == "listed" and not never_started(event)]


@pytest.fixture
async def outside(up: str, tmp_path: Path) -> AsyncIterator[Outside]:
    """A host and a phone, paired through the load balancer, with a folder of files."""
    assert up
    outside = Outside(tmp_path)
    async with outside:
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / "report.txt").write_text("the quarterly report\n")
        await outside.devices()
        yield outside


def test_one_command_leads_to_a_first_finished_task_through_the_load_balancer(up: str) -> None:
    assert "spending.csv" in up
    assert "-f deploy/compose.scale.yaml run --rm phone send" in up


async def test_nothing_is_lost_or_doubled_whatever_ends(outside: Outside) -> None:
    large = os.urandom(3_000_003)
    (outside.folder / "files" / "large.bin").write_bytes(large)
    note = outside.folder / "note.csv"
    note.write_text("city,sales\nBonn,3\n")
    events = await outside.done("Summarise the attached csv", "--attach", str(note))
    assert "sales" in events[-1]["text"]
    events = await outside.done("Send me the largest file")
    assert next(event for event in events if event["event"] == "artifact")["size"] == len(large)
    into = outside.folder / "fetched"
    into.mkdir()
    code, events = await run(
        "dispatch-phone", "files", "get", "large.bin", "--into", str(into), "--home", outside.home("pocket")
    )
    assert code == 0, events
    assert (into / "large.bin").read_bytes() == large

    for service in ("relay", "relay2", "pairing"):
        STACK.compose("kill", service)
        await outside.done("Which files are largest?")
        if service == "pairing":
            # What only the pairing service answers, from the one that is left.
            code, events = await run("dispatch-phone", "devices", "--home", outside.home("pocket"))
            assert code == 0, events
        STACK.compose("start", service)
    for service in ("postgres", "nats", "balancer"):
        STACK.compose("restart", service)
        await outside.done("Which files are largest?")

    listed = await outside.tasks()
    assert Counter(one["task_id"].replace("-", "") for one in listed) == Counter(outside.sent)
    assert {one["state"] for one in listed} == {"done"}
    # Everything is back, without a hand.
    STACK.compose("up", "--detach", "--wait", "--no-build")


@pytest.mark.usefixtures("up")
async def test_prometheus_scrapes_each_of_several() -> None:
    address = STACK.compose("port", "prometheus", "9090").strip()
    query = urllib.parse.urlencode({"query": "count by (job) (up == 1)"})

    async def said() -> dict[str, str]:
        with await asyncio.to_thread(
            urllib.request.urlopen, f"http://{address}/api/v1/query?{query}", timeout=DEADLINE_SECONDS
        ) as answer:
            return {one["metric"]["job"]: one["value"][1] for one in json.load(answer)["data"]["result"]}

    async def each_is_read() -> bool:
        return await said() == {"pairing": "2", "relay": "2", "host": "1"}

    await until_so(each_is_read)


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize(
    ("service", "files"),
    [
        ("pairing", {"services.key", "tls.key", "database", "bus"}),
        ("pairing2", {"services.key", "tls.key", "database", "bus"}),
        ("relay", {"services.key", "tls.key", "database", "bus"}),
        ("postgres", {"tls.key", "pairing.password", "relay.password"}),
        ("nats", {"tls.key"}),
        ("balancer", {"tls.key", "shown.pem"}),
    ],
)
def test_each_container_sees_its_own_secrets_only(service: str, files: set[str]) -> None:
    found = STACK.compose("exec", "-T", service, "find", "/certs", "-type", "f", "-perm", "600")

    assert {Path(path).name for path in found.split()} == files


@pytest.mark.usefixtures("up")
def test_no_password_is_in_an_environment_a_command_line_or_a_log() -> None:
    passwords = [
        STACK.compose("exec", "-T", "postgres", "cat", f"/certs/{name}.password").strip()
        for name in ("pairing", "relay")
    ]
    told = [STACK.compose("config"), STACK.compose("logs")]
    for container in STACK.compose("ps", "--all", "--quiet").split():
        told.append(subprocess.run([DOCKER, "inspect", container], check=True, capture_output=True, text=True).stdout)
        told.append(subprocess.run([DOCKER, "top", container], check=True, capture_output=True, text=True).stdout)

    for password in passwords:
        assert len(password) == 32
        assert not [text for text in told if password in text]


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        # Another service's database, with one's own password; any database in the clear.
        ("postgresql://relay:{relay}@postgres/pairing?sslmode=require", "no pg_hba.conf entry"),
        ("postgresql://relay:{relay}@postgres/relay?sslmode=disable", "no pg_hba.conf entry"),
        ("postgresql://relay:wrong@postgres/relay?sslmode=require", "password authentication failed"),
    ],
)
def test_the_database_lets_each_service_into_its_own_part_over_tls_only(asked: str, refused: str) -> None:
    password = STACK.compose("exec", "-T", "postgres", "cat", "/certs/relay.password").strip()
    ask = (
        "import asyncio, asyncpg, sys\n"
        f"asyncio.run(asyncpg.connect(sys.stdin.readline().strip(), timeout={DEADLINE_SECONDS}))"
    )

    with pytest.raises(subprocess.CalledProcessError) as failed:
        STACK.compose("exec", "-T", "relay", "python", "-c", ask, stdin=asked.format(relay=password))

    assert refused in failed.value.stderr


@pytest.mark.usefixtures("up")
def test_the_bus_lets_nobody_in_without_a_certificate() -> None:
    ask = (
        "import asyncio, nats, ssl\n"
        "context = ssl.create_default_context(cafile='/certs/services-ca.pem')\n"
        "asyncio.run(nats.connect('tls://nats:4222', tls=context, allow_reconnect=False, connect_timeout=5))\n"
    )

    with pytest.raises(subprocess.CalledProcessError) as failed:
        STACK.compose("exec", "-T", "relay", "python", "-c", ask)

    assert "Error" in failed.value.stderr


@pytest.mark.usefixtures("up")
def test_what_is_published_is_published_to_this_computer_only() -> None:
    published = [json.loads(line)["Ports"] for line in STACK.compose("ps", "--format", "json").splitlines()]

    assert any("127.0.0.1:" in ports for ports in published)
    assert not [ports for ports in published if "0.0.0.0:" in ports or "[::]:" in ports]
