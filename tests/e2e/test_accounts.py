"""Accounts as people and operators use them: signing up and out, passwords, plans, versions, erasure. Real processes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.processes import Event, run
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import ACCOUNT, PASSWORD, World

pytestmark = pytest.mark.big

NEW = "a fresh staple"
SHORT_GRANTS = {"DISPATCH_PAIRING_GRANT_MS": "8000"}


async def phone(world: World, *words: str, stdin: str = "", home: str = "pocket") -> tuple[int, list[Event]]:
    return await run("dispatch-phone", *words, "--home", world.home(home), stdin=stdin)


async def host(world: World, *words: str, stdin: str = "", home: str = "desk") -> tuple[int, list[Event]]:
    return await run("dispatch-host", *words, "--home", world.home(home), stdin=stdin)


async def operator(world: World, *words: str, stdin: str = "") -> tuple[int, list[Event]]:
    return await run("dispatch-pairing", "account", *words, "--data", str(world.folder / "pairing"), stdin=stdin)


async def until_refused(world: World) -> tuple[int, Event]:
    """Send until that takes a person to mend: a grant that was given is good for its time."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            code, events = await world.send("Which files are largest?")
            if code == 6:
                return code, events[-1]


async def test_a_phone_that_was_signed_out_elsewhere_goes_dark_and_the_host_goes_on(tmp_path: Path) -> None:
    async with World(tmp_path, pairing_env=SHORT_GRANTS) as world:
        await world.services()
        running = await world.devices()
        code, events = await world.send("Which files are largest?")
        assert code == 0, events

        code, events = await host(world, "logout", "--everywhere")
        assert (code, events[-1]["event"], events[-1]["everywhere"]) == (0, "signed_out", True)

        code, last = await until_refused(world)
        assert (code, last["reason"]) == (6, "SIGN_IN_REQUIRED")
        await running.stop()
        await world.run_host("desk")  # by its key alone, with a fresh grant
        await world.sign_in("dispatch-phone", "pocket")
        code, events = await world.send("Which files are largest?")
        assert code == 0, events


async def test_a_changed_password_ends_the_phones_sign_in_but_not_ours(tmp_path: Path) -> None:
    async with World(tmp_path, pairing_env=SHORT_GRANTS) as world:
        await world.services()
        await world.devices()

        wrong = await host(world, "password", "--password-stdin", stdin=f"wrong horse\n{NEW}")
        changed = await host(world, "password", "--password-stdin", stdin=f"{PASSWORD}\n{NEW}")

        assert (wrong[0], wrong[1][-1]["reason"]) == (6, "SIGN_IN_FAILED")
        assert changed == (0, [{"event": "password_changed", "account": ACCOUNT}])
        code, last = await until_refused(world)
        assert (code, last["reason"]) == (6, "SIGN_IN_REQUIRED")
        code, events = await host(world, "logout", "--everywhere")
        assert code == 0, events
        log_in = ("login", "--server", world.server, "--account", ACCOUNT, "--name", "pocket", "--password-stdin")
        assert (await phone(world, *log_in, stdin=PASSWORD))[0] == 6
        assert (await phone(world, *log_in, stdin=NEW))[0] == 0
        code, events = await world.send("Which files are largest?")
        assert code == 0, events


