"""A phone behind a relay that lies. The host's sealed word is what counts, and the thread comes out whole and in order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.clock import SystemClock
from dispatch.sealed.handshake import is_handshake
from dispatch.sealed.session import RENEW_AFTER_MS
from mobile_sim.patience import USUAL

from tests.support.lying_relay import LyingRelay
from tests.support.phone_scene import Scene, made, nobody, whole
from tests.support.seeded_phone import MOST_BYTES, UNHURRIED, Event, send_request
from tests.support.waiting import DEADLINE_SECONDS, until, until_so


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    patience = replace(USUAL, connect_seconds=DEADLINE_SECONDS, shake_seconds=DEADLINE_SECONDS)
    async with made(tmp_path / "phone", patience) as scene:
        yield scene


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Scene]:
    """A phone that has all the time to send, and none for the verdict."""
    async with made(tmp_path / "phone", replace(USUAL, command_seconds=60.0, verdict_seconds=-60.0)) as scene:
        yield scene


async def test_the_relays_acceptance_alone_is_never_shown_as_on_the_host(scene: Scene) -> None:
    scene.send(wait=0.0)
    scene.relay.receipt(await scene.relay.post())

    assert await scene.ended() == 8
    await until_so(lambda: scene.is_shown("handed_over"))


async def test_a_task_that_was_taken_is_unconfirmed_when_the_hosts_word_does_not_come_though_nobody_follows_it(
    scene: Scene,
) -> None:
    scene.relay.lease_ms = 1_000
    scene.send(wait=0.0)
    post, command = await scene.command()
    assert await scene.ended() == 8
    task_id = scene.events[-1]["task_id"]
    scene.relay.receipt(post)

    await until_so(lambda: scene.is_shown("unconfirmed"))
    assert await scene.does("dismiss", id=task_id) == 0
    assert await scene.is_shown("dismissed")
    for row in scene.work(command):
        scene.relay.deliver(row)
    await until_so(lambda: scene.is_shown("done"))


@pytest.mark.parametrize("reason", [Reason.REASON_HOST_UNREACHABLE, Reason.REASON_QUEUE_FULL])
async def test_that_a_second_attempt_is_refused_does_not_say_that_the_one_that_was_taken_never_ran(
    scene: Scene, reason: Reason.ValueType
) -> None:
    scene.send(wait=0.0)
    first, command = await scene.command()
    assert await scene.ended() == 8
    task_id = scene.events[-1]["task_id"]
    scene.relay.receipt(first)
    await until_so(lambda: scene.is_shown("handed_over"))

    scene.send(id=task_id)
    scene.relay.refuse(await scene.relay.post(2), reason)
    await until(lambda: "unconfirmed" in [event["event"] for event in scene.events])

    assert scene.events[-1]["reason"] == errors.word(reason)
    assert await scene.does("outbox") == 0
    assert scene.said == []
    with pytest.raises(errors.NotOver):
        await scene.does("drop", id=task_id)
    for row in scene.work(command):
        scene.relay.deliver(row)
    await whole(scene)
    assert "tampering" not in scene.events[-1]


async def test_a_relay_that_withholds_its_verdict_leaves_a_task_unconfirmed_and_a_late_one_moves_it_on(
    impatient: Scene,
) -> None:
    scene = impatient
    scene.send()
    post, command = await scene.command()

    await until(lambda: "unconfirmed" in [event["event"] for event in scene.events])
    assert await scene.is_shown("unconfirmed")
    scene.relay.receipt(post)
    for row in scene.work(command):
        scene.relay.deliver(row)
    await whole(scene)


async def test_what_a_relay_withheld_can_be_sent_again_and_is_over_with_the_last_verdict(impatient: Scene) -> None:
    scene = impatient
    scene.send()
    first = await scene.relay.post()
    await until(lambda: "unconfirmed" in [event["event"] for event in scene.events])
    task_id = scene.events[-1]["task_id"]

    again = asyncio.create_task(scene.does("resend", id=task_id, wait=None, most_bytes=MOST_BYTES))
    scene.relay.refuse(await scene.relay.post(2), Reason.REASON_QUEUE_FULL)
    await until(lambda: any(event.get("reason") == "QUEUE_FULL" for event in scene.events))
    assert await scene.is_shown("unconfirmed")
    scene.relay.refuse(first, Reason.REASON_NOT_TAKEN_IN_TIME)

    assert await scene.ended() == 9
    assert await again == 9
    assert (scene.events[-1]["state"], scene.events[-1]["reason"]) == ("refused", "NOT_TAKEN_IN_TIME")


@pytest.mark.parametrize("first", ["receipt", "refusal"])
async def test_the_first_verdict_counts(scene: Scene, first: str) -> None:
    scene.send(wait=None if first == "refusal" else 0.8)
    post = await scene.relay.post()
    if first == "refusal":
        scene.relay.refuse(post, Reason.REASON_QUEUE_FULL)
    scene.relay.receipt(post)
    if first == "receipt":
        scene.relay.refuse(post, Reason.REASON_QUEUE_FULL)

    assert await scene.ended() == (8 if first == "receipt" else 9)


async def test_a_sealed_acceptance_after_a_refusal_is_shown_as_tampering_and_counts(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.refuse(post, Reason.REASON_HOST_UNREACHABLE)
    assert await scene.ended() == 3
    task_id = scene.events[-1]["task_id"]
    for row in scene.work(command):
        scene.relay.deliver(row)
    scene.send(id=task_id)

    await until(lambda: scene.sending is not None and scene.sending.done())
    assert await scene.ended() in (0, 3)
    lines = [line async for line in again(scene, task_id)]
    assert lines[-1]["state"] == "done"
    assert lines[-1]["tampering"]
    assert lines[-1]["warning"]


async def test_a_refusal_after_a_sealed_acceptance_changes_nothing_but_is_shown(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    rows = scene.work(command)
    for row in rows[:2]:
        scene.relay.deliver(row)
    scene.relay.refuse(post, Reason.REASON_HOST_UNREACHABLE)
    for row in rows[2:]:
        scene.relay.deliver(row)

    assert await scene.ended() == 0
    assert scene.events[-1]["tampering"]


@pytest.mark.parametrize("dropped", [(0,), (1,), (2, 3), (0, 1, 2, 3, 4), (4,)])
async def test_rows_that_the_relay_drops_are_asked_for_again(scene: Scene, dropped: tuple[int, ...]) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.receipt(post)
    for number, row in enumerate(scene.work(command)):
        if number not in dropped:
            scene.relay.deliver(row)

    await whole(scene)
    assert scene.mind.resends


async def test_a_dropped_last_row_is_found_by_the_next_session(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.receipt(post)
    for row in scene.work(command)[:-1]:
        scene.relay.deliver(row)
    await until(lambda: len(scene.steps()) == 2)
    scene.relay.stream.cut()

    await whole(scene)


async def test_rows_that_come_twice_or_again_are_shown_once(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.receipt(post)
    for row in scene.work(command):
        scene.relay.deliver(row)
        scene.relay.deliver(row, seq=scene.relay.seq)  # the same place again
        scene.relay.deliver(row)  # replayed as a new row

    await whole(scene)
    scene.relay.deliver(b"no row")  # behind all of them
    await scene.has_holes(1)  # this one: what came before is no hole, at whichever place it comes again


async def test_rows_in_another_order_come_out_in_the_hosts(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.receipt(post)
    for row in reversed(scene.work(command)):
        scene.relay.deliver(row)

    await whole(scene)


async def test_a_gap_in_the_log_is_counted_and_harms_nothing(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.receipt(post)
    for row in scene.work(command):
        scene.relay.deliver(row, seq=scene.relay.seq + 3)

    await whole(scene)
    await scene.has_holes(12)


@pytest.mark.parametrize("forged", [b"", b"\x01" * 40, b"\x01" + os.urandom(304), os.urandom(70_000)])
async def test_forged_rows_are_holes_and_harm_nothing(scene: Scene, forged: bytes) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.receipt(post)
    for row in scene.work(command):
        scene.relay.deliver(forged)
        scene.relay.deliver(row)

    await whole(scene)


async def test_forged_live_frames_harm_nothing(scene: Scene) -> None:
    scene.send()
    for forged in (b"", b"\x82", b"\x82" + os.urandom(1200), b"\x81" + os.urandom(64), b"\x01" + os.urandom(304)):
        await scene.relay.until(lambda: scene.relay.streams)
        scene.relay.stream.say(live=pb.Live(sealed=forged))
    post, command = await scene.command()
    scene.relay.receipt(post)
    for row in scene.work(command):
        scene.relay.deliver(row)

    await whole(scene)


async def test_an_event_that_does_not_link_is_thrown_away_and_asked_for_again(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.receipt(post)
    rows = scene.work(command)
    forged = words.Event(
        event_id=os.urandom(16),
        number=1,
        previous_hash=os.urandom(32),
        task_id=command.task_id,
        ended=words.Ended(outcome=pb.OUTCOME_FAILED),
    )
    del rows
    scene.relay.deliver(scene.mind.row(words.DownKeepItem(event=forged.SerializeToString())))
    scene.relay.deliver(scene.mind.row(words.DownKeepItem(event=scene.mind.events[5])))

    await whole(scene)
    assert scene.mind.resends[0][0] == 1


async def test_words_about_posts_that_never_were_change_nothing(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    for stranger in (os.urandom(16), b"", os.urandom(500)):
        scene.relay.stream.say(handed_over=pb.HandedOver(message_id=stranger))
        scene.relay.receipt(pb.Post(message_id=stranger))
        scene.relay.refuse(pb.Post(message_id=stranger), Reason.REASON_INTERNAL)
    scene.relay.receipt(post)
    for row in scene.work(command):
        scene.relay.deliver(row)

    await whole(scene)


async def test_a_place_that_no_log_can_have_ends_the_stream_and_not_the_phone(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.stream.say(deliver=pb.Deliver(seq=2**64 - 1, message_id=os.urandom(16), sealed=b"x"))
    await scene.relay.until(lambda: len(scene.relay.streams) == 2)
    del post
    for row in scene.work(command):
        scene.relay.deliver(row)

    await whole(scene)


async def test_a_post_that_the_relay_lost_goes_out_again_as_the_next_attempt_sealed_anew(scene: Scene) -> None:
    scene.send()
    first = await scene.relay.post()
    scene.relay.stream.cut()
    second, command = await scene.command(2)

    assert (first.task_id, command.attempt) == (second.task_id, 2)
    assert first.message_id != second.message_id
    assert first.sealed[1:9] != second.sealed[1:9]  # another epoch
    for row in scene.work(command):
        scene.relay.deliver(row)
    await whole(scene)
    assert "unconfirmed" in [event["event"] for event in scene.events]


async def test_a_post_that_is_still_pending_after_a_break_is_not_sent_again(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    scene.relay.pending = [post.message_id]
    scene.relay.stream.cut()
    await scene.relay.until(lambda: len(scene.relay.streams) == 2)
    scene.relay.receipt(post)
    await until(lambda: scene.mind.handshakes >= 2)
    for row in scene.work(command):
        scene.relay.deliver(row)

    await whole(scene)
    assert len(scene.relay.posts) == 1


@pytest.mark.parametrize("lost", ["too old", "set back", "left out"])
async def test_what_a_log_that_lost_rows_can_not_tell_is_unconfirmed_and_denies_nothing(
    scene: Scene, lost: str
) -> None:
    scene.send(wait=0.0)
    post, command = await scene.command()
    scene.relay.deliver(b"a row")  # the log is longer than where the phone will be told to begin
    assert await scene.ended() == 8
    await until_so(lambda: scene.has_read(scene.relay.seq))
    if lost == "too old":
        scene.relay.oldest_seq = 100
        scene.relay.seq = 120
        scene.relay.stream.cut()
        await scene.relay.until(lambda: len(scene.relay.streams) == 2)
        scene.relay.seq = 99
        for _ in range(21):
            scene.relay.deliver(b"a row")
    elif lost == "set back":
        scene.relay.seq -= 1
        scene.relay.stream.cut()
    else:
        scene.relay.deliver(b"a row", seq=scene.relay.seq + 2)
        await until_so(lambda: scene.has_read(scene.relay.seq))
        scene.relay.stream.cut()
    await until(lambda: scene.mind.handshakes >= 2)
    await until_so(lambda: scene.has_read(scene.relay.seq))

    assert await scene.is_shown("unconfirmed")
    assert await scene.does("outbox") == 0
    assert scene.said == []
    for row in scene.work(command):
        scene.relay.deliver(row)
    await until_so(lambda: scene.is_shown("done"))
    assert "tampering" not in scene.said[-1]
    assert [post.message_id] == [one.message_id for one in scene.relay.posts]


async def test_a_verdict_that_was_lost_and_comes_all_the_same_counts(scene: Scene) -> None:
    scene.send()
    post, _ = await scene.command()
    scene.relay.deliver(b"a row", seq=scene.relay.seq + 2)
    await until(lambda: "unconfirmed" in [event["event"] for event in scene.events])

    scene.relay.refuse(post, Reason.REASON_QUEUE_FULL)

    assert await scene.ended() == 9
    assert (scene.events[-1]["state"], scene.events[-1]["reason"]) == ("refused", "QUEUE_FULL")


async def test_a_handing_over_that_is_repeated_without_end_is_kept_once(scene: Scene) -> None:
    scene.send()
    post, command = await scene.command()
    for _ in range(200):
        scene.relay.stream.say(handed_over=pb.HandedOver(message_id=post.message_id))
    for row in scene.work(command):
        scene.relay.deliver(row)

    await whole(scene)
    assert [event["event"] for event in scene.events].count("handed_over") == 1


async def test_a_relay_that_swallows_handshakes_gets_a_bare_command_and_no_words(tmp_path: Path) -> None:
    async with made(tmp_path / "phone", USUAL) as scene:
        scene.relay.forwards = False
        scene.send()

        post = await scene.relay.post()

        assert post.sealed == b""
        scene.relay.refuse(post, Reason.REASON_HOST_UNREACHABLE)
        assert await scene.ended() == 3


@contextlib.asynccontextmanager
async def hasty_to_send(home: Path) -> AsyncIterator[Scene]:
    """A phone that waits for no session, and has all the time for the rest."""
    patience = replace(UNHURRIED, shake_seconds=0.1, presence_seconds=0.1, command_seconds=DEADLINE_SECONDS)
    async with made(home, patience) as scene:
        scene.relay.lease_ms = 60_000  # it is silent, and that is not what this is about
        yield scene


async def handshake_of(scene: Scene) -> pb.Live:
    """Wait for a handshake of the phone on this stream; gives the host's answer to it."""

    def first() -> list[bytes]:
        return [frame.live.sealed for frame in scene.relay.stream.frames if is_handshake(frame.live.sealed)]

    await scene.relay.until(lambda: scene.relay.streams and first())
    (message2,), _ = scene.mind.live(first()[-1])
    scene.relay.forwards = True
    return pb.Live(sealed=message2)


