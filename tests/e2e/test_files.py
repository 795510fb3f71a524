"""Files both ways with real processes: attachments to the computer, artifacts to the phone, through a relay that keeps nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch.address import Address

from tests.support.processes import Event, Process, run
from tests.support.proxy import Proxy
from tests.support.waiting import until
from tests.support.world import World

pytestmark = pytest.mark.big

CSV = "city,sales\nBonn,3\nUlm,5\nKiel,7\n"
MIB = 1024 * 1024
FILM_BYTES = 24 * MIB
MIDDLE_CHUNK = 300
"""Of a proxy that carries a film over both of its sides in some 770 chunks, or more."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        await world.services()
        yield world


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[tuple[World, Proxy]]:
    """Give a world whose devices reach the relay through a proxy."""
    async with World(tmp_path) as world, Proxy("127.0.0.1:1") as proxy:
        await world.start_pairing()
        await world.start_relay("--advertise", proxy.address)
        proxy.target = Address.parse(world.relay_address)
        await world.add_account("ada")
        yield world, proxy


def on_phone(world: World, name: str, content: bytes | str) -> Path:
    """Write a file that the phone may attach."""
    path = world.folder / "phone-files" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def on_host(world: World, name: str, content: bytes) -> Path:
    """Write a file into the approved folder."""
    path = world.folder / "files" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def inbox(world: World) -> Path:
    return world.folder / "desk" / "attachments" / "1"


def left_over(world: World) -> list[str]:
    """List what is still arriving on the host."""
    folder = world.folder / "desk" / "attachments" / ".arriving"
    return os.listdir(folder) if folder.is_dir() else []


async def sent(world: World, words: str) -> Event:
    """Have the host send a file; gives the event that names it."""
    code, events = await world.send(words)
    assert code == 0, events
    return next(event for event in events if event["event"] == "artifact")


def getting(world: World, what: str, *options: str) -> tuple[str, ...]:
    into = world.folder / "fetched"
    into.mkdir(exist_ok=True)
    return "dispatch-phone", "files", "get", what, "--into", str(into), "--home", world.home("pocket"), *options


async def test_files_go_with_a_task_and_come_back_and_are_listed(world: World) -> None:
    content = os.urandom(1_000_003)
    on_host(world, "large.bin", content)
    await world.devices()
    csv, picture = on_phone(world, "report.csv", CSV), on_phone(world, "picture.png", os.urandom(200_000))

    code, events = await world.send("Summarise the attached csv", "--attach", str(csv), "--attach", str(picture))

    assert code == 0, events
    assert [event["name"] for event in events if event["event"] == "attached"] == ["report.csv", "picture.png"]
    assert "`Attachments/report.csv`" in events[-1]["text"]
    assert "sales" in events[-1]["text"]
    assert sorted(os.listdir(inbox(world))) == ["picture.png", "report.csv"]
    assert (inbox(world) / "report.csv").read_text() == CSV

    artifact = await sent(world, "Send me the largest file")

    assert (artifact["name"], artifact["size"]) == ("large.bin", len(content))
    code, events = await run(*getting(world, "large.bin"))
    assert code == 0, events
    assert events[-1]["event"] == "fetched"
    assert events[-1]["sha256"] == sha256(content).hexdigest()
    fetched = world.folder / "fetched"
    assert (fetched / "large.bin").read_bytes() == content
    assert os.listdir(fetched) == ["large.bin"]

    code, listed = await run("dispatch-phone", "files", "--home", world.home("pocket"))
    assert code == 0
    assert [(one["kind"], one["name"], one["state"]) for one in listed] == [
        ("attachment", "report.csv", "sent"),
        ("attachment", "picture.png", "sent"),
        ("artifact", "large.bin", "fetched"),
    ]
    assert listed[2]["path"] == str(fetched / "large.bin")
    assert await world.sample('dispatch_relay_transfer_ends_total{reason="bye"}') == 3
    assert await world.sample('dispatch_relay_transfer_bytes_total{to="host"}') > 200_000
    assert await world.sample('dispatch_relay_transfer_bytes_total{to="phone"}') > 1_000_000


