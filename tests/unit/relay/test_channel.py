"""One side of a channel against the other: everything arrives in order within the credit, and nonsense ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Sequence

import pytest
from dispatch import errors
from dispatch.ids import DeviceId, Instance, PairId, TransferId
from dispatch.runtime.metrics import Carrier
from dispatch_relay.channels import handed as handing
from dispatch_relay.channels import words
from dispatch_relay.channels.channel import PART_BYTES, WINDOW_BYTES, Channel
from dispatch_relay.channels.handed import Handed
from dispatch_relay.channels.side import Over, Side
from dispatch_relay.channels.words import Credit, Ended, Garbled, How, OfChannel, Part, Ping
from dispatch_relay.presence import End
from dispatch_relay.stream import Caller
from dispatch_relay.trust import Admitted

CHANNEL = b"c" * 16


def carried(data: bytes) -> OfChannel:
    said = words.read(data)
    assert isinstance(said, OfChannel)
    return said


def hears(channel: Channel, data: bytes) -> bytes | None:
    said = carried(data)
    return channel.hear(said.number, said.word)


def test_what_is_said_is_heard_in_order_and_counts_against_the_credit_until_it_is_taken() -> None:
    here, there = Channel(CHANNEL), Channel(CHANNEL)
    said = 0
    while here.has_room_for(PART_BYTES):
        assert hears(there, here.say(Part(bytes([said]) * PART_BYTES, last=True))) is None
        said += 1
    assert (WINDOW_BYTES - PART_BYTES) // PART_BYTES <= said <= WINDOW_BYTES // PART_BYTES

    told = []
    for number in range(said):
        part = there.take()
        assert part is not None
        assert part.data[0] == number
        told += [credit for credit in [there.credit()] if credit is not None]

    assert there.take() is None
    for credit in told:
        assert hears(here, credit) is None
    assert here.has_room_for(PART_BYTES)


def test_empty_parts_are_not_free() -> None:
    channel = Channel(CHANNEL)
    said = 0
    while channel.has_room_for(0) and said <= WINDOW_BYTES:
        channel.say(Part(b"", last=True))
        said += 1
    assert said < WINDOW_BYTES


def test_a_number_that_is_missing_or_comes_twice_ends_it_and_the_other_side_is_told() -> None:
    for order in ([0, 2], [0, 0], [1]):
        here, there = Channel(CHANNEL), Channel(CHANNEL)
        parts = [here.say(Part(b"%d" % number, last=True)) for number in range(3)]
        told = None
        for number in order:
            told = hears(there, parts[number])
        assert there.ended == Ended(How.GAP)
        assert there.take() is None, "what came before is not known to be all"
        assert told is not None
        assert hears(here, told) is None
        assert here.ended == Ended(How.GAP)


@pytest.mark.parametrize(
    "word",
    [
        Part(b"x" * (PART_BYTES + 1), last=True),
        Credit(1),
        Credit(2**64 - 1),
        Credit(0),
    ],
)
def test_what_no_relay_of_ours_says_ends_it(word: words.Word) -> None:
    channel = Channel(CHANNEL)
    channel.hear(1, word)
    assert channel.ended == Ended(How.GARBLED)


def test_more_than_the_credit_ends_it() -> None:
    channel = Channel(CHANNEL)
    for number in range(1, WINDOW_BYTES // PART_BYTES + 2):
        channel.hear(number, Part(b"x" * PART_BYTES, last=False))
    assert channel.ended == Ended(How.GARBLED)


def test_what_was_said_before_an_end_is_still_read_but_not_what_was_said_before_a_loss() -> None:
    for how, left in ((How.PEACE, b"last words"), (How.BUS, None)):
        here, there = Channel(CHANNEL), Channel(CHANNEL)
        hears(there, here.say(Part(b"last words", last=True)))
        told = here.end(Ended(how))
        assert told is not None
        assert here.end(Ended(How.GONE)) is None
        hears(there, told)
        part = there.take()
        assert (None if part is None else part.data) == left


def test_words_come_back_as_they_were() -> None:
    refused = errors.RateLimited("slowly", retry_after_ms=7, metadata={"limit_bytes": "5"})
    for word in (Part(b"\0data", last=False), Part(b"", last=True), Credit(2**40), Ended(How.PEACE)):
        assert words.read(words.write(CHANNEL, 3, word)) == OfChannel(CHANNEL, 3, word)
    ended = carried(words.write(CHANNEL, 9, Ended(How.REFUSED, refused))).word
    assert isinstance(ended, Ended)
    assert isinstance(ended.error, errors.RateLimited)
    assert (ended.error.detail, ended.error.retry_after_ms) == ("slowly", 7)
    assert ended.error.metadata == {"limit_bytes": "5"}
    assert words.read(words.write_ping([CHANNEL])) == Ping([CHANNEL])


def test_no_bytes_do_more_than_be_garbled() -> None:
    """Bytes that were cut, flipped or made up are read as a word or refused as garbled, and nothing else happens."""
    chance = random.Random(7)
    samples = [
        words.write(CHANNEL, 1, Ended(How.REFUSED, errors.Draining(retry_after_ms=5))),
        words.write(CHANNEL, 2, Credit(5)),
        words.write_ping([CHANNEL, CHANNEL]),
        handing.write(a_thread()),
    ]
    for _ in range(4_000):
        data = bytearray(chance.choice(samples))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        broken = bytes(data[: chance.randint(0, len(data))])
        for read in (words.read, words.read_object, handing.read, words.read_ids):
            with contextlib.suppress(Garbled):
                read(broken)


def a_thread() -> Handed:
    admitted = Admitted(
        pair_id=PairId(b"p" * 16), device_id=DeviceId(b"d" * 16), device_key=b"k" * 32, end=End.PHONE, left_ms=5_000
    )
    caller = Caller(
        end=End.PHONE, device_id=admitted.device_id, instance=Instance(b"i" * 16), resume_after=9, looking=True
    )
    return Handed(admitted, Carrier.WEB, "192.0.2.7", caller=caller)


def test_a_stream_is_handed_over_whole_or_not_at_all() -> None:
    thread = a_thread()
    transfer = Handed(thread.admitted, Carrier.GRPC, "192.0.2.7", transfer_id=TransferId(b"t" * 16))
    for handed in (thread, transfer):
        assert handing.read(handing.write(handed)) == handed
    for hostile in (
        handing.write(thread).replace(b'"end": 1', b'"end": 3'),
        handing.write(thread).replace(b"70707070", b"7070"),
        handing.write(thread).replace(b'"left_ms": 5000', b'"left_ms": -1'),
        handing.write(thread).replace(b'"carrier": "web"', b'"carrier": "pigeon"'),
        b"[]",
        b"[" * 100_000,
        b"",
    ):
        with pytest.raises(Garbled):
            handing.read(hostile)


class Line:
    """Two sides, and what is between them: held back until `deliver`."""

    def __init__(self) -> None:
        self.held: list[tuple[Side, bytes]] = []
        self.here = Side(CHANNEL, say=lambda data: self.held.append((self.there, data)))
        self.there = Side(CHANNEL, say=lambda data: self.held.append((self.here, data)))

    async def deliver(self) -> None:
        while self.held:
            held, self.held = self.held, []
            for side, data in held:
                said = carried(data)
                side.hear(said.number, said.word)
            await asyncio.sleep(0)


async def through(line: Line, messages: Sequence[bytes]) -> list[bytes]:
    """Say messages at one side and read them at the other."""
    got: list[bytes] = []

    async def say() -> None:
        for message in messages:
            await line.here.write(message)

    async def read() -> None:
        while len(got) < len(messages):
            got.append(await line.there.read())

    work = asyncio.gather(say(), read())
    while not work.done():
        await line.deliver()
        await asyncio.sleep(0)
    await work
    return got


async def test_messages_of_any_size_come_whole() -> None:
    sizes = (0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, 2 * WINDOW_BYTES)
    messages = [os.urandom(size) for size in sizes]
    assert await through(Line(), messages) == messages


async def test_who_does_not_read_holds_up_who_writes_at_the_credit() -> None:
    line = Line()
    writing = asyncio.create_task(line.here.write(b"x" * (4 * WINDOW_BYTES)))
    for _ in range(100):
        await line.deliver()
        await asyncio.sleep(0)
    assert not writing.done()
    assert sum(len(data) for _, data in line.held) == 0

    line.there.end(Ended(How.GONE))
    await line.deliver()
    with pytest.raises(Over):
        await writing
    assert line.here.over.result() == Ended(How.GONE)


async def test_a_message_without_end_ends_the_channel() -> None:
    line = Line()
    writing = asyncio.create_task(line.here.write(b"x" * (16 * WINDOW_BYTES)))
    reading = asyncio.create_task(line.there.read())
    while not (writing.done() and reading.done()):
        await line.deliver()
        await asyncio.sleep(0)
    for task in (reading, writing):
        with pytest.raises(Over):
            await task
    assert line.there.over.result() == Ended(How.GARBLED)