def refusal(post: pb.Post, reason: Reason.ValueType) -> pb.Refusal:
    return pb.Refusal(message_id=post.message_id, reason=reason)


@pytest.mark.parametrize("first", ["session", "refusal"])
async def test_that_a_bare_command_needs_a_session_ends_neither_the_one_made_meanwhile_nor_a_handshake_under_way(
    tmp_path: Path, first: str
) -> None:
    async with hasty_to_send(tmp_path / "phone") as scene:
        scene.relay.forwards = False
        scene.send()
        post = await scene.relay.post()
        assert post.sealed == b""

        answer, refused = await handshake_of(scene), refusal(post, Reason.REASON_SESSION_NEEDED)
        if first == "session":
            scene.relay.stream.say(live=answer, refusal=refused)
        else:
            scene.relay.stream.say(refusal=refused, live=answer)

        second = await scene.relay.post(2)
        assert scene.mind.command(second.sealed)[0] is not None
        assert scene.mind.handshakes == 1
        scene.relay.refuse(second, Reason.REASON_QUEUE_FULL)
        assert await scene.ended() == 9


@pytest.mark.parametrize("first", ["session", "refusal"])
async def test_that_a_command_of_the_last_session_is_stale_ends_neither_the_next_one_nor_a_handshake_under_way(
    tmp_path: Path, first: str
) -> None:
    async with hasty_to_send(tmp_path / "phone") as scene:
        assert (await how_it_is(scene, probe=True))["probe"]["answered"]
        scene.relay.forwards = False
        scene.relay.stream.frames.clear()
        scene.relay.stream.say(presence=pb.Presence(state=pb.REACHABILITY_REACHABLE, instance=b"the next process"))
        scene.send()
        post = await scene.relay.post()
        answer, refused = await handshake_of(scene), refusal(post, Reason.REASON_STALE_EPOCH)

        if first == "session":
            scene.relay.stream.say(live=answer, refusal=refused)
        else:
            scene.relay.stream.say(refusal=refused, live=answer)

        second = await scene.relay.post(2)
        assert second.sealed[1:9] != post.sealed[1:9]  # another epoch
        assert scene.mind.command(second.sealed)[0] is not None
        assert scene.mind.handshakes == 2
        scene.relay.refuse(second, Reason.REASON_QUEUE_FULL)
        assert await scene.ended() == 9


