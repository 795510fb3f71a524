"""How long a host's direct path lives, and who may keep it alive: the phone on the local network, and a relay beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dispatch import errors
from dispatch.address import Address
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import SystemClock
from dispatch.encoding import message_id
from dispatch.ids import PairId
from dispatch.thread.client import FINAL
from dispatch_host.direct.door import Knocks
from dispatch_host.direct.listener import Listener, Setting
from dispatch_host.direct.porch import Bounds
from dispatch_host.posting import Posting
from dispatch_host.steps import Gone

from tests.support.host_bench import Bench
from tests.support.lan_end import LanPhone, Stranger, where
from tests.support.waiting import until

PATIENT = Knocks(most=1_000, at_once=100, at_once_of_one=100, silence_seconds=600.0, open_within_seconds=60.0)
NOBODY: Any = None
"""For what needs no fleet: nobody knocks."""
ABOUT_THE_PAIRING = (errors.NotPaired, errors.DeviceRevoked)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Bench(tmp_path) as made:
        made.direct = Setting(at=(Address(host="127.0.0.1", port=0),), knocks=PATIENT)
        yield await made.ready()


async def gives_up(bench: Bench, error: errors.DispatchError) -> None:
    """Let the relay end the host's stream for good."""
    await bench.relay.ends(error)
    while True:
        await bench.knows(lambda status: not status.pairings[0].connected)
        async with bench.control() as control:
            if (await control.status()).pairings[0].reason == error.reason:
                return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("final", [one for one in FINAL if one not in ABOUT_THE_PAIRING], ids=lambda one: one.__name__)
async def test_a_task_sent_directly_is_told_to_its_end_though_the_relay_gave_the_host_up(
    bench: Bench, final: type[errors.DispatchError]
) -> None:
    await gives_up(bench, final())
    dropped = final is errors.StreamSuperseded
    async with LanPhone(await where(bench), bench.phone, shakes_hands=dropped) as phone:
        sent = await phone.sends("quick look")
        await phone.go(sent)

        await until(lambda: "ended" in bench.phone.kinds(sent.task_id))

    assert bench.phone.kinds(sent.task_id) == ["accepted", "started", "result_text", "ended"]


@pytest.mark.parametrize("final", ABOUT_THE_PAIRING, ids=lambda one: one.__name__)
async def test_when_a_relay_says_that_the_pairing_is_over_nobody_is_let_in_until_the_service_has_answered(
    bench: Bench, final: type[errors.DispatchError]
) -> None:
    address = await where(bench)
    async with LanPhone(address, bench.phone) as phone:
        bench.pairing.away = True
        await gives_up(bench, final())
        await until(lambda: phone.is_over)

        async with LanPhone(address, bench.phone) as again:
            assert again.is_over
        bench.pairing.away = False
        bench.relay.closed = None
        await bench.relay.attached()

        async with LanPhone(address, bench.phone) as again:
            assert not again.is_over


async def test_a_link_that_broke_lets_nobody_in(bench: Bench) -> None:
    address = await where(bench)
    async with LanPhone(address, bench.phone) as phone:
        bench.disk.broken = True
        await bench.relay.hand_over(os.urandom(16), os.urandom(16), os.urandom(300))

        await until(lambda: phone.is_over)
    # What the phone itself said may have met the defect first, which ends its stream alone; what the relay said meets it, too.
    await bench.relay.detached()
    bench.disk.broken = False

    async with LanPhone(address, bench.phone) as again:
        assert again.is_over


