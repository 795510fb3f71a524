"""Commands that are handed over before they are stored: a real room on a real store that commits when the test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch_relay.presence import End
from dispatch_relay.verdict import Event

from tests.support.room_scene import Scene, retries


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path / "relay.sqlite3")
    yield scene
    scene.close()


def answers(frames: Sequence[pb.RelayFrame]) -> list[str | None]:
    return [kind for frame in frames if (kind := frame.WhichOneof("frame")) in {"receipt", "refusal"}]


async def test_a_posting_that_fails_refuses_nothing_while_another_of_it_is_on_its_way(scene: Scene) -> None:
    scene.posts(scene.phone)
    again = scene.attach(End.PHONE)
    message_id = scene.posts(again)
    assert scene.log.events() == [Event.POSTED, Event.POSTED]
    scene.log.commit(len(scene.log.waiting) - 1, fail=True)
    scene.log.commit()
    scene.takes(message_id)
    scene.log.commit()
    frames = await scene.heard(again)
    assert answers(frames) == ["receipt"]
    assert list(frames[0].opened.pending_message_ids) == [message_id]


async def test_what_fails_with_each_of_its_postings_is_refused(scene: Scene) -> None:
    scene.posts(scene.phone)
    message_id = scene.posts(scene.phone)
    scene.log.commit(fail=True)
    assert answers(await scene.heard(scene.phone)) == ["refusal"]
    assert message_id in [frame.handover.message_id for frame in await scene.heard(scene.host)]


async def test_a_word_about_what_was_never_stored_does_not_meet_the_same_post_when_it_comes_again(scene: Scene) -> None:
    message_id = scene.posts(scene.phone)
    scene.declines(message_id)
    scene.log.commit(fail=True)
    scene.posts(scene.phone)
    await retries()
    assert Event.DECLINED not in scene.log.events()


async def test_a_command_that_was_declined_before_its_second_posting_was_stored_waits_for_the_host_anew(
    scene: Scene,
) -> None:
    message_id = scene.posts(scene.phone)
    scene.declines(message_id)
    scene.posts(scene.phone)
    assert scene.log.events() == [Event.POSTED, Event.DECLINED, Event.POSTED]
    scene.log.commit(1, fail=True)
    scene.log.commit()
    scene.takes(message_id)
    scene.log.commit()
    assert answers(await scene.heard(scene.phone)) == ["receipt"]
    assert len([one for one in await scene.heard(scene.host) if one.HasField("handover")]) == 2


async def test_a_take_that_came_before_anything_was_stored_does_not_keep_the_host_from_being_asked_again(
    scene: Scene,
) -> None:
    message_id = scene.posts(scene.phone)
    scene.takes(message_id)
    scene.posts(scene.phone)
    scene.log.commit(1, fail=True)
    scene.log.commit()
    assert len([one for one in await scene.heard(scene.host) if one.HasField("handover")]) == 2


async def test_a_post_for_a_host_that_came_back_meanwhile_is_not_refused_by_the_failure_of_the_first(
    scene: Scene,
) -> None:
    scene.room.receive(scene.host, pb.DeviceFrame(notice=pb.Notice(condition=pb.CONDITION_ASLEEP)))
    scene.log.commit()
    scene.posts(scene.phone)
    assert scene.log.events() == [Event.POSTED_IN_VAIN]
    scene.room.receive(scene.host, pb.DeviceFrame(notice=pb.Notice(condition=pb.CONDITION_AWAKE)))
    message_id = scene.posts(scene.phone)
    scene.log.commit(1, fail=True)
    scene.log.commit()
    scene.takes(message_id)
    scene.log.commit()
    assert answers(await scene.heard(scene.phone)) == ["receipt"]


async def test_a_repeat_that_can_not_be_stored_is_not_refused_when_the_first_has_its_verdict(scene: Scene) -> None:
    message_id = scene.posts(scene.phone)
    scene.takes(message_id)
    scene.posts(scene.phone)
    scene.log.commit(2)
    scene.log.commit(fail=True)
    assert answers(await scene.heard(scene.phone)) == ["receipt"]


async def test_a_host_that_declines_again_and_again_is_heard_once(scene: Scene) -> None:
    message_id = scene.posts(scene.phone)
    for _ in range(10):
        scene.declines(message_id)
    assert scene.log.events() == [Event.POSTED, Event.DECLINED]


async def test_words_about_commands_that_nobody_posted_are_not_kept_to_be_asked_again(scene: Scene) -> None:
    for number in range(50):
        scene.declines(bytes([number]) * 16)
    scene.log.commit(fail=True)
    await retries()
    assert not scene.log.events()


async def test_a_verdict_that_could_not_be_stored_is_asked_for_again(scene: Scene) -> None:
    message_id = scene.posts(scene.phone)
    scene.room.receive(scene.host, pb.DeviceFrame(pong=pb.Pong()))
    await retries()  # it is written by now, without the host's word
    scene.log.commit()
    scene.declines(message_id)
    scene.log.commit(fail=True)
    await retries()
    assert scene.log.events() == [Event.DECLINED]


async def test_a_host_that_does_not_read_is_handed_no_more_of_what_is_posted_over_and_over(scene: Scene) -> None:
    seals = [bytes([number]) * 60_000 for number in range(40)]
    for seal in seals:
        scene.declines(scene.posts(scene.phone, seal))
        scene.log.commit()
    for seal in seals * 5:
        scene.posts(scene.phone, seal)
        scene.log.commit()
    told = sum(len(frame.handover.sealed) for frame in await scene.heard(scene.host))
    assert told <= scene.settings.queue_bytes + len(seals) * 60_000
