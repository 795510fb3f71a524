"""The phone's connection breaks anywhere, its process is killed at any time: the task runs once and its thread is whole."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.host_end import HostEnd
from tests.support.processes import Process, run
from tests.support.proxy import Proxy
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import Event, SeededPhone, send_request
from tests.support.waiting import until

CHUNKS = 36
"""A little more than a send takes, both ways together."""
WHOLE = ["accepted", "started", "step", "text", "ended"]


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with Proxy("127.0.0.1:1") as between:
        yield between


@pytest.fixture
def lease_ms() -> int:
    return 5_000


@pytest.fixture
async def relay(tmp_path: Path, proxy: Proxy, lease_ms: int) -> AsyncIterator[Relay]:
    settings = replace(QUICK, lease_ms=lease_ms, valid_for_ms=10_000)
    running = Relay(tmp_path / "relay", settings=settings)
    running.advertise = proxy.address
    async with running:
        proxy.target = type(proxy.target).parse(running.address)
        yield running


@pytest.fixture
async def host(tmp_path: Path, relay: Relay, proxy: Proxy) -> AsyncIterator[HostEnd]:
    phone = SeededPhone.make(tmp_path / "phone")
    mind, device = phone.pair(relay.trust, [proxy.address])
    async with HostEnd(mind, device, relay.address) as attached:
        yield attached


@pytest.mark.parametrize("cut_at", range(1, CHUNKS + 1))
async def test_cutting_the_phone_anywhere_loses_nothing_and_runs_nothing_twice(
    tmp_path: Path, host: HostEnd, proxy: Proxy, cut_at: int
) -> None:
    phone = SeededPhone(tmp_path / "phone")
    proxy.cut_at_chunk = cut_at

    code, events = await phone.send("build it")

    assert code == 0
    assert [event["event"] for event in events if event["event"] in {"accepted", "step", "done"}] == [
        "accepted",
        "step",
        "done",
    ]
    assert len(host.ran) == len(set(host.ran)) == 1
    assert [line["event"] for line in await phone.thread()] == WHOLE
    assert proxy.connections > 1 or cut_at > CHUNKS // 2


@pytest.mark.big
@pytest.mark.parametrize("seed", range(4))
async def test_killing_the_phone_at_any_time_runs_nothing_twice_and_the_next_one_knows_all(
    tmp_path: Path, host: HostEnd, seed: int
) -> None:
    chance, home, task_id = random.Random(seed), str(tmp_path / "phone"), str(uuid4())
    command = ["dispatch-phone", "send", "build it", "--id", task_id, "--home", home]
    for _ in range(3):
        process = await Process.start(*command)
        await said(process, chance.randrange(6))
        process.signal(signal.SIGKILL)
        await process.ended()

    code, events = await run(*command)

    assert (code, events[-1]["state"]) == (0, "done")
    assert len(host.ran) == 1
    _, lines = await run("dispatch-phone", "thread", "--home", home)
    assert [line["event"] for line in lines] == WHOLE


async def said(process: Process, count: int) -> None:
    """Wait until a process has said that many things, or ended."""
    await until(lambda: len(process.events) >= count or process.returncode is not None)


async def nobody() -> bool:
    raise AssertionError("nobody was to be asked")


@pytest.mark.big
@pytest.mark.parametrize("lease_ms", [1_000])
async def test_a_phone_whose_connection_freezes_says_that_it_is_out_of_contact_and_goes_on_when_it_thaws(
    tmp_path: Path, host: HostEnd, proxy: Proxy, relay: Relay
) -> None:
    host.works = False
    events: list[Event] = []
    async with SeededPhone(tmp_path / "phone").desk() as desk:
        sending = asyncio.create_task(desk.do(send_request("build it"), say=events.append, hear=nobody))
        await until(lambda: host.ran)
        await host.accept(host.mind.commands[0])
        await until(lambda: host.mind.seen)
        proxy.refuse = True
        proxy.cut()
        await until(lambda: "out_of_contact" in [event["event"] for event in events])
        proxy.refuse = False
        await host.finish(host.mind.commands[0])

        assert await sending == 0
    names = [event["event"] for event in events]
    assert names.index("out_of_contact") < names.index("back") < names.index("done")
    assert next(event for event in events if event["event"] == "out_of_contact")["reason"] == "NO_NETWORK"


async def test_a_phone_that_is_looked_at_takes_two_leases_of_silence_for_a_lost_connection(
    tmp_path: Path, proxy: Proxy
) -> None:
    """Until then it showed for a minute what nobody knew any more; silence_ms is 61 s here."""
    settings = replace(QUICK, lease_ms=2_000, idle_ask_ms=30_000)
    phone = SeededPhone.make(tmp_path / "phone")
    running = Relay(tmp_path / "relay", settings=settings)
    running.advertise = proxy.address
    async with running:
        proxy.target = type(proxy.target).parse(running.address)
        mind, device = phone.pair(running.trust, [proxy.address])
        async with HostEnd(mind, device, running.address) as host:
            host.works = False
            sending = await Process.start("dispatch-phone", "send", "build it", "--home", str(tmp_path / "phone"))
            await until(lambda: host.ran)
            await host.accept(host.mind.commands[0])
            await sending.event("accepted")

            proxy.freeze()

            assert (await sending.event("out_of_contact"))["reason"] == "NO_NETWORK"
            proxy.thaw()
            await host.finish(host.mind.commands[0])
            await sending.event("done")
            await sending.ended()
