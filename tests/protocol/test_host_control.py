"""The front desk of a running host: what another program of the same owner asks is done at once."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.host.v1.host_pb2_grpc import ControlServiceStub
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1.thread_pb2 import Event
from dispatch.device.keys import PlainFiles
from dispatch.device.telling import task_word
from dispatch_host.agents import Result
from dispatch_host.agents.registry import Registry
from dispatch_host.command import task_meant
from dispatch_host.control_client import ControlClient
from dispatch_host.operations import Operations
from dispatch_host.pairings import keys_of

from tests.support.host_bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


async def test_status_says_who_is_connected_what_runs_and_what_waits(bench: Bench, tmp_path: Path) -> None:
    running = await bench.phone.sends("running")
    waiting = await bench.phone.sends("waiting")
    await bench.phone.sees(waiting.task_id, "waiting")
    await bench.phone.sees(running.task_id, "started")
    async with bench.control() as control:
        await control.add_folder(pb.Folder(path=str(tmp_path)))
        status = await control.status()

    assert status.running
    assert (status.device_name, status.account, status.server) == ("desk", "ada", bench.pairing.address)
    (pairing,) = status.pairings
    assert (pairing.phone_name, pairing.connected, pairing.phone_attached) == ("pocket", True, True)
    assert (pairing.pair_id, pairing.relay, pairing.reason) == (bench.pair_id, bench.relay.address, 0)
    assert (status.running_task.text, status.running_task.phone_name) == ("running", "pocket")
    assert [task.task_id for task in status.waiting_tasks] == [waiting.task_id]
    assert [(folder.path, folder.writable) for folder in status.folders] == [(str(tmp_path), False)]
    assert (status.key_store, status.folder_guard) == ("plain file", "openat2")


async def test_folders_are_approved_changed_listed_and_removed(bench: Bench, tmp_path: Path) -> None:
    folder, link = tmp_path / "files", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    async with bench.control() as control:
        await control.add_folder(pb.Folder(path=str(folder)))
        changed = await control.add_folder(pb.Folder(path=str(link), writable=True))
        listed = (await control.list_folders()).folders
        removed = [await control.remove_folder(str(link)), await control.remove_folder(str(link))]
        rest = (await control.list_folders()).folders

    assert (changed.path, changed.writable) == (str(folder), True)
    assert [(one.path, one.writable) for one in listed] == [(str(folder), True)]
    assert removed == [True, False]
    assert list(rest) == []


@pytest.mark.parametrize("change", ["removed", "no longer to be written"])
async def test_a_task_ends_when_a_folder_that_it_was_given_is_taken_back(
    bench: Bench, tmp_path: Path, change: str
) -> None:
    (tmp_path / "files").mkdir()
    given = pb.Folder(path=str(tmp_path / "files"), writable=True)
    async with bench.control() as control:
        await control.add_folder(given)
        sent = await bench.phone.sends("running")
        await bench.phone.sees(sent.task_id, "started")
        await bench.until(lambda: bench.agent.runs)
        await control.add_folder(pb.Folder(path=str(tmp_path)))
        assert bench.phone.of(sent.task_id)[-1].HasField("started")

        if change == "removed":
            await control.remove_folder(given.path)
            await control.remove_folder(str(tmp_path))
        else:
            await control.add_folder(pb.Folder(path=given.path))

        ended = await bench.phone.sees_end(sent.task_id)
    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_PERMISSION_TAKEN_BACK)
    assert bench.agent.closed == ["running"]


@pytest.mark.parametrize("path", ["/no/such/folder", "relative", "", "/etc/hostname"])
async def test_what_is_no_folder_is_refused_with_the_cause(bench: Bench, path: str) -> None:
    async with bench.control() as control:
        with pytest.raises(errors.BadRequest):
            await control.add_folder(pb.Folder(path=path))
        assert list((await control.list_folders()).folders) == []


async def test_a_removed_folder_may_be_gone_already(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    async with bench.control() as control:
        await control.add_folder(pb.Folder(path=str(folder)))
        folder.rmdir()
        assert await control.remove_folder(str(folder))


async def test_the_thread_is_read_as_it_was_written(bench: Bench) -> None:
    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)
    async with bench.control() as control:
        read = [Event.FromString(content) async for content in control.read_thread("")]

    assert read == bench.phone.events


@pytest.mark.parametrize(("name", "error"), [("pocket", None), ("nobody", errors.TargetUnknown)])
async def test_a_thread_is_found_by_the_phone_s_name(
    bench: Bench, name: str, error: type[errors.DispatchError] | None
) -> None:
    async with bench.control() as control:
        if error is None:
            assert [content async for content in control.read_thread(name)]
        else:
            with pytest.raises(error, match="pocket"):
                await anext(control.read_thread(name))


async def test_unpair_ends_the_phone_s_tasks_its_stream_and_its_keys_at_once(bench: Bench) -> None:
    running = await bench.phone.sends("running")
    waiting = await bench.phone.sends("waiting")
    await bench.phone.sees(running.task_id, "started")
    await bench.phone.sees(waiting.task_id, "waiting")
    await bench.until(lambda: bench.agent.runs)
    async with bench.control() as control:
        ended = await control.unpair("pocket")
        status = await control.status()
    await bench.relay.detached()

    assert (list(ended.pair_ids), ended.service_told) == ([bench.pair_id], True)
    assert bench.pairing.ended == [bench.pair_id]
    assert list(status.pairings) == []
    assert bench.phone.revoked
    assert [(await bench.phone.sees_end(task.task_id)).outcome for task in (running, waiting)] == [
        Outcome.OUTCOME_CANCELLED
    ] * 2
    assert bench.agent.closed == ["running"]
    # The one that waited was not counted: only the runner counted, and it had never run.
    assert 'dispatch_host_tasks_total{outcome="cancelled"} 2.0' in await asyncio.to_thread(bench.metrics_text)
    assert keys_of(PlainFiles.of(bench.home), bench.pair_id) is None
    assert bench.rows("SELECT count(*) FROM keep_chain") == [(0,)]


async def test_a_stream_that_the_host_leaves_is_not_counted_any_more_and_not_told_as_lost(bench: Bench) -> None:
    assert "dispatch_host_connected 1.0" in await asyncio.to_thread(bench.metrics_text)
    async with bench.control() as control:
        await control.unpair("pocket")

    assert "dispatch_host_connected 0.0" in await asyncio.to_thread(bench.metrics_text)
    assert bench.told == ["running", "connected"]


async def test_a_pairing_service_that_is_away_is_told_of_an_end_later(bench: Bench) -> None:
    bench.pairing.away = True
    async with bench.control() as control:
        ended = await control.unpair("")
    assert not ended.service_told
    await bench.stops()
    bench.pairing.away = False

    bench.starts()
    await bench.until(lambda: bench.pairing.ended == [bench.pair_id])
    await bench.until(lambda: bench.rows("SELECT count(*) FROM ending") == [(0,)])


async def test_without_a_pairing_nothing_can_be_unpaired(bench: Bench) -> None:
    async with bench.control() as control:
        await control.unpair("")
        with pytest.raises(errors.NotPaired):
            await control.unpair("")


async def test_the_same_desk_works_from_the_files_alone(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        with bench.owned() as owned:
            desk = Operations(owned, agents=Registry([]), running=None)
            status = await desk.status()
            with pytest.raises(errors.NotRunning):
                await desk.stop(0)  # type: ignore[arg-type]  # absence
            ended = await desk.unpair("")

        assert not status.running
        assert [pairing.reason for pairing in status.pairings] == [errors.NotRunning.reason]
        assert ended.service_told


async def test_a_second_process_does_not_get_the_home(bench: Bench) -> None:
    with pytest.raises(errors.HomeInUse), bench.owned():
        pass


async def test_only_the_owner_can_open_the_socket(bench: Bench) -> None:
    assert stat.S_IMODE(bench.home.socket().stat().st_mode) == 0o600
    assert stat.S_IMODE(bench.home.path.stat().st_mode) == 0o700


async def test_a_socket_left_by_a_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(bench.home.socket()))
        left.close()
        with pytest.raises(errors.NotRunning):
            async with ControlClient(bench.home) as control:
                await control.status()

        await bench.runs()

        async with bench.control() as control:
            assert (await control.status()).running


async def test_pair_says_at_once_when_the_first_word_is_not_start(bench: Bench) -> None:
    async with grpc.aio.insecure_channel(f"unix:{bench.home.socket()}") as channel:
        call = ControlServiceStub(channel).Pair()
        await call.write(pb.PairRequest(answer=pb.PairAnswer(yes=True)))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_stop_comes_back_when_the_phone_was_told_and_within_five_seconds(bench: Bench) -> None:
    sent = await bench.phone.sends("running")
    await bench.phone.sees(sent.task_id, "started")

    async with asyncio.timeout(5):  # docs/cli.md says so
        await bench.stops()

    assert bench.phone.kinds(sent.task_id)[-1] == "ended"
    assert not bench.home.socket().exists()


async def test_a_task_is_meant_by_the_beginning_of_its_id(bench: Bench) -> None:
    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    whole = task_word(sent.task_id)
    async with bench.control() as control:
        for said in (whole, whole[:8], whole[:4].upper(), whole.replace("-", "")):
            assert await task_meant(control, said) == sent.task_id
        with pytest.raises(errors.TaskUnknown):
            await task_meant(control, "0000" if not whole.startswith("0000") else "1111")
        with pytest.raises(errors.BadRequest):
            await task_meant(control, "work")
    bench.agent.says("work", Result("done"))
    await bench.phone.sees_end(sent.task_id)