async def test_a_phone_that_stood_still_does_not_take_the_relays_words_that_lie_unread_for_silence(
    tmp_path: Path,
) -> None:
    async with made(tmp_path / "phone", UNHURRIED) as scene:
        scene.relay.lease_ms = 500
        talking = asyncio.create_task(pings(scene.relay))
        scene.send()
        post, command = await scene.command()
        scene.relay.receipt(post)
        accepted, *rest = scene.work(command)
        scene.relay.deliver(accepted)
        await until(lambda: "accepted" in [event["event"] for event in scene.events])

        time.sleep(1.5)  # noqa: ASYNC251 -- everything stands still, for three leases
        for row in rest:
            scene.relay.deliver(row)

        await whole(scene)
        talking.cancel()
    assert len(scene.relay.streams) == 1
    assert "out_of_contact" not in [event["event"] for event in scene.events]


async def pings(relay: LyingRelay) -> None:
    """Say something on the newest stream, again and again."""
    for number in itertools.count(1):
        if relay.streams:
            relay.stream.say(ping=pb.Ping(number=number))
        await asyncio.sleep(0.1)


async def test_a_pairing_that_the_host_ended_is_over_on_the_phone_and_its_keys_are_gone(scene: Scene) -> None:
    scene.send()
    await scene.command()
    scene.relay.deliver(scene.mind.row(words.DownKeepItem(revoked=words.Revoked())))

    assert await scene.ended() == 6
    assert scene.events[-1]["reason"] == "NOT_PAIRED"
    assert not list((scene.phone.path / "keys").glob("pair-*"))


