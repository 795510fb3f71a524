"""`dispatch-host` as a person or a script runs it, against real services; the phone is made by hand where one is needed."""

from __future__ import annotations

import signal
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.device.home import Home
from dispatch_host.cli import until_free

from tests.support.processes import Event, run
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import PASSWORD, World, scrape


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Give both services and an account."""
    async with World(tmp_path) as world:
        await world.services()
        yield world


async def host(world: World, *words: str, stdin: str = "") -> tuple[int, list[Event]]:
    """Run one command of the host "desk"."""
    return await run("dispatch-host", *words, "--home", world.home("desk"), stdin=stdin)


@pytest.mark.big
async def test_a_wrong_password_and_a_bad_name_are_refused_by_their_reasons(world: World) -> None:
    login = ("login", "--server", world.server, "--account", "ada", "--password-stdin", "--name")

    wrong = await host(world, *login, "desk", stdin="wrong password")
    bad = await host(world, *login, "de\nsk", stdin=PASSWORD)
    away = await host(
        world, "login", "--server", "127.0.0.1:1", "--account", "ada", "--name", "d", "--password-stdin", stdin="x"
    )
    nowhere = await host(
        world, "login", "--server", "pairing", "--account", "ada", "--name", "d", "--password-stdin", stdin="x"
    )

    assert [code for code, _ in (wrong, bad, away, nowhere)] == [6, 2, 7, 2]
    reasons = [events[-1]["reason"] for _, events in (wrong, bad, away, nowhere)]
    assert reasons == ["SIGN_IN_FAILED", "BAD_REQUEST", "NO_NETWORK", "BAD_REQUEST"]
    assert "sent" not in str(away[1][-1]["text"])  # a sign-in sends nothing


@pytest.mark.big
async def test_every_command_works_before_anything_is_set_up(world: World) -> None:
    empty = await host(world, "status")
    folders = await host(world, "folders", "list")
    pair = await host(world, "pair")
    unpair = await host(world, "unpair")
    thread = await host(world, "thread")
    stop = await host(world, "stop")

    assert empty[0] == 0
    assert empty[1][0] | {"pairings": [], "running": False, "account": ""} == empty[1][0]
    assert folders == (0, [])
    assert (pair[0], pair[1][-1]["event"], pair[1][-1]["reason"]) == (4, "not_paired", "SIGN_IN_REQUIRED")
    assert [(code, events[-1]["reason"]) for code, events in (unpair, thread)] == [(6, "NOT_PAIRED")] * 2
    assert [events[-1]["text"] for _, events in (unpair, thread)] == ["This device is not paired yet."] * 2
    assert stop == (0, [{"event": "stopped", "was_running": False}])


@pytest.mark.big
async def test_folders_change_while_it_runs_and_while_it_does_not(world: World) -> None:
    await world.sign_in("dispatch-host", "desk")
    one, two = world.folder / "one", world.folder / "two"
    one.mkdir()
    two.mkdir()
    assert (await host(world, "folders", "add", str(one)))[0] == 0
    running = await world.start("dispatch-host", "run", "--home", world.home("desk"))
    await running.event("running")
    assert (await host(world, "folders", "add", str(two), "--write"))[0] == 0
    assert (await host(world, "folders", "remove", str(one)))[1][0]["removed"]

    code, while_running = await host(world, "folders", "list")
    await host(world, "stop")
    assert await running.ended() == 0
    after = await host(world, "folders", "list")

    assert code == 0
    assert while_running == [{"event": "folder", "path": str(two), "write": True}]
    assert after == (0, while_running)
    missing = await host(world, "folders", "add", str(world.folder / "none"))
    assert (missing[0], missing[1][0]["reason"]) == (2, "BAD_REQUEST")


@pytest.mark.big
async def test_what_nobody_means_is_not_approved_and_a_folder_that_holds_the_home_is_warned_of(world: World) -> None:
    await world.sign_in("dispatch-host", "desk")
    home = Path(world.home("desk"))
    (home / "inside").mkdir()
    for path in (Path("/"), home, home / "inside", world.folder / "link"):
        if path.name == "link":
            path.symlink_to(home)
        code, events = await host(world, "folders", "add", str(path))
        assert (code, events[-1]["reason"]) == (2, "BAD_REQUEST")

    code, events = await host(world, "folders", "add", str(home.parent))

    assert (code, events[0]["path"]) == (0, str(home.parent))
    assert "kept out" in str(events[0]["warning"])
    assert [event["path"] for event in (await host(world, "folders", "list"))[1]] == [str(home.parent)]


async def test_stop_says_that_the_home_is_in_use_when_the_host_is_not_gone_in_time(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.owned(), pytest.raises(errors.HomeInUse):
        await until_free(home, within_seconds=0.1)

    await until_free(home, within_seconds=DEADLINE_SECONDS)


@pytest.mark.big
async def test_a_second_run_is_refused_and_each_way_to_end_leaves_a_home_that_works(world: World) -> None:
    await world.sign_in("dispatch-host", "desk")
    socket = Path(world.home("desk")) / "control.sock"
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        running = await world.start("dispatch-host", "run", "--home", world.home("desk"), "--metrics", "127.0.0.1:0")
        started = await running.event("running")
        code, events = await host(world, "run")
        assert (code, events[-1]["reason"]) == (9, "HOME_IN_USE")
        assert b"dispatch_host_tasks_total" in await scrape(started["metrics"])

        running.signal(number)

        ended = await running.ended()
        killed = number is signal.SIGKILL
        assert ended == (-9 if killed else 0)
        assert (running.events[-1]["event"], socket.exists()) == ("running" if killed else "stopped", killed)
        code, events = await host(world, "status")
        assert (code, events[0]["running"]) == (0, False)


@pytest.mark.big
async def test_pair_shows_a_code_in_a_private_picture_and_gives_up_in_time(world: World) -> None:
    await world.sign_in("dispatch-host", "desk")
    png, svg = world.folder / "code.png", world.folder / "code.svg"

    code, events = await host(world, "pair", "--qr-png", str(png), "--qr-svg", str(svg), "--timeout", "5")

    assert code == 4
    assert [event["event"] for event in events] == ["qr", "not_paired"]
    assert events[0] | {"png": str(png), "svg": str(svg)} == events[0]
    assert str(events[0]["link"]).startswith("dispatch:pair#")
    assert events[1]["reason"] == "OFFER_EXPIRED"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()
    assert stat.S_IMODE(png.stat().st_mode) == 0o600
    assert sorted(path.name for path in world.folder.glob("*code*")) == ["code.png", "code.svg"]
    code, events = await host(world, "pair", "--qr-png", str(world.folder / "none" / "code.png"), "--timeout", "5")
    assert (code, events[-1]["reason"]) == (2, "BAD_REQUEST")  # a picture that can't be written


@pytest.mark.big
async def test_anything_but_yes_refuses_the_pairing_on_both_sides(world: World) -> None:
    await world.sign_in("dispatch-host", "desk")
    await world.sign_in("dispatch-phone", "pocket")
    for answer in ("perhaps", ""):
        await refuse(world, answer)
    assert (await host(world, "status"))[1][0]["pairings"] == []


async def refuse(world: World, answer: str) -> None:
    """Let the person at the host say something that is not yes; without a word, the end of standard input."""
    picture = world.folder / "code.png"
    on_host = await world.start("dispatch-host", "pair", "--home", world.home("desk"), "--qr-png", str(picture))
    await on_host.event("qr")
    on_phone = await world.start("dispatch-phone", "pair", "--home", world.home("pocket"), "--qr", str(picture))
    shown = [await side.event("code") for side in (on_host, on_phone)]
    await on_phone.say("yes")
    if answer:
        await on_host.say(answer)
    else:
        on_host.close_stdin()

    assert [await on_host.ended(), await on_phone.ended()] == [5, 5]
    assert on_host.events[-1]["event"] == on_phone.events[-1]["event"] == "not_paired"
    assert on_host.events[-1]["reason"] == "PAIRING_REFUSED"
    assert (shown[0]["peer"], shown[1]["peer"]) == ("pocket", "desk")


@pytest.mark.big
async def test_pairing_while_it_runs_connects_at_once_and_unpairing_cuts_at_once(world: World) -> None:
    await world.sign_in("dispatch-host", "desk")
    await world.sign_in("dispatch-phone", "pocket")
    running = await world.start("dispatch-host", "run", "--home", world.home("desk"))
    await running.event("running")

    paired, _ = await world.pair("desk", "pocket")
    connected = await running.event("connected")
    status = (await host(world, "status"))[1][0]
    thread = (await host(world, "thread"))[1]
    unpaired = await host(world, "unpair")

    assert connected["pair_id"] == paired["pair_id"]
    assert [(one["phone"], one["connected"]) for one in status["pairings"]] == [("pocket", True)]
    assert [(event["event"], event["phone"]) for event in thread] == [("paired", "pocket")]
    assert unpaired[0] == 0
    assert unpaired[1][0]["service_told"] is True
    code, events = await world.send("quick")
    assert (code, events[-1]["reason"]) in {(6, "NOT_PAIRED"), (3, "HOST_REVOKED"), (6, "DEVICE_REVOKED")}


async def test_wrong_settings_are_all_named_at_once(tmp_path: Path) -> None:
    code, events = await run(
        "dispatch-host",
        "run",
        env={
            "DISPATCH_HOME": str(tmp_path / "desk"),
            "DISPATCH_HOST_PAUSE_SECONDS": "soon",
            "DISPATCH_HOST_WATCHDOG_SECONDS": "-1",
        },
    )

    assert code == 2
    assert "DISPATCH_HOST_PAUSE_SECONDS" in str(events[0]["detail"])
    assert "DISPATCH_HOST_WATCHDOG_SECONDS" in str(events[0]["detail"])


@pytest.mark.big
async def test_keep_awake_is_chosen_with_and_without_a_running_host(world: World) -> None:
    await world.sign_in("dispatch-host", "desk")

    at_first = await host(world, "keep-awake")
    off = await host(world, "keep-awake", "off")
    wrong = await host(world, "keep-awake", "sometimes")
    process = await world.start("dispatch-host", "run", "--home", world.home("desk"))
    await process.event("running")
    running = await host(world, "keep-awake")
    while_running = await host(world, "keep-awake", "while-running")
    status = await host(world, "status")
    await host(world, "stop")

    assert (at_first[1][0]["mode"], at_first[1][0]["held"], at_first[1][0]["reason"]) == (
        "while-running",
        False,
        "NOT_RUNNING",
    )
    assert [events[0]["reason"] for _, events in (off, running)] == ["KEEP_AWAKE_OFF"] * 2
    assert wrong[0] == 2
    assert while_running[1][0]["mode"] == "while-running"
    assert status[1][0]["keep_awake"]["mode"] == "while-running"
    assert (await host(world, "keep-awake"))[1][0]["mode"] == "while-running"


@pytest.mark.big
async def test_permissions_change_and_the_audit_is_read_while_nothing_runs(world: World) -> None:
    await (await world.devices()).stop()
    files = world.folder / "files"
    (files / "count.py").write_text("print(6 * 7)\n")
    code, (terminal,) = await host(world, "permissions", "allow", "terminal", "--without-sandbox")
    assert (code, terminal) == (0, {"event": "permission", "permission": "terminal", "without_sandbox": True})
    before_ms = time.time_ns() // 1_000_000
    code, (browser,) = await host(world, "permissions", "allow", "browser", "--for", "2h")
    after_ms = time.time_ns() // 1_000_000
    assert (code, browser["permission"]) == (0, "browser")
    assert before_ms <= browser["ends_at"] - 2 * 60 * 60 * 1000 <= after_ms
    folder = {"event": "permission", "permission": "folder", "name": str(files), "write": False}
    assert (await host(world, "permissions"))[1] == (await host(world, "permissions", "list"))[1]
    given = [folder, terminal, browser]
    assert sorted((await host(world, "permissions"))[1], key=given.index) == given

    for words in (
        ("allow", "everything"),
        ("allow", "folder"),
        ("allow", "terminal", "--for", "soon"),
        ("allow", "terminal", "--write"),
        ("allow", "browser", "--without-sandbox"),
        ("revoke", "everything"),
        ("revoke", "always"),
    ):
        code, events = await host(world, "permissions", *words)
        assert (code, events[-1]["reason"]) == (2, "BAD_REQUEST"), words
    assert sorted((await host(world, "permissions"))[1], key=given.index) == given

    code, (revoked,) = await host(world, "permissions", "revoke", "browser")
    assert (code, revoked) == (0, {"event": "revoked", "permission": "browser", "revoked": True})
    code, (again,) = await host(world, "permissions", "revoke", "browser")
    assert (code, again["revoked"]) == (0, False)

    running = await world.run_host("desk")
    question = await asked_to_run(world)
    code, events = await host(world, "answer", question["task_id"], "always")
    assert code == 0, events
    assert (await world.send("run count.py"))[0] == 0, "it need not ask any more"
    await running.stop()
    always = [event for event in (await host(world, "permissions"))[1] if event["event"] == "always"]
    assert [one["rule"] for one in always] == [question["rule"]]

    _, every = await host(world, "audit", "--last", "0")
    assert (every[0]["task_id"], len({line["task_id"] for line in every})) == (question["task_id"], 2)
    assert {line["permission"] for line in every} >= {"terminal"}
    assert await host(world, "audit", "--last", "1") == (0, every[-1:])
    code, events = await host(world, "audit", "--last", "-1")
    assert code == 2

    code, (revoked,) = await host(world, "permissions", "revoke", "always", *question["rule"].split(" "))
    assert (code, revoked) == (0, {"event": "revoked", "rule": question["rule"], "revoked": True})
    code, (again,) = await host(world, "permissions", "revoke", "always", question["rule"])
    assert (code, again["revoked"]) == (0, False)
    await world.run_host("desk")
    assert (await asked_to_run(world))["rule"] == question["rule"], "it asks again"


async def asked_to_run(world: World) -> Event:
    """Have a program wanted by a phone; gives the question, which the host has shown."""
    sending = await world.start("dispatch-phone", "send", "run count.py", "--home", world.home("pocket"))
    await sending.event("asking")
    _, (question,) = await host(world, "questions")
    return question
