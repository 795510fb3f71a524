"""Everybody on the local network is a stranger until a sealed frame opens: what they try there costs little and tells nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch.address import Address
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import SystemClock
from dispatch.sealed.session import PhoneSession
from dispatch_host.direct.door import Knocks
from dispatch_host.direct.listener import Setting
from dispatch_host.direct.porch import Bounds

from tests.support.host_bench import Bench
from tests.support.lan_end import Stranger, where
from tests.support.waiting import DEADLINE_SECONDS, until

LOOPBACK = Address(host="127.0.0.1", port=0)
OPEN_HOUSE = Knocks(most=1_000, at_once=100, at_once_of_one=100, silence_seconds=600.0, open_within_seconds=60.0)
"""So that a test which knocks often, or slowly, meets what lies behind the bound."""
PATIENT = Bounds(linger_seconds=60.0)
"""So that what a stranger is told arrives, however slow the machine is."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Bench(tmp_path) as made:
        made.direct = Setting(at=(LOOPBACK,), knocks=OPEN_HOUSE, bounds=PATIENT)
        yield await made.ready()


async def tried(address: str, sealed: bytes) -> tuple[str, str]:
    async with Stranger(address) as stranger:
        await stranger.says(sealed)
        return await stranger.refusal()


def probe(bench: Bench) -> bytes:
    """The phone's own words in its session."""
    return bench.phone.session.seal_live(pb.UpLive(items=[pb.UpLiveItem(probe=pb.Probe(number=7))]).SerializeToString())


def in_the_journal(bench: Bench) -> list[Any]:
    questions = ("SELECT * FROM event", "SELECT * FROM command", "SELECT * FROM keep_chain", "SELECT * FROM thread")
    return [bench.rows(question) for question in questions]


async def test_the_phone_is_let_in_by_what_it_says_in_its_session(bench: Bench) -> None:
    async with Stranger(await where(bench)) as phone:
        await phone.says(probe(bench))

        frames = await phone.hears()

    body = bench.phone.session.open_live(frames[0].live.sealed)
    assert isinstance(body, bytes)
    assert pb.DownLive.FromString(body).items[0].probe_reply.number == 7


async def test_whatever_a_stranger_says_is_refused_alike_and_leaves_no_trace(bench: Bench) -> None:
    address, before = await where(bench), in_the_journal(bench)
    epoch = bench.phone.session.epoch or b""
    pair_id = bench.phone.keys.pair_id
    said = {
        "nothing sealed": b"",
        "noise": os.urandom(300),
        "another epoch": b"\x01" + os.urandom(300),
        "forged in the session's epoch": b"\x01" + epoch + bytes(7) + b"\x05" + os.urandom(300),
        "far ahead": b"\x01" + epoch + b"\xff" * 8 + os.urandom(300),
        "a forged handshake": b"\x81" + pair_id + b"\x01\x01" + os.urandom(1_400),
        "a handshake of another pairing": b"\x81" + os.urandom(16) + b"\x01\x01" + os.urandom(1_400),
    }

    refusals = {what: await tried(address, sealed) for what, sealed in said.items()}

    assert len(set(refusals.values())) == 1, refusals
    assert in_the_journal(bench) == before


async def test_the_phone_s_words_open_the_door_once(bench: Bench) -> None:
    address, recorded = await where(bench), probe(bench)
    async with Stranger(address) as phone:
        await phone.says(recorded)
        await phone.hears()

        assert (await tried(address, recorded))[0] == "FAILED_PRECONDITION"

        await phone.says(probe(bench))
        assert await phone.hears()


async def test_a_recorded_handshake_is_not_answered_again(bench: Bench) -> None:
    address = await where(bench)
    phone = PhoneSession(bench.phone.keys, rng=os.urandom)
    message1 = phone.start(grant=bench.phone.grant, head=bench.phone.head, now_ms=SystemClock().boot_ms())
    async with Stranger(address) as first:
        await first.says(message1)
        assert (await first.hears())[0].live.sealed[0] == 0x82

    await tried(address, message1)

    assert await bench.phone.posts(bench.phone.task("quick look")) is None, "the session stands"


async def test_a_handshake_that_nobody_confirms_changes_nothing(bench: Bench) -> None:
    before, phone = in_the_journal(bench), PhoneSession(bench.phone.keys, rng=os.urandom)
    message1 = phone.start(grant=bench.phone.grant, head=bench.phone.head, now_ms=SystemClock().boot_ms())
    async with Stranger(await where(bench)) as stranger:
        await stranger.says(message1)
        await stranger.hears()
        await stranger.says(os.urandom(300))
        await stranger.refusal()

    assert in_the_journal(bench) == before


async def test_a_phone_whose_grant_is_over_does_not_get_in_here_either(bench: Bench) -> None:
    keys = bench.phone.keys
    over = bench.pairing.grant(keys.pair_id, keys.own_ed25519, relay.DEVICE_KIND_PHONE, hours=-0.5)
    phone = PhoneSession(keys, rng=os.urandom)
    async with Stranger(await where(bench)) as stranger:
        await stranger.says(phone.start(grant=over, head=bench.phone.head, now_ms=SystemClock().boot_ms()))
        message2 = (await stranger.hears())[0].live.sealed
        assert phone.finish(message2, now_ms=SystemClock().boot_ms()) is not None
        confirm = pb.UpLive(items=[pb.UpLiveItem(confirm=pb.Confirm())]).SerializeToString()
        await stranger.says(phone.seal_live(confirm))

        assert (await stranger.refusal())[0] == "FAILED_PRECONDITION"