async def test_the_relay_knows_sizes_and_no_names_and_keeps_nothing(world: World) -> None:
    content = os.urandom(100_000)
    on_host(world, "secret-plans.bin", content)
    await world.devices()
    await sent(world, "Send me secret-plans.bin")
    code, events = await run(*getting(world, "secret-plans.bin"))
    assert code == 0, events
    await world.relay.stop()

    kept = [path.read_bytes() for path in (world.folder / "relay").rglob("*") if path.is_file()]

    assert not [one for one in (*kept, bytes(world.relay.stderr)) if b"secret-plans" in one or content[:64] in one]


async def test_an_attachment_goes_on_after_a_cut_from_where_it_was(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    await world.devices()
    content = os.urandom(FILM_BYTES)
    path = on_phone(world, "film.mp4", content)
    proxy.cut_at_chunk = proxy.chunks + MIDDLE_CHUNK

    code, events = await world.send("List attachments", "--attach", str(path))

    assert code == 0, events
    assert (inbox(world) / "film.mp4").read_bytes() == content
    assert left_over(world) == []
    assert await world.sample('dispatch_relay_transfer_ends_total{reason="bye"}') == 1
    # It was cut, and what had arrived by then did not come again.
    assert proxy.chunks > proxy.cut_at_chunk
    assert await world.sample('dispatch_relay_transfer_bytes_total{to="host"}') < FILM_BYTES + 10 * MIB


async def test_an_attachment_survives_a_restart_of_the_relay(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    await world.devices()
    content = os.urandom(FILM_BYTES)
    path = on_phone(world, "film.mp4", content)
    proxy.freeze_at_chunk = proxy.chunks + MIDDLE_CHUNK
    sending = await world.start(
        "dispatch-phone", "send", "List attachments", "--attach", str(path), "--home", world.home("pocket")
    )
    await until(lambda: proxy.frozen)

    await world.relay.stop()
    await world.start_relay("--advertise", proxy.address, listen=world.relay_address)
    proxy.thaw()

    assert await sending.ended() == 0, sending
    assert (inbox(world) / "film.mp4").read_bytes() == content
    # The new relay carried what was missing, and not all of it.
    assert 0 < await world.sample('dispatch_relay_transfer_bytes_total{to="host"}') < FILM_BYTES


async def test_fetching_goes_on_after_ctrl_c_and_no_part_is_seen_under_its_name(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    content = os.urandom(FILM_BYTES)
    on_host(world, "film.mp4", content)
    await world.devices()
    await sent(world, "Send me film.mp4")
    proxy.freeze_at_chunk = proxy.chunks + MIDDLE_CHUNK
    fetching = await world.start(*getting(world, "film.mp4"))
    await until(lambda: proxy.frozen)

    fetching.signal(signal.SIGINT)

    assert await fetching.ended() == 130
    fetched = world.folder / "fetched"
    assert "film.mp4" not in os.listdir(fetched)
    proxy.thaw()
    code, events = await run(*getting(world, "film.mp4"))
    assert code == 0, events
    assert next(event for event in events if event["event"] == "transfer")["done"] > 0
    assert (fetched / "film.mp4").read_bytes() == content
    assert os.listdir(fetched) == ["film.mp4"]


async def test_a_task_passes_while_a_file_is_on_its_way(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    on_host(world, "small.bin", b"x")
    await world.devices()
    path = on_phone(world, "film.mp4", os.urandom(FILM_BYTES))
    proxy.most_chunks = MIDDLE_CHUNK // 2  # the file stops in its middle, with all under way that may be
    sending = await world.start(
        "dispatch-phone", "send", "List attachments", "--attach", str(path), "--home", world.home("pocket")
    )
    await until(lambda: proxy.frozen_alone)

    code, events = await world.send("What are the largest files?")

    assert code == 0, events
    assert "small.bin" in events[-1]["text"]
    assert not [event for event in sending.events if event["event"] == "attached"]
    assert sending.returncode is None
    sending.signal(signal.SIGINT)
    assert await sending.ended() == 130
    assert sending.events[-1]["event"] == "not_sent"


async def test_when_the_host_is_away_fetching_is_refused_at_once_with_the_cause_and_listing_works(world: World) -> None:
    on_host(world, "large.bin", b"x" * 1000)
    host = await world.devices()
    await sent(world, "Send me large.bin")
    await host.stop()

    code, events = await run(*getting(world, "large.bin"))

    assert code == 3
    assert events[-1]["reason"] == "HOST_APP_CLOSED"
    await world.relay.stop()
    code, listed = await run("dispatch-phone", "files", "--home", world.home("pocket"))
    assert code == 0
    assert [(one["name"], one["state"]) for one in listed] == [("large.bin", "there")]


async def test_a_task_with_a_file_for_a_host_that_is_away_is_refused_with_the_cause_and_counted(world: World) -> None:
    host = await world.devices()
    await host.stop()
    counted = 'dispatch_relay_host_offline_failures_total{cause="app_closed"}'
    before = await world.sample(counted)

    code, events = await world.send("Summarise the attached file", "--attach", str(on_phone(world, "a.csv", CSV)))

    assert code == 3
    assert (events[-1]["event"], events[-1]["reason"]) == ("refused", "HOST_APP_CLOSED")
    assert await world.sample(counted) == before + 1


async def test_a_host_without_room_says_so_the_task_is_not_sent_and_nothing_is_left(world: World) -> None:
    await world.devices(env={"DISPATCH_HOST_ATTACHMENTS_BYTES": "1000"})

    code, events = await world.send("List attachments", "--attach", str(on_phone(world, "a.bin", os.urandom(1001))))

    assert code == 9, events
    assert (events[-1]["event"], events[-1]["reason"]) == ("not_sent", "NO_ROOM")
    assert left_over(world) == []
    code, events = await world.send("List attachments", "--attach", str(on_phone(world, "b.bin", os.urandom(999))))
    assert code == 0, events


async def test_a_file_over_the_hosts_limit_is_refused_and_the_limit_is_a_setting(world: World) -> None:
    await world.devices(env={"DISPATCH_HOST_FILE_BYTES": "1000"})
    on_host(world, "large.bin", b"x" * 1001)

    code, events = await world.send("List attachments", "--attach", str(on_phone(world, "a.bin", os.urandom(1001))))
    assert (code, events[-1]["reason"]) == (9, "TOO_LARGE")

    code, events = await world.send("Send me large.bin")
    assert (code, events[-1]["reason"]) == (4, "TOO_LARGE")


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of that size."""
    folder.mkdir()
    if (
        os.getuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("mounting a small disk takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


async def test_a_full_disk_on_the_phone_is_said_and_nothing_is_left(world: World) -> None:
    on_host(world, "large.bin", os.urandom(3 * MIB))
    await world.devices()
    await sent(world, "Send me large.bin")

    with small_disk(world.folder / "disk", "2m") as disk:
        code, events = await run(*getting(world, "large.bin", "--into", str(disk)))

        assert (code, events[-1]["reason"]) == (9, "NO_ROOM")
        assert os.listdir(disk) == []


async def test_a_file_that_was_changed_since_is_not_given_and_asking_again_names_it_anew(world: World) -> None:
    path = on_host(world, "plan.txt", b"one plan")
    await world.devices()
    first = await sent(world, "Send me plan.txt")
    path.write_bytes(b"new plan")

    code, events = await run(*getting(world, first["file_id"]))
    assert (code, events[-1]["reason"]) == (9, "FILE_CHANGED")

    again = await sent(world, "Send me plan.txt")
    assert again["file_id"] != first["file_id"]
    code, events = await run(*getting(world, "plan.txt"))
    assert code == 0, events
    assert (world.folder / "fetched" / "plan.txt").read_bytes() == b"new plan"


async def test_a_folder_that_is_no_longer_approved_gives_nothing(world: World) -> None:
    on_host(world, "plan.txt", b"a plan")
    await world.devices()
    await sent(world, "Send me plan.txt")
    files = str(world.folder / "files")
    code, events = await run("dispatch-host", "folders", "remove", files, "--home", world.home("desk"))
    assert code == 0, events

    code, events = await run(*getting(world, "plan.txt"))

    assert (code, events[-1]["reason"]) == (9, "FOLDER_NOT_APPROVED")


async def test_nothing_is_overwritten_unless_that_is_said(world: World) -> None:
    on_host(world, "plan.txt", b"a plan")
    await world.devices()
    await sent(world, "Send me plan.txt")
    fetched = world.folder / "fetched"
    for expected in ({"plan.txt"}, {"plan.txt", "plan (2).txt"}):
        code, events = await run(*getting(world, "plan.txt"))
        assert code == 0, events
        assert set(os.listdir(fetched)) == expected
    (fetched / "plan.txt").write_bytes(b"mine")

    code, events = await run(*getting(world, "plan.txt", "--force"))

    assert code == 0, events
    assert (fetched / "plan.txt").read_bytes() == b"a plan"


async def test_unpairing_deletes_the_attachments(world: World) -> None:
    await world.devices()
    code, events = await world.send("List attachments", "--attach", str(on_phone(world, "a.csv", CSV)))
    assert code == 0, events
    assert os.listdir(inbox(world)) == ["a.csv"]

    code, events = await run("dispatch-host", "unpair", "--home", world.home("desk"))

    assert code == 0, events
    assert not inbox(world).exists()


async def test_what_is_no_file_and_a_file_of_which_nobody_heard_are_refused(world: World) -> None:
    await world.devices()
    for path in (world.folder, world.folder / "nothing"):
        code, events = await world.send("List attachments", "--attach", str(path))
        assert (code, events[-1]["reason"]) == (2, "BAD_REQUEST")
    limit = {"DISPATCH_PHONE_FILE_BYTES": "30"}
    sending = ("dispatch-phone", "send", "List attachments", "--home", world.home("pocket"), "--attach")
    code, events = await run(*sending, str(on_phone(world, "a.csv", CSV)), env=limit)
    assert (code, events[-1]["reason"]) == (9, "TOO_LARGE")
    code, events = await run(*getting(world, "nothing.txt"))
    assert (code, events[-1]["reason"]) == (9, "FILE_UNKNOWN")


def most_memory(process: Process) -> int:
    """Give the most memory that a process ever had, bytes; 0 when it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024


@pytest.mark.timeout(900)
async def test_a_file_of_2_gib_arrives_and_no_process_needs_memory_for_it(world: World) -> None:
    host = await world.devices()
    path = on_phone(world, "disk.img", b"begins")
    os.truncate(path, 2 * 1024 * MIB)
    with path.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"ends")
    before = {process: most_memory(process) for process in (host, world.relay)}
    sending = await world.start(
        "dispatch-phone", "send", "List attachments", "--attach", str(path), "--home", world.home("pocket")
    )
    of_phone = [most_memory(sending) async for event in sending.stream() if event["event"] == "transfer"]

    assert await sending.ended() == 0, sending
    arrived = inbox(world) / "disk.img"
    digests = set()
    for one in (path, arrived):
        with one.open("rb") as file:
            hasher = sha256()
            while part := file.read(MIB):
                hasher.update(part)
            digests.add(hasher.digest())
    assert len(digests) == 1
    assert all(most_memory(process) - known < 64 * MIB for process, known in before.items())
    assert max(of_phone) - of_phone[0] < 64 * MIB
