"""What falls due by time on a phone falls due though nothing else happens, and what breaks is told to whoever waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from dispatch import errors
from dispatch.sealed.handshake import is_handshake
from mobile_sim.model import FILE
from mobile_sim.patience import USUAL

from tests.support.direct_world import PhonesClock
from tests.support.phone_scene import Scene, made, nobody
from tests.support.seeded_phone import Event, send_request
from tests.support.waiting import DEADLINE_SECONDS, until, until_so

HOPEFUL = replace(USUAL, connect_seconds=DEADLINE_SECONDS, shake_seconds=DEADLINE_SECONDS)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with made(tmp_path / "phone", HOPEFUL) as scene:
        yield scene


def handshakes(scene: Scene) -> int:
    """How many handshakes the phone began."""
    frames = [frame for stream in scene.relay.streams for frame in stream.frames]
    return sum(frame.HasField("live") and is_handshake(frame.live.sealed) for frame in frames)


async def test_a_second_task_without_the_hosts_word_is_unconfirmed_at_its_own_time(tmp_path: Path) -> None:
    clock = PhonesClock()
    async with made(tmp_path / "phone", HOPEFUL, clock) as scene:
        scene.relay.lease_ms = 500  # the host's word may take two of them

        async def shown() -> list[str]:
            await scene.does("tasks", host=None, limit=9)
            return [one["state"] for one in scene.said]

        async def first_was_taken() -> bool:
            return await shown() in (["handed_over"], ["unconfirmed"])  # a slow machine is no reason to wait for ever

        async def both_are_unconfirmed() -> bool:
            return await shown() == ["unconfirmed", "unconfirmed"]

        scene.send(wait=0.0)
        first = await scene.relay.post(1)
        assert await scene.ended() == 8
        scene.relay.receipt(first)
        await until_so(first_was_taken)
        clock.passed_ms = 300

        scene.send(wait=0.0)
        second = await scene.relay.post(2)
        assert await scene.ended() == 8
        scene.relay.receipt(second)

        await until_so(both_are_unconfirmed)


async def test_a_handshake_that_nobody_answers_is_repeated_though_nothing_else_happens(scene: Scene) -> None:
    scene.relay.lease_ms = 15_000  # it is silent, and that is not what this is about
    scene.relay.forwards = False
    async with scene.watched():  # they look already, so a command's look is no news to the relay
        await scene.relay.until(lambda: handshakes(scene) >= 1)

        await scene.relay.until(lambda: handshakes(scene) >= 2)

    assert len(scene.relay.streams) == 1


async def test_a_send_that_breaks_before_it_is_brought_says_so_while_somebody_watches(scene: Scene) -> None:
    scene.relay.lease_ms = 15_000
    async with scene.watched():
        await is_in_session(scene)
        damage_the_model(scene)
        scene.send()

        with pytest.raises(errors.StoreFailed):
            await scene.ended()


async def test_who_follows_a_task_that_another_sends_hears_of_its_end_when_that_breaks(scene: Scene) -> None:
    scene.relay.lease_ms = 15_000
    task_id = str(uuid4())
    async with scene.watched():
        await is_in_session(scene)
        damage_the_model(scene)
        scene.send(id=task_id)
        events: list[Event] = []
        request = send_request("build it", id=task_id)
        following = asyncio.create_task(scene.desk.do(request, say=events.append, hear=nobody))

        with pytest.raises(errors.StoreFailed):
            await scene.ended()
        await until(following.done)

    assert events[-1]["state"] == "not_sent"


async def is_in_session(scene: Scene) -> None:
    """Wait until all is said that is said without anybody's wish."""
    await scene.relay.until(lambda: scene.mind.handshakes)
    await until_so(lambda: scene.has_read(scene.relay.seq))


def damage_the_model(scene: Scene) -> None:
    """Leave a file of which nobody can say what model it names."""
    file = scene.phone.path / FILE
    file.touch(mode=0o600)
    file.write_text("{")
