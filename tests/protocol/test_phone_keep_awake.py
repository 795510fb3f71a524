"""The phone warns before it matters: the computer may fall asleep over the task, says the computer itself under the seal."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.api.thread.v1.thread_pb2 import AwakeMode, KeepAwake

from tests.support.host_end import HostEnd
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import UNHURRIED, SeededPhone
from tests.support.waiting import until

OFF = KeepAwake(mode=AwakeMode.AWAKE_MODE_OFF, reason=Reason.REASON_KEEP_AWAKE_OFF)
DENIED = KeepAwake(mode=AwakeMode.AWAKE_MODE_ON, reason=Reason.REASON_KEEP_AWAKE_DENIED)
HELD = KeepAwake(mode=AwakeMode.AWAKE_MODE_ON, held=True, held_by="logind")
WHILE_RUNNING = KeepAwake(mode=AwakeMode.AWAKE_MODE_WHILE_RUNNING)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with Relay(tmp_path / "relay", settings=replace(QUICK, lease_ms=60_000)) as running:
        yield running


@pytest.fixture
def phone(tmp_path: Path, relay: Relay) -> SeededPhone:
    made = SeededPhone.make(tmp_path / "phone")
    made.patience = UNHURRIED
    return made


@pytest.fixture
async def host(phone: SeededPhone, relay: Relay) -> AsyncIterator[HostEnd]:
    mind, device = phone.pair(relay.trust, [relay.address])
    async with HostEnd(mind, device, relay.address) as attached:
        yield attached


@pytest.mark.parametrize(("state", "reason"), [(OFF, "KEEP_AWAKE_OFF"), (DENIED, "KEEP_AWAKE_DENIED")])
async def test_one_warning_is_said_with_a_task_when_nothing_keeps_the_computer_awake(
    phone: SeededPhone, host: HostEnd, state: KeepAwake, reason: str
) -> None:
    host.mind.awake = state

    code, events = await phone.send("build it")

    assert code == 0
    warnings = [event for event in events if event["event"] == "warning"]
    assert [warning["reason"] for warning in warnings] == [reason]
    assert warnings[0]["text"].startswith("Nothing keeps the computer awake")
    assert warnings[0]["task_id"] == events[-1]["task_id"]
    assert [event["event"] for event in events].index("warning") < len(events) - 1


@pytest.mark.big
async def test_it_is_said_once_and_again_when_it_has_changed(phone: SeededPhone, host: HostEnd) -> None:
    said = []
    for state in (OFF, OFF, HELD, OFF, DENIED, DENIED):
        host.mind.awake = state
        _, events = await phone.send("build it")
        said.append([event["reason"] for event in events if event["event"] == "warning"])

    assert said == [["KEEP_AWAKE_OFF"], [], [], ["KEEP_AWAKE_OFF"], ["KEEP_AWAKE_DENIED"], []]


@pytest.mark.parametrize("state", [HELD, WHILE_RUNNING, None])
async def test_nothing_is_said_when_there_is_nothing_to_warn_of(
    phone: SeededPhone, host: HostEnd, state: KeepAwake | None
) -> None:
    host.mind.awake = state

    code, events = await phone.send("build it")

    assert code == 0
    assert "warning" not in [event["event"] for event in events]


async def test_hosts_and_status_say_it_and_hosts_without_a_network_too(phone: SeededPhone, host: HostEnd) -> None:
    host.mind.awake = HELD
    told = {"mode": "on", "held": True, "held_by": "logind"}

    assert (await phone.says("hosts"))[0]["keep_awake"] == told
    assert (await phone.says("status"))[0]["hosts"][0]["keep_awake"] == told
    await host.vanish()
    assert (await phone.says("hosts"))[0]["keep_awake"] == told


async def test_a_change_during_the_session_is_heard(phone: SeededPhone, host: HostEnd) -> None:
    host.mind.awake = HELD
    async with phone.desk() as desk:
        lines: list[dict[str, object]] = []
        assert await desk.do({"do": "status"}, say=lines.append, hear=_nobody) == 0
        item = words.DownLiveItem(keep_awake=OFF)

        await host.show(item)
        await until(lambda: phone_says(phone) == OFF)


async def test_a_host_s_words_for_it_are_cut_to_size(phone: SeededPhone, host: HostEnd) -> None:
    host.mind.awake = KeepAwake(mode=AwakeMode.AWAKE_MODE_ON, held=True, held_by="x" * 10_000)

    kept = (await phone.says("status"))[0]["hosts"][0]["keep_awake"]

    assert kept["held_by"] == "x" * 64


def phone_says(phone: SeededPhone) -> KeepAwake:
    """Look into the phone's store, beside the process that has it."""
    with contextlib.closing(sqlite3.connect(f"file:{phone.path / 'phone.db'}?mode=ro", uri=True)) as store:
        (kept,) = store.execute("SELECT keep_awake FROM pairings").fetchone()
    return KeepAwake.FromString(kept)


async def _nobody() -> bool:
    raise AssertionError("nobody was to be asked")