async def test_a_phone_that_signs_out_is_out_at_once_and_the_thread_stays(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.services()
        await world.devices()
        code, events = await world.send("Which files are largest?")
        assert code == 0, events

        assert (await phone(world, "logout"))[1] == [
            {"event": "signed_out", "account": ACCOUNT, "everywhere": False, "service_told": True}
        ]

        code, events = await world.send("Which files are largest?")
        assert (code, events[-1]["reason"]) == (6, "SIGN_IN_REQUIRED")
        assert (await phone(world, "logout"))[0] == 6
        status = (await phone(world, "status"))[1][0]
        assert (status["signed_in"], len(status["hosts"])) == (False, 1)
        assert any(event["event"] == "ended" for event in (await phone(world, "thread"))[1])


async def test_a_device_signs_out_without_a_network_but_not_the_others(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.services()
        await world.sign_in("dispatch-phone", "pocket")
        await world.sign_in("dispatch-host", "desk")
        await world.pairing.stop()

        for program in (phone, host):
            everywhere = await program(world, "logout", "--everywhere")
            assert (everywhere[0], everywhere[1][-1]["reason"]) == (7, "NO_NETWORK")
            alone = await program(world, "logout")
            assert (alone[0], alone[1][-1]["service_told"]) == (0, False)
            assert (await program(world, "logout"))[0] == 6


async def test_people_sign_up_by_invitation_and_pair(tmp_path: Path) -> None:
    async with World(tmp_path, pairing_env={"DISPATCH_PAIRING_SIGN_UP": "invitation"}) as world:
        await world.start_pairing()
        await world.start_relay()
        sign_up = ("signup", "--server", world.server, "--account", "eve", "--password-stdin", "--name")

        code, events = await host(world, *sign_up, "desk", stdin=PASSWORD)
        assert (code, events[-1]["reason"]) == (9, "SIGN_UP_CLOSED")
        assert events[-1]["policy"] == "sign_up"
        code, events = await operator(world, "invite", "--days", "2")
        assert (code, set(events[0])) == (0, {"event", "invitation", "expires_at"})
        code, events = await host(
            world, *sign_up, "desk", "--invitation-stdin", stdin=f"{PASSWORD}\n{events[0]['invitation']}"
        )
        assert (code, [event["event"] for event in events]) == (0, ["signed_up", "signed_in"])
        code, events = await operator(world, "invite")
        again = await phone(
            world, *sign_up, "pocket", "--invitation-stdin", stdin=f"{PASSWORD}\n{events[0]['invitation']}"
        )
        assert (again[0], again[1][-1]["reason"]) == (9, "ACCOUNT_EXISTS")

        await world.sign_in("dispatch-phone", "pocket", account="eve")
        await world.pair("desk", "pocket")


async def test_the_operator_puts_accounts_on_plans_and_a_refusal_names_them(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.start_pairing()
        assert (await operator(world, "add", "ada", "--plan", "gold", "--password-stdin", stdin=PASSWORD))[0] == 2
        made = await operator(world, "add", "ada", "--plan", "team", "--password-stdin", stdin=PASSWORD)
        assert made == (0, [{"event": "added", "account": "ada", "plan": "team"}])
        await world.start_relay()
        await world.sign_in("dispatch-host", "desk")
        await world.sign_in("dispatch-phone", "pocket")
        named = {"policy": "plans", "current": "team", "required": "pro or max"}

        code, events = await host(world, "pair")
        assert (code, events[-1]) == (4, events[-1] | {"event": "not_paired", "reason": "PLAN_NOT_ALLOWED", **named})

        code, events = await operator(world, "set", "Ada", "--plan", "pro")
        assert (code, events[0]["plan"]) == (0, "pro")
        await world.pair("desk", "pocket")
        await operator(world, "set", "ada", "--plan", "enterprise")
        code, events = await world.send("Which files are largest?")
        assert (code, events[-1]["event"], events[-1]["reason"]) == (9, "not_sent", "PLAN_NOT_ALLOWED")
        assert (events[-1]["policy"], events[-1]["current"]) == ("plans", "enterprise")
        code, events = await operator(world, "list")
        assert [(one["account"], one["plan"]) for one in events] == [("ada", "enterprise")]
        assert (await operator(world, "set", "nobody", "--plan", "pro"))[1][-1]["reason"] == "ACCOUNT_UNKNOWN"


async def test_an_app_that_is_too_old_says_which_version_it_needs(tmp_path: Path) -> None:
    async with World(tmp_path, pairing_env={"DISPATCH_PAIRING_MIN_PHONE_VERSION": "99.0"}) as world:
        await world.start_pairing()
        await world.add_account("ada")
        await world.sign_in("dispatch-host", "desk")

        code, events = await phone(
            world, "login", "--server", world.server, "--account", "ada", "--name", "pocket", "--password-stdin",
            stdin=PASSWORD,
        )  # fmt: skip

        assert (code, events[-1]["reason"]) == (9, "APP_TOO_OLD")
        assert (events[-1]["policy"], events[-1]["required"]) == ("min_phone_version", "99.0")


async def test_every_mistake_in_the_environment_is_told_at_once(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        pairing_env={"DISPATCH_PAIRING_SIGN_UP": "maybe", "DISPATCH_PAIRING_PLANS": "", "DISPATCH_PAIRING_X": "1"},
    )
    async with world:
        with pytest.raises(AssertionError):
            await world.start_pairing()

        assert await world.pairing.ended() == 2
        detail = world.pairing.events[-1]["detail"]
        assert all(name in detail for name in world.pairing_env)


async def test_an_erased_account_is_gone_from_the_services(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.services()
        running = await world.devices()
        code, events = await world.send("Which files are largest?")
        assert code == 0, events
        assert rows(world.folder / "relay", "thread_row") > 0

        code, events = await operator(world, "erase", ACCOUNT)

        assert (code, events) == (0, [{"event": "erased", "account": ACCOUNT, "pairings_ended": 1}])
        await until(
            lambda: all(rows(world.folder / "relay", table) == 0 for table in ("pairing", "thread_row", "task"))
        )
        assert rows(world.folder / "pairing", "accounts") == rows(world.folder / "pairing", "devices") == 0
        assert rows(world.folder / "pairing", "pairings") == 0
        code, events = await world.send("Which files are largest?")
        assert code == 6, events
        await running.event("disconnected")
        assert (await operator(world, "erase", ACCOUNT))[1][-1]["reason"] == "ACCOUNT_UNKNOWN"


def rows(folder: Path, table: str) -> int:
    """Count the rows of a table in whichever database of the folder has it."""
    for file in [*folder.glob("*.db"), *folder.glob("*.sqlite3")]:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as database:
            known = "SELECT count(*) FROM sqlite_master WHERE name = ?"
            if database.execute(known, (table,)).fetchone()[0]:
                count: int = database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608 -- as above
                return count
    raise AssertionError(f"no table {table} in {os.listdir(folder)}")


async def until(met: Callable[[], bool]) -> None:
    """Wait for a condition in the files of other processes: relays hear within 5 s of what the operator's command did."""
    async with asyncio.timeout(2 * DEADLINE_SECONDS):
        while not met():  # noqa: ASYNC110 -- no event announces it here
            await asyncio.sleep(0.1)