async def test_a_flood_of_handshakes_leaves_the_phone_its_own_by_the_relay(bench: Bench) -> None:
    address = await where(bench)
    forged = [b"\x81" + bench.phone.keys.pair_id + b"\x01\x01" + os.urandom(1_400) for _ in range(20)]

    await asyncio.gather(*(tried(address, one) for one in forged))

    await bench.phone.shakes_hands()


async def test_knocks_are_bounded_and_the_thread_by_the_relay_does_not_notice(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        bench.direct = Setting(at=(LOOPBACK,), knocks=Knocks(most=3, within_seconds=600))
        await bench.ready()
        address = await where(bench)
        for _ in range(3):
            await tried(address, os.urandom(100))

        async with Stranger(address) as one_more:
            assert (await one_more.refusal())[0] == "FAILED_PRECONDITION", "it is not even looked at"
        sent = await bench.phone.sends("quick look")
        assert (await bench.phone.sees_end(sent.task_id)).outcome == relay.OUTCOME_DONE


@pytest.mark.big
async def test_connections_that_say_nothing_are_few_and_are_cut(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        bounds = Bounds(connections=4, connections_of_one=4, show_within_seconds=5.0)
        bench.direct = Setting(at=(LOOPBACK,), bounds=bounds, knocks=OPEN_HOUSE)
        await bench.ready()
        there = Address.parse(await where(bench))

        idle = [await asyncio.open_connection(there.host, there.port) for _ in range(12)]

        # Those over the bound at once, the others when their time is over: none stays.
        async with asyncio.timeout(DEADLINE_SECONDS):
            for reader, writer in idle:
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                writer.transport.abort()
        async with Stranger(str(there)) as phone:
            await phone.says(probe(bench))
            assert await phone.hears()


@pytest.mark.big
async def test_who_has_shown_itself_stays_connected(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        bench.direct = Setting(at=(LOOPBACK,), bounds=Bounds(show_within_seconds=5.0), knocks=OPEN_HOUSE)
        await bench.ready()
        async with Stranger(await where(bench)) as phone:
            await phone.says(probe(bench))
            await phone.hears()
            idle = await asyncio.open_connection(*(await where(bench)).rsplit(":", 1))
            with contextlib.suppress(ConnectionError):
                await idle[0].read()  # cut when its time was over, which is later than the phone's
            idle[1].transport.abort()

            await phone.says(probe(bench))

            assert await phone.hears()


async def test_a_pairing_that_ends_ends_the_direct_path(bench: Bench) -> None:
    async with Stranger(await where(bench)) as phone:
        await phone.says(probe(bench))
        await phone.hears()
        async with bench.control() as control:
            await control.unpair("")

        assert await phone.is_left()
    assert (await tried(await where(bench), probe(bench)))[0] == "FAILED_PRECONDITION"


async def test_the_relay_gives_no_go_for_what_came_directly(bench: Bench) -> None:
    sent = bench.phone.task("quick look", direct=True)
    async with Stranger(await where(bench)) as phone:
        await phone.says(probe(bench))
        await phone.hears()
        post = relay.Post(message_id=sent.message_id, sealed=sent.sealed)
        await phone.writes(relay.DeviceFrame(post=post))
        await until(lambda: bench.rows("SELECT direct, verdict FROM command") == [(1, "pending")])

        # A relay that has seen the bytes hands them over, and gives them a go.
        await bench.relay.hand_over(sent.message_id, sent.task_id, sent.sealed)
        await bench.relay.go(sent.message_id)
        await bench.is_quiet()

        assert bench.rows("SELECT verdict FROM command") == [("pending",)]
        await phone.says(
            bench.phone.session.seal_live(
                pb.UpLive(items=[pb.UpLiveItem(go=pb.Go(message_id=sent.message_id))]).SerializeToString()
            )
        )
        await until(lambda: [task.text for task in bench.agent.runs] == ["quick look"])


async def test_the_relay_gets_nothing_taken_that_was_sealed_for_the_direct_path(bench: Bench) -> None:
    """Whoever stands on the network may have its bytes before they came, and a relay a task_id from an attempt before."""
    sent = bench.phone.task("quick look", direct=True)

    assert await bench.phone.posts(sent) == Reason.REASON_PROTOCOL_VIOLATION

    assert bench.rows("SELECT * FROM command") == []
    async with Stranger(await where(bench)) as phone:
        await phone.says(probe(bench))
        await phone.hears()
        by_relay = bench.phone.task("quick look")
        post = relay.Post(message_id=by_relay.message_id, sealed=by_relay.sealed)
        await phone.writes(relay.DeviceFrame(post=post))
        await phone.hears()
    assert bench.rows("SELECT * FROM command") == []