async def test_a_phone_hears_that_the_journal_can_not_be_written(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It was UNKNOWN, with an error of the gRPC library's in the log, as a defect of ours is."""
    phone = LanPhone(await where(bench), bench.phone)
    phone.keeps = (
        False  # where a write meets the end of the stream, the gRPC library has its own word in place of the host's
    )
    async with phone:
        bench.disk.full = True
        await phone.says_in_session(pb.UpLiveItem(kept=pb.Kept(message_ids=[os.urandom(16)])))

        await until(lambda: phone.is_over)
        bench.disk.full = False

    assert isinstance(phone.why, errors.StoreFailed)
    assert [one for one in caplog.records if one.name.startswith("grpc")] == []


async def test_a_go_that_was_on_the_disk_when_the_phone_left_is_acted_on(bench: Bench) -> None:
    async with LanPhone(await where(bench), bench.phone) as phone:
        sent = await phone.sends("quick look")
        on_the_disk = bench.disk.stalls(behind=Gone)
        await phone.go(sent)
        await on_the_disk.wait()
    await bench.knows(lambda status: not status.pairings[0].direct)
    bench.disk.goes_on()

    await until(lambda: [task.text for task in bench.agent.runs] == ["quick look"])


async def test_a_cancel_that_was_on_the_disk_when_the_phone_left_is_carried_out(bench: Bench) -> None:
    async with LanPhone(await where(bench), bench.phone) as phone:
        sent = await phone.sends("never ends")
        await phone.go(sent)
        await until(lambda: bench.agent.runs)
        cancel = bench.phone.cancel(sent.task_id, direct=True)
        await phone.posts(cancel)
        await phone.is_told(lambda item: item.taken.message_id == cancel.message_id)
        on_the_disk = bench.disk.stalls(behind=Gone)
        await phone.go(cancel)
        await on_the_disk.wait()
    await bench.knows(lambda status: not status.pairings[0].direct)
    bench.disk.goes_on()

    assert (await bench.phone.sees_end(sent.task_id)).outcome == relay.OUTCOME_CANCELLED


async def test_a_command_that_is_said_again_by_somebody_does_not_keep_the_path_alive(bench: Bench) -> None:
    async with LanPhone(await where(bench), bench.phone) as phone:
        sent = await phone.sends("quick look")
        bench.clock.steady_ahead_ms = 7_000
        bench.phone.live.clear()
        await phone.posts(sent)
        await phone.is_told(lambda item: item.taken.message_id == sent.message_id)

        await bench.phone.says(pb.UpLiveItem(probe=pb.Probe(number=2)))

        await until(lambda: phone.is_over)


async def test_the_phone_s_word_by_the_relay_ends_a_path_on_which_it_is_silent(bench: Bench) -> None:
    async with LanPhone(await where(bench), bench.phone) as phone:
        await bench.phone.says(pb.UpLiveItem(probe=pb.Probe(number=1)))
        await phone.is_told(lambda item: item.probe_reply.number == 1)
        assert not phone.is_over, "it may be on its way from one path to the other"

        bench.clock.steady_ahead_ms = 7_000
        await bench.phone.says(pb.UpLiveItem(probe=pb.Probe(number=2)))

        await until(lambda: phone.is_over)


async def test_who_forges_in_an_open_path_ends_it_soon(bench: Bench) -> None:
    epoch = bench.phone.session.epoch or b""
    async with LanPhone(await where(bench), bench.phone) as phone:
        for n in (5, 1_000, 16_000):
            await phone.says(b"\x01" + epoch + n.to_bytes(8, "big") + os.urandom(300))

        await until(lambda: phone.is_over)


async def test_a_word_of_ours_is_not_put_on_a_command_that_came_otherwise(bench: Bench) -> None:
    async with LanPhone(await where(bench), bench.phone) as phone:
        await phone.writes(relay.DeviceFrame(post=relay.Post(message_id=os.urandom(16), sealed=os.urandom(300))))
        stale = b"\x01" + os.urandom(300)
        await phone.writes(relay.DeviceFrame(post=relay.Post(message_id=message_id(stale), sealed=stale)))

        await phone.is_told(lambda item: item.declined.message_id == message_id(stale))

    assert len([item for item in bench.phone.live if item.HasField("declined")]) == 1


async def test_no_task_slips_in_while_its_phone_is_unpaired(bench: Bench) -> None:
    async with LanPhone(await where(bench), bench.phone) as phone:
        phone.keeps = False  # so that the goodbye takes its time
        taken = await phone.sends("quick first", valid_for_ms=60_000)
        async with bench.control() as control:
            unpairing = asyncio.create_task(control.unpair(""))
            await until(lambda: bench.phone.revoked)
            await phone.go(taken)
            late = bench.phone.task("quick second", valid_for_ms=60_000, direct=True)
            await phone.posts(late)

            told = await phone.is_told(lambda item: item.declined.message_id == late.message_id)
            assert told.declined.reason == Reason.REASON_NOT_PAIRED
            await unpairing

    assert bench.agent.runs == []
    assert bench.rows("SELECT state, reason FROM task") == [("interrupted", Reason.REASON_NEVER_STARTED)]


async def test_a_path_that_takes_nothing_lets_the_host_rest(tmp_path: Path) -> None:
    """The rows stay in the outbox, and the journal is not asked for them over and over."""
    asked, refused = 0, asyncio.Event()

    class Full:
        def keep(self, _: object) -> bool:
            refused.set()
            return False

    class Journal:
        async def step(self, _: object) -> list[SimpleNamespace]:
            nonlocal asked
            asked += 1
            return [SimpleNamespace(id=1, message_id=bytes(16))]

    full: Any = Full()
    posting: Any = Posting(PairId(bytes(16)), journal=Journal(), path=lambda: full, relay=lambda: None)  # type: ignore[arg-type]  # made by hand
    running = asyncio.create_task(posting.run())
    posting.wake()
    await refused.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert asked == 1


async def test_a_host_follows_its_computer_from_network_to_network(tmp_path: Path) -> None:
    here = ["127.0.0.1"]
    listener = Listener(Setting(look_seconds=0.01), clock=SystemClock(), find=lambda: list(here))
    async with listener.open(NOBODY):
        first = Address.parse(listener.addresses()[0])
        here[:] = ["127.0.0.2"]
        await until(lambda: [Address.parse(one).host for one in listener.addresses()] == ["127.0.0.2"])
        with pytest.raises(OSError):
            await asyncio.open_connection(first.host, first.port)

        here.clear()
        await until(lambda: listener.addresses() == ())
        here.append("127.0.0.1")
        await until(listener.addresses)


@pytest.mark.parametrize(("said", "at", "port"), [
    ("on", None, 0), ("0.0.0.0:7400", None, 7400), ("[::]:7400", None, 7400),
    ("192.168.1.7:7400", (Address(host="192.168.1.7", port=7400),), 0),
])  # fmt: skip
def test_the_setting_says_where_to_listen(said: str, at: object, port: int) -> None:
    setting = Setting.parse(said)
    assert setting is not None
    assert (setting.at, setting.port) == (at, port)


def test_a_name_is_no_place_to_listen_for_phones_look_up_none() -> None:
    with pytest.raises(ValueError, match="look up none"):
        Setting.parse("desk.local:7400")


def _has_opened(bench: Bench, times: int) -> bool:
    return len(bench.relay.opens) >= times


@pytest.mark.big
async def test_what_nobody_decides_is_bounded(bench: Bench) -> None:
    async with LanPhone(await where(bench), bench.phone) as phone:
        for _ in range(4):
            for _ in range(16):
                await phone.sends("quick look", deadline_ms=bench.clock.ahead_ms + 59_000)
            # Those whose time is over don't count as tasks that may come: only the phone's word would end them. The host takes
            # that for sleep, and opens its stream to the relay anew.
            opens = len(bench.relay.opens)
            bench.clock.ahead_ms += 60_000
            await bench.relay.until(partial(_has_opened, bench, opens + 1))
        one_more = bench.phone.task("quick look", direct=True, deadline_ms=bench.clock.ahead_ms + 59_000)
        await phone.posts(one_more)

        told = await phone.is_told(lambda item: item.declined.message_id == one_more.message_id)

        assert told.declined.reason == Reason.REASON_QUEUE_FULL
        bench.phone.live.clear()
        await bench.phone.shakes_hands()
        await until(lambda: len([item for item in bench.phone.live if item.HasField("taken")]) == 64)


async def test_connections_have_a_rate_and_one_that_was_refused_is_cut(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        bounds = Bounds(most_of_one=3, within_seconds=600.0, show_within_seconds=600.0, linger_seconds=0.0)
        bench.direct = Setting(at=(Address(host="127.0.0.1", port=0),), knocks=PATIENT, bounds=bounds)
        await bench.ready()
        there = Address.parse(await where(bench))
        for _ in range(3):
            async with Stranger(str(there)) as stranger:
                await stranger.says(os.urandom(100))
                assert (await stranger.refusal())[0] == "FAILED_PRECONDITION"
                assert await stranger.is_cut()

        reader, writer = await asyncio.open_connection(there.host, there.port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b"", "one more is not even listened to"
        writer.transport.abort()
        sent = await bench.phone.sends("quick look")
        assert (await bench.phone.sees_end(sent.task_id)).outcome == relay.OUTCOME_DONE
