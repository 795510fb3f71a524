"""What is in no hurry waits for company, for a moment. docs/protocol.md "Batched"."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.clock import SystemClock
from dispatch.ids import DeviceId, Instance, MessageId
from dispatch.runtime.metrics import Carrier
from dispatch.thread import Backoff, Identity, Right, ThreadClient
from dispatch_relay import frames
from dispatch_relay.log import Row, RowKind
from dispatch_relay.presence import End
from dispatch_relay.settings import Settings
from dispatch_relay.stream import MOST_UNHURRIED, Caller, Stream
from dispatch_relay.tail import Tail

from tests.support.relay_end import RelayEnd

PENDING = MessageId(b"p" * 16)
KEPT = Row(seq=1, kind=RowKind.KEEP, message_id=MessageId(b"k" * 16), task_id=b"t" * 16, at_ms=1, sealed=b"s")  # type: ignore[arg-type] # bytes are an id


# ---- the relay's stream


async def nothing(_seq: int) -> Sequence[Row]:
    return []


@pytest.fixture
def tail() -> Tail:
    return Tail(head_seq=0, limit_bytes=100_000)


@pytest.fixture
async def stream(tail: Tail) -> Stream:
    caller = Caller(End.PHONE, DeviceId(b"d" * 16), Instance(b"i" * 16), resume_after=0, looking=False)
    return Stream(
        caller, carrier=Carrier.GRPC, tail=tail, read_rows=nothing, settings=Settings(), now_ms=0, until_ms=60_000
    )


async def said(stream: Stream) -> list[str]:
    """The names of the frames of the next message."""
    message = pb.AttachResponse.FromString(await stream.batch())
    return [frame.WhichOneof("frame") or "" for frame in message.frames]


async def test_what_is_in_no_hurry_goes_along_with_what_is(stream: Stream, tail: Tail) -> None:
    stream.mention(frames.handed_over(PENDING))
    stream.peer_acked(1)
    stream.peer_acked(2)
    tail.add(KEPT)
    stream.news(hurried=True)

    message = pb.AttachResponse.FromString(await stream.batch())

    assert [frame.WhichOneof("frame") for frame in message.frames] == ["handed_over", "peer_ack", "deliver"]
    assert message.frames[1].peer_ack.through_seq == 2


async def test_a_receipt_goes_along_with_what_comes_next_or_after_a_moment(stream: Stream, tail: Tail) -> None:
    tail.add(KEPT)
    stream.news(hurried=False)
    stream.say(frames.handed_over(PENDING))
    assert await said(stream) == ["handed_over", "deliver"]

    tail.add(replace(KEPT, seq=2))
    stream.news(hurried=False)
    assert await said(stream) == ["deliver"]


@pytest.mark.parametrize(("rows", "goes_at_once"), [(MOST_UNHURRIED - 1, False), (MOST_UNHURRIED, True)])
async def test_of_receipts_not_so_many_wait_that_a_host_sends_no_more(
    stream: Stream, tail: Tail, rows: int, goes_at_once: bool
) -> None:
    batch = asyncio.create_task(stream.batch())
    await asyncio.sleep(0)  # it waits
    for number in range(rows):
        tail.add(replace(KEPT, seq=1 + number, sealed=b""))
        stream.news(hurried=False)

    for _ in range(5):  # turns of the loop, and no time
        await asyncio.sleep(0)

    assert batch.done() is goes_at_once
    assert len(pb.AttachResponse.FromString(await batch).frames) == rows


async def test_what_opens_the_stream_and_what_answers_comes_first(stream: Stream) -> None:
    # It came before Opened once: a host that came back to a phone that had acked rows was never let in.
    stream.peer_acked(1)
    stream.mention(frames.handed_over(PENDING))
    stream.say(frames.draining(reconnect_in_ms=1))

    assert await said(stream) == ["draining", "handed_over", "peer_ack"]


async def test_alone_it_is_said_all_the_same(stream: Stream) -> None:
    stream.mention(frames.handed_over(PENDING))
    assert await said(stream) == ["handed_over"]

    stream.peer_acked(1)
    assert await said(stream) == ["peer_ack"]


async def test_it_is_said_before_the_stream_ends(stream: Stream) -> None:
    stream.peer_acked(1)
    stream.finish(None)

    assert await said(stream) == ["peer_ack"]
    assert await stream.batch() == b""


# ---- a device's client


class Device:
    """The end behind the client: nobody."""

    def __init__(self, relay: str) -> None:
        self.open = asyncio.Event()
        self._right = Right(grant=b"any", relays=[relay])

    async def right(self, *, fresh: bool) -> Right:
        return self._right

    def resume_after(self) -> int:
        return 0

    def looking(self) -> bool:
        return False

    async def opened(self, opened: pb.Opened) -> None:
        self.open.set()

    async def received(self, frames: Sequence[pb.RelayFrame]) -> None:
        pass

    async def closed(self, error: errors.DispatchError) -> None:
        pass


@pytest.fixture
async def relay() -> AsyncIterator[RelayEnd]:
    async with RelayEnd() as relay:
        yield relay


@pytest.fixture
async def client(relay: RelayEnd) -> AsyncIterator[ThreadClient]:
    """A client whose stream is open."""
    device = Device(relay.address)
    client = ThreadClient(
        device,
        identity=Identity(device_id=DeviceId(b"d" * 16), kind=pb.DEVICE_KIND_HOST, sign=lambda _: bytes(64)),
        instance=Instance(os.urandom(16)),
        clock=SystemClock(),
        rng=os.urandom,
        backoff=Backoff(random.Random(1)),
    )
    running = asyncio.create_task(client.run())
    await device.open.wait()
    yield client
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_an_ack_goes_along_with_the_next_frame_and_only_the_newest_counts(
    relay: RelayEnd, client: ThreadClient
) -> None:
    client.acknowledge(1)
    client.acknowledge(3)
    client.acknowledge(2)
    client.send(pb.DeviceFrame(pong=pb.Pong(number=7)))

    await relay.frame("pong")

    assert relay.messages[-1] == ["ack", "pong"]
    assert (await relay.frame("ack")).ack.through_seq == 3


async def test_an_ack_that_nothing_takes_along_goes_alone(relay: RelayEnd, client: ThreadClient) -> None:
    client.acknowledge(1)

    assert (await relay.frame("ack")).ack.through_seq == 1
    assert relay.messages[-1] == ["ack"]


async def test_who_leaves_has_said_what_it_has(relay: RelayEnd, client: ThreadClient) -> None:
    client.acknowledge(4)
    client.leave(None)

    await relay.frame("bye")

    assert relay.messages[-1] == ["ack", "bye"]


async def test_an_ack_counts_as_one_of_the_frames_that_a_message_may_have(
    relay: RelayEnd, client: ThreadClient
) -> None:
    most = 64  # as this relay said
    client.acknowledge(1)
    client.send(*(pb.DeviceFrame(pong=pb.Pong(number=number)) for number in range(1, most + 1)))

    await relay.frame("pong", count=most)

    assert [len(message) for message in relay.messages[-2:]] == [most, 1]