async def again(scene: Scene, task_id: str) -> AsyncIterator[Event]:
    """Look at a task once more."""
    events: list[Event] = []
    await scene.desk.do(send_request("build it", id=task_id), say=events.append, hear=nobody)
    for event in events:
        yield event


class LaterClock:
    """The computer's, whose boot time the test moves: as it is behind a sleep, steady time stands still meanwhile."""

    def __init__(self) -> None:
        self.later_ms = 0
        self.wall_ms = SystemClock().wall_ms
        self.steady_ms = SystemClock().steady_ms

    def boot_ms(self) -> int:
        return SystemClock().boot_ms() + self.later_ms


async def test_a_session_gets_a_successor_after_a_day_and_not_while_a_command_is_under_way(tmp_path: Path) -> None:
    clock = LaterClock()
    patience = replace(UNHURRIED, command_seconds=DEADLINE_SECONDS, presence_seconds=0.1)
    async with made(tmp_path / "phone", patience, clock) as scene:
        scene.relay.lease_ms = 60_000  # it is silent, and that is not what this is about
        scene.send()
        post, command = await scene.command()
        clock.later_ms = RENEW_AFTER_MS
        scene.relay.deliver(scene.mind.event_row(steered=words.Steered(text="something happens")))
        await until_so(lambda: scene.has_read(scene.relay.seq))
        assert (await how_it_is(scene, probe=True))["probe"]["answered"]
        assert scene.mind.handshakes == 1

        scene.relay.receipt(post)
        await until(lambda: scene.mind.handshakes >= 2)
        for row in scene.work(command):
            scene.relay.deliver(row)
        assert await scene.ended() == 0
        scene.send()
        second, _ = await scene.command(2)
        assert second.sealed[1:9] != post.sealed[1:9]  # another epoch
        scene.relay.refuse(second, Reason.REASON_QUEUE_FULL)
        assert await scene.ended() == 9


