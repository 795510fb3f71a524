"""What agents may do is the owner's to say: asked at each use, in force at once, and known to the phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch_host.agents import Result
from dispatch_host.permissions.permission import NETWORK, TERMINAL, UNCONFINED, Kind, Permission
from dispatch_host.permissions_cli import without_effect

from tests.support.host_bench import Bench, Deed

TERMINAL_GIVEN = pb.Permission(kind=pb.PERMISSION_KIND_TERMINAL)
NETWORK_GIVEN = pb.Permission(kind=pb.PERMISSION_KIND_NETWORK)
HOUR_MS = 3_600_000


def uses(permission: Permission, subject: str = "make") -> Deed:
    return lambda gate, _ask, _words: gate.use(permission, subject)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


async def started(bench: Bench, text: str) -> bytes:
    sent = await bench.phone.sends(text)
    await bench.phone.sees(sent.task_id, "started")
    return sent.task_id


async def test_what_is_not_permitted_ends_the_task_and_says_what_it_was(bench: Bench) -> None:
    task_id = await started(bench, "work")
    bench.agent.says("work", uses(TERMINAL))

    ended = await bench.phone.sees_end(task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_NOT_PERMITTED)
    assert ended.text.endswith("It is: terminal.")
    async with bench.control() as control:
        lines = [line async for line in control.read_audit(0, task_id)]
    assert [(line.permission, line.subject, line.verdict) for line in lines] == [
        ("terminal", "make", host_pb2.AUDIT_VERDICT_REFUSED)
    ]


async def test_what_is_given_while_a_task_runs_is_there_for_its_next_use(bench: Bench, tmp_path: Path) -> None:
    async def sees(gate: Any, _ask: object, _words: object) -> object:
        return [folder.path for folder in gate.folders], gate.has(TERMINAL), gate.has(NETWORK)

    task_id = await started(bench, "work")
    bench.agent.says("work", sees)
    await bench.until(lambda: bench.agent.heard)
    async with bench.control() as control:
        await control.add_folder(host_pb2.Folder(path=str(tmp_path)))
        await control.allow_permission(NETWORK_GIVEN, 0)
        await control.allow_permission(pb.Permission(kind=pb.PERMISSION_KIND_TERMINAL, without_sandbox=True), 0)
    bench.agent.says("work", sees, uses(TERMINAL), Result("done"))
    await bench.phone.sees_end(task_id)

    assert bench.agent.heard[:2] == [([], False, False), ([tmp_path], True, True)]
    grant: Any = bench.agent.heard[2]
    assert grant.permission == UNCONFINED


@pytest.mark.parametrize("how", ["taken back", "over"])
async def test_a_task_ends_when_what_it_has_used_is_not_permitted_any_more(bench: Bench, how: str) -> None:
    async with bench.control() as control:
        await control.allow_permission(TERMINAL_GIVEN, HOUR_MS if how == "over" else 0)
        task_id = await started(bench, "work")
        bench.agent.says("work", uses(TERMINAL))
        await bench.until(lambda: bench.agent.heard)

        if how == "over":
            bench.clock.wall_ahead_ms = HOUR_MS
        else:
            assert await control.revoke_permission(TERMINAL_GIVEN)

        ended = await bench.phone.sees_end(task_id)
        assert not (await control.list_permissions()).permissions
    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_PERMISSION_TAKEN_BACK)
    assert "terminal" in ended.text
    assert bench.agent.closed == ["work"]


async def test_a_task_that_runs_unconfined_ends_when_its_owner_wants_the_sandbox_again(bench: Bench) -> None:
    async with bench.control() as control:
        await control.allow_permission(pb.Permission(kind=pb.PERMISSION_KIND_TERMINAL, without_sandbox=True), 0)
        task_id = await started(bench, "work")
        bench.agent.says("work", uses(UNCONFINED))
        await bench.until(lambda: bench.agent.heard)

        await control.allow_permission(TERMINAL_GIVEN, 0)

    ended = await bench.phone.sees_end(task_id)
    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_PERMISSION_TAKEN_BACK)


async def test_a_task_goes_on_when_something_is_taken_back_that_it_never_used(bench: Bench) -> None:
    async with bench.control() as control:
        await control.allow_permission(TERMINAL_GIVEN, 0)
        task_id = await started(bench, "work")
        await control.revoke_permission(TERMINAL_GIVEN)
        assert not await control.revoke_permission(TERMINAL_GIVEN)
    bench.agent.says("work", Result("done"))

    assert (await bench.phone.sees_end(task_id)).outcome == Outcome.OUTCOME_DONE


async def test_permissions_outlive_the_process_and_end_while_it_is_not_there(bench: Bench) -> None:
    async with bench.control() as control:
        await control.allow_permission(TERMINAL_GIVEN, HOUR_MS)
        await control.allow_permission(NETWORK_GIVEN, 2 * HOUR_MS)
    await bench.dies()

    bench.clock.wall_ahead_ms = HOUR_MS
    await bench.runs()

    async with bench.control() as control:
        assert [one.kind for one in (await control.list_permissions()).permissions] == [pb.PERMISSION_KIND_NETWORK]


async def test_the_phone_hears_what_is_permitted_at_the_beginning_of_a_session_and_when_it_changes(
    bench: Bench, tmp_path: Path
) -> None:
    assert bench.phone.begins[-1].permissions == pb.Permissions()
    async with bench.control() as control:
        await control.add_folder(host_pb2.Folder(path=str(tmp_path), writable=True))
    folder = pb.Permission(kind=pb.PERMISSION_KIND_FOLDER, name=str(tmp_path), write=True)
    told = pb.Permissions(permissions=[folder])
    await bench.relay.until(lambda: any(item.permissions == told for item in bench.phone.live))

    await bench.phone.shakes_hands()

    assert bench.phone.begins[-1].permissions == told


@pytest.mark.parametrize(
    "wrong",
    [
        pb.Permission(),
        pb.Permission(kind=pb.PERMISSION_KIND_TERMINAL, name="x"),
        pb.Permission(kind=pb.PERMISSION_KIND_CONNECTOR),
        pb.Permission(kind=pb.PERMISSION_KIND_CONNECTOR, name="a\nb"),
        pb.Permission(kind=pb.PERMISSION_KIND_BROWSER, without_sandbox=True),
        pb.Permission(kind=pb.PERMISSION_KIND_BROWSER, write=True),
        pb.Permission(kind=pb.PERMISSION_KIND_FOLDER, name="/no/such/folder"),
        pb.Permission(kind=pb.PERMISSION_KIND_FOLDER, name="relative"),
        pb.Permission(kind=pb.PERMISSION_KIND_FOLDER, name="/"),
    ],
)
async def test_what_can_not_be_permitted_is_refused(bench: Bench, wrong: pb.Permission) -> None:
    async with bench.control() as control:
        with pytest.raises(errors.BadRequest):
            await control.allow_permission(wrong, 0)
        assert not (await control.list_permissions()).permissions


@pytest.mark.big
async def test_more_permissions_than_fit_are_counted_and_the_session_begins_all_the_same(bench: Bench) -> None:
    async with bench.control() as control:
        for number in range(200):
            name = f"{number:03}" + "x" * 190
            await control.allow_permission(pb.Permission(kind=pb.PERMISSION_KIND_CONNECTOR, name=name), 0)

        await bench.phone.shakes_hands()

        told = bench.phone.begins[-1].permissions
        assert len(told.permissions) + told.left_out == 200
        assert told.left_out > 0
        assert len((await control.list_permissions()).permissions) == 200


def test_a_folder_permission_names_its_folder() -> None:
    assert Permission(Kind.FOLDER, "/a", write=True).words == "folder /a write"


async def test_a_permission_that_allows_nothing_yet_is_said_to_when_it_is_given(bench: Bench) -> None:
    network = {"permission": "network", "name": ""}
    async with bench.control() as control:
        await control.allow_permission(TERMINAL_GIVEN, 0)
        assert await without_effect(control, network) == ""
        await control.revoke_permission(TERMINAL_GIVEN)
        assert "permissions allow terminal" in await without_effect(control, network)
        assert "no connector is called nosuch" in await without_effect(
            control, {"permission": "connector", "name": "nosuch/read"}
        )
