"""How a room lets go of its streams, and what it says before it closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch_relay.log import Note
from dispatch_relay.presence import End, Standing

from tests.support.room_scene import Scene
from tests.support.waiting import DEADLINE_SECONDS

SHORT_MS = 50


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path / "relay.sqlite3")
    yield scene
    scene.close()


async def test_a_stream_ends_with_its_grant(scene: Scene) -> None:
    stream = scene.attach(End.PHONE, left_ms=SHORT_MS)
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert isinstance(await stream.ended, errors.GrantExpired)
    assert not scene.host.ended.done()


async def test_a_stream_ends_with_its_grant_while_its_pairing_can_not_be_erased(scene: Scene) -> None:
    """The room looked at no time any more once its pairing was over, and the store had to work first."""
    stream = scene.attach(End.PHONE, left_ms=SHORT_MS)
    erased = scene.room.erase(ended_by=End.HOST)
    scene.room._stop_timer()
    scene.room._tick()  # as when a lease's time had come
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert isinstance(await stream.ended, errors.GrantExpired)
    assert not erased.done()


async def test_a_host_whose_lease_and_grant_end_together_is_not_waited_for(scene: Scene) -> None:
    """Its grant would say that it comes back, and give it a lease more."""
    long_ago_ms = scene.host.lease.heard_ms - 10 * scene.settings.lease_ms
    scene.host.until_ms = scene.host.lease.heard_ms = scene.host.lease.asked_ms = long_ago_ms
    scene.room._tick()
    assert isinstance(await scene.host.ended, errors.LeaseLost)
    assert scene.room.host.standing is Standing.UNREACHABLE


async def test_what_the_history_could_not_hear_it_hears_when_the_relay_closes(scene: Scene) -> None:
    """Defect: a relay that was stopped in the half second behind a full disk never told of the tasks that it had refused."""
    message_id = scene.posts(scene.phone)
    scene.declines(message_id)
    scene.log.commit(fail=True)
    scene.room.shut()
    (note,) = [op for op, _ in scene.log.waiting if isinstance(op, Note)]
    assert (note.task_id, note.reason) == (message_id, Reason.REASON_STORE_FAILED)
    scene.log.commit()
