"""A phone sends tasks through a real relay to a host made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay_pb
from dispatch.api.thread.v1 import thread_pb2 as words

from tests.support.device_end import DEADLINE_SECONDS
from tests.support.host_end import HostEnd
from tests.support.relay import Relay
from tests.support.seeded_phone import Event, SeededPhone


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with Relay(tmp_path / "relay") as running:
        yield running


@pytest.fixture
def phone(tmp_path: Path, relay: Relay) -> SeededPhone:
    return SeededPhone.make(tmp_path / "phone")


@pytest.fixture
async def host(phone: SeededPhone, relay: Relay) -> AsyncIterator[HostEnd]:
    mind, device = phone.pair(relay.trust, [relay.address])
    async with HostEnd(mind, device, relay.address) as attached:
        yield attached


def names(events: list[Event]) -> list[str]:
    return [event["event"] for event in events]


async def test_a_task_is_sent_accepted_and_its_result_shown(phone: SeededPhone, host: HostEnd) -> None:
    code, events = await phone.send("Which files are largest?")

    assert code == 0
    assert names(events) == ["sent", "handed_over", "accepted", "started", "step", "text", "done"]
    assert events[-1]["text"] == "All done."
    assert len({event["task_id"] for event in events}) == 1
    assert host.mind.heads == host.mind.heads[:1]
