"""Whether a person looks, as the relay hears it: who is told so wrongly calls nobody, or asks a phone that is away every lease."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mobile_sim.patience import USUAL

from tests.support.phone_scene import Scene, made


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with made(tmp_path / "phone", USUAL) as scene:
        yield scene


async def hears(scene: Scene, *, looking: bool) -> None:
    """Wait until the relay was told so on the stream that is open."""

    def told() -> list[bool]:
        frames = scene.relay.stream.frames
        return [frame.looking.looking for frame in frames if frame.HasField("looking")]

    await scene.relay.until(lambda: told()[-1:] == [looking])


async def test_that_a_person_went_while_the_stream_opened_is_told_when_it_is_open(scene: Scene) -> None:
    scene.relay.opens = False
    async with scene.watched():
        await scene.relay.until(lambda: scene.relay.streams)
        assert scene.relay.stream.frames[-1].open.looking

    scene.relay.open(scene.relay.stream)

    await hears(scene, looking=False)
