"""A phone with a model answers by itself what stands by itself, and says where each task went. Without one nothing changes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.device.home import Home
from mobile_sim.desk import Desk
from mobile_sim.model import Model

from tests.support.host_end import HostEnd
from tests.support.phone_model import ModelServer, says
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import UNHURRIED, SeededPhone, send_request
from tests.support.waiting import DEADLINE_SECONDS

Event = dict[str, Any]
ALONE, NEEDY = "What is the capital of Mongolia?", "What are the largest files?"


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with Relay(tmp_path / "relay", settings=replace(QUICK, lease_ms=60_000)) as running:
        yield running


@pytest.fixture
def phone(tmp_path: Path) -> SeededPhone:
    made = SeededPhone.make(tmp_path / "phone")
    made.patience = replace(UNHURRIED, sync_seconds=DEADLINE_SECONDS)
    return made


@pytest.fixture
async def host(phone: SeededPhone, relay: Relay) -> AsyncIterator[HostEnd]:
    mind, device = phone.pair(relay.trust, [relay.address])
    async with HostEnd(mind, device, relay.address) as working:
        yield working


@pytest.fixture
def model(phone: SeededPhone) -> Iterator[ModelServer]:
    with ModelServer(says("Ulaanbaatar.")) as server:
        Model(url=server.url, name="tiny").keep(Home(phone.path))
        yield server


async def send(desk: Desk, text: str, **more: Any) -> tuple[int, list[Event]]:
    return await do(desk, **(send_request(text) | more))


async def do(desk: Desk, **request: Any) -> tuple[int, list[Event]]:
    events: list[Event] = []
    return await desk.do(request, say=events.append, hear=_nobody), events


async def _nobody() -> bool:
    raise AssertionError("nobody was to be asked")


def asked_of(host: HostEnd) -> list[str]:
    """List what reached the host."""
    actions = [words.Action.FromString(command.action) for command in host.mind.commands]
    return [action.task.text for action in actions if action.HasField("task")]


async def test_what_stands_by_itself_is_answered_here_and_never_leaves(
    phone: SeededPhone, host: HostEnd, model: ModelServer
) -> None:
    async with phone.desk() as desk:
        code, events = await send(desk, ALONE)

        assert code == 0
        assert [event["event"] for event in events] == ["routed", "text", "done"]
        assert (events[0]["where"], events[0]["text"]) == ("here", "it stands by itself")
        assert (events[-1]["text"], events[-1]["answered"]) == ("Ulaanbaatar.", "here")
        _, listed = await do(desk, do="tasks", host=None, limit=50)
        assert [(one["state"], one["answered"]) for one in listed] == [("done", "here")]
        _, thread = await do(desk, do="thread", host=None, verify=False, force=False)
        assert [line["event"] for line in thread][-2:] == ["asked", "done"]
        assert thread[-1]["answered"] == "here"
        again, events = await send(desk, ALONE, id=listed[0]["task_id"])
        assert (again, events[-1]["event"]) == (0, "done")
    assert asked_of(host) == []
    assert len(model.asked) == 1


async def test_what_needs_the_computer_goes_there_with_the_mark(
    phone: SeededPhone, host: HostEnd, model: ModelServer
) -> None:
    async with phone.desk() as desk:
        _, events = await send(desk, NEEDY)
        _, overridden = await send(desk, ALONE, route="host")

    assert (events[0]["event"], events[0]["where"], events[0]["text"]) == ("routed", "host", "it needs the computer")
    assert overridden[0]["text"] == "you said so"
    assert events[-1]["event"] == overridden[-1]["event"] == "done"
    assert "answered" not in events[-1]
    assert asked_of(host) == [NEEDY, ALONE]
    assert model.asked == []


async def test_a_model_that_fails_leaves_it_to_the_computer_and_says_why(
    phone: SeededPhone, host: HostEnd, model: ModelServer
) -> None:
    model.reply = (503, {}, b"")
    async with phone.desk() as desk:
        code, events = await send(desk, ALONE)

    assert code == 0
    routed = [event for event in events if event["event"] == "routed"]
    assert [one["where"] for one in routed] == ["here", "host"]
    assert "status 503" in routed[1]["text"]
    assert "answered" not in events[-1]
    assert asked_of(host) == [ALONE]


async def test_what_is_to_be_answered_here_stays_here_when_the_model_fails(
    phone: SeededPhone, host: HostEnd, model: ModelServer
) -> None:
    model.reply = (503, {}, b"")
    async with phone.desk() as desk:
        code, events = await send(desk, NEEDY, route="here")

    assert (code, events[-1]["event"], events[-1]["reason"]) == (4, "failed", "MODEL_FAILED")
    assert "--to-host" in events[-1]["advice"]
    assert asked_of(host) == []


async def test_without_a_model_nothing_changes(phone: SeededPhone, host: HostEnd) -> None:
    async with phone.desk() as desk:
        _, events = await send(desk, ALONE)
        with pytest.raises(errors.BadRequest, match="no model"):
            await send(desk, ALONE, route="here")

    assert "routed" not in [event["event"] for event in events]
    assert asked_of(host) == [ALONE]


async def test_what_was_sent_once_stays_with_the_computer(
    phone: SeededPhone, host: HostEnd, model: ModelServer
) -> None:
    """Its next attempt is not answered here: the first may run."""
    host.decide = lambda _: Reason.REASON_QUEUE_FULL
    async with phone.desk() as desk:
        _, events = await send(desk, ALONE, route="host")
        assert events[-1]["state"] == "refused"
        host.decide = lambda _: None

        _, again = await do(desk, do="resend", id=events[-1]["task_id"], wait=None, most_bytes=2**32)

    assert again[-1]["event"] == "done"
    assert model.asked == []


async def test_a_cancelled_wait_for_the_model_leaves_nothing_behind(
    phone: SeededPhone, host: HostEnd, model: ModelServer
) -> None:
    gate, begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def late() -> Any:
        loop.call_soon_threadsafe(begun.set)
        gate.wait(DEADLINE_SECONDS)
        return says("Too late.")

    model.reply = late
    async with phone.desk() as desk:
        request = send_request(ALONE)
        sending = asyncio.create_task(do(desk, **request))
        await begun.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        gate.set()

        _, listed = await do(desk, do="tasks", host=None, limit=50)
    assert [one["state"] for one in listed] == ["not_sent"]
    assert asked_of(host) == []