AWAY = pb.Presence(
    state=pb.REACHABILITY_ABSENT, cause=Reason.REASON_HOST_UNREACHABLE, instance=b"one host process", lease_age_ms=9_000
)


async def how_it_is(scene: Scene, *, probe: bool) -> Event:
    """Ask the phone how its host is."""
    said: list[Event] = []
    assert await scene.desk.do({"do": "status", "probe": probe}, say=said.append, hear=nobody) == 0
    host: Event = said[0]["hosts"][0]
    return host


async def test_a_host_that_answers_is_shown_as_there_whatever_the_relay_says(scene: Scene) -> None:
    assert (await how_it_is(scene, probe=True))["probe"]["answered"]
    scene.relay.stream.say(presence=AWAY)

    async def is_away() -> bool:
        away = await how_it_is(scene, probe=False)
        return (away["reachability"], away.get("reason")) == ("absent", "HOST_UNREACHABLE")

    await until_so(is_away)

    there = await how_it_is(scene, probe=True)

    assert there["reachability"] == "reachable"
    assert "reason" not in there


async def test_what_was_on_its_way_when_the_host_left_does_not_bring_it_back(scene: Scene) -> None:
    assert (await how_it_is(scene, probe=True))["probe"]["answered"]
    late = scene.mind.live_row(words.DownLiveItem(partial_text=words.PartialText(task_id=os.urandom(16), delta="late")))

    scene.relay.stream.say(presence=AWAY)
    scene.relay.stream.say(live=pb.Live(sealed=late))
    scene.relay.stream.say(
        live=pb.Live(sealed=scene.mind.live_row(words.DownLiveItem(probe_reply=words.ProbeReply(number=1))))
    )
    scene.relay.deliver(scene.mind.event_row(steered=words.Steered(text="behind them")))

    async def has_read_them() -> bool:
        return [line["event"] for line in await scene.thread()] == ["steered"]

    await until_so(has_read_them)
    assert (await how_it_is(scene, probe=False))["reachability"] == "absent"
