"""What is counted: each is a piece of work that is done so many times. Run by `child`; docs/benchmarks.md "It stays as cheap".

Whatever a work prepares it prepares for `most`, however often it then does what is counted: so two runs that do it N and 2 N times
differ in nothing else.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.encoding import message_id
from dispatch.ids import ID_BYTES
from dispatch.sealed.frame import Direction, FrameClass

from bench.counting.devices import HOST, PAIR_ID, PHONE, End, seed, written
from bench.counting.small_relay import SETTINGS, STORE, SmallRelay, running
from bench.counting.still import StillClock, StillLoop
from bench.subjects.seal import LENGTH_BYTES, Sealer, sealer

TEXT_BYTES = 1_024
"""Of a text, before it is sealed."""

Mark = Callable[[], None]
"""Called right before what is counted, or right behind it."""


Work = Callable[[int, int, Mark, Mark], None]
"""Does something so often; it may have to prepare for most. Tells when it begins, and when it is done."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A work. `work(times, most, begun, done)` does it."""

    name: str
    about: str
    times: int
    """N: it is done so often, and twice as often."""
    work: Work


# ---- what the relay does


def _posts(
    kind: pb.Kind.ValueType, count: int, *, outcome: pb.Outcome.ValueType = pb.OUTCOME_UNSPECIFIED
) -> list[bytes]:
    """Make messages with one post each, in the size of a sealed text; those of both kinds belong to the same tasks."""
    rng = Random(int(kind))
    size = len(_sealers()[0].seal(_text()))
    posts = []
    for number in range(count):
        sealed = rng.randbytes(size)
        task_id = seed(f"task {number}")[:ID_BYTES]
        post = pb.Post(message_id=message_id(sealed), task_id=task_id, kind=kind, sealed=sealed, outcome=outcome)
        posts.append(written(pb.DeviceFrame(post=post)))
    return posts


def _answers(count: int) -> Iterator[bytes]:
    return iter(_posts(pb.KIND_KEEP, count, outcome=pb.OUTCOME_DONE))


T = TypeVar("T")
Doing = Callable[[SmallRelay, int, int, Mark], Awaitable[None]]


def _at_relay(doing: Doing) -> Work:
    """Make a work of what is done at a relay with an empty store."""

    def work(times: int, most: int, begun: Mark, done: Mark) -> None:
        async def run(folder: Path, clock: StillClock) -> None:
            async with running(folder, clock) as relay:
                await doing(relay, times, most, begun)
                done()

        _alone(run)

    return work


def _alone(doing: Callable[[Path, StillClock], Awaitable[T]]) -> T:
    """Do it in an empty folder, on a loop and a clock of its own."""
    clock = StillClock()
    with tempfile.TemporaryDirectory() as folder, _loop(clock) as loop:
        return loop.run_until_complete(doing(Path(folder), clock))


@contextmanager
def _loop(clock: StillClock) -> Iterator[StillLoop]:
    loop = StillLoop(clock)
    try:
        yield loop
    finally:
        loop.close()


async def _round_trips(relay: SmallRelay, times: int, most: int, begun: Mark) -> None:
    """A command, its verdict, its answer; receipts and acks of both ends."""
    commands = _posts(pb.KIND_COMMAND, most)
    await relay.attach(End(HOST, answers=_answers(most)))
    phone = await relay.attach(End(PHONE))
    begun()
    for number in range(times):
        phone.say(commands[number])
        await phone.until("deliver", number + 1)


async def _refusals(relay: SmallRelay, times: int, most: int, begun: Mark) -> None:
    """A command for a host that is absent: decided, stored and told."""
    commands = _posts(pb.KIND_COMMAND, most)
    phone = await relay.attach(End(PHONE))
    begun()
    for number in range(times):
        phone.say(commands[number])
        await phone.until("refusal", number + 1)


async def _live_frames(relay: SmallRelay, times: int, _most: int, begun: Mark) -> None:
    """One live frame from the phone to the host."""
    host = await relay.attach(End(HOST))
    phone = await relay.attach(End(PHONE))
    said = written(pb.DeviceFrame(live=pb.Live(sealed=_sealers()[0].seal(_text()))))
    begun()
    for number in range(times):
        phone.say(said)
        await host.until("live", number + 1)


async def _pings(relay: SmallRelay, times: int, _most: int, begun: Mark) -> None:
    """Both ends are asked whether they are there, and answer: one step of time."""
    host = await relay.attach(End(HOST))
    phone = await relay.attach(End(PHONE))
    asked = {end: end.heard["ping"] for end in (host, phone)}
    begun()
    for number in range(times):
        for end in asked:
            await end.taken()  # else time passes while its last answer lies unread
        relay.clock.pass_(SETTINGS.lease_ms)
        for end, before in asked.items():
            await end.until("ping", before + number + 1)


def _backlog(times: int, most: int, begun: Mark, done: Mark) -> None:
    """Rows of a host that the phone, which was away, reads back from the store of a relay that was started meanwhile."""
    store = _store_of(most)

    async def resume(folder: Path, clock: StillClock) -> None:
        (folder / STORE).write_bytes(store)
        async with running(folder, clock) as relay:
            phone = End(PHONE, resume_after=most - times)
            begun()
            await relay.attach(phone)
            await phone.until("deliver", times)
            done()

    _alone(resume)


@functools.cache
def _store_of(rows: int) -> bytes:
    """Let a host post so many rows, and give what its relay left behind.

    Kept, so that it is done before the processes are parted: it takes many times what reading them back does, and where its
    allocations happen to lie would be counted as well.
    """

    async def post(folder: Path, clock: StillClock) -> bytes:
        async with running(folder, clock) as relay:
            host = await relay.attach(End(HOST))
            answers = list(_answers(rows))
            for first in range(0, rows, SETTINGS.frames):
                host.say(b"".join(answers[first : first + SETTINGS.frames]))
            await host.until("receipt", rows)
        return (folder / STORE).read_bytes()

    return _alone(post)


# ---- what the SDK does


def _text() -> bytes:
    return bytes(TEXT_BYTES - LENGTH_BYTES)


def _sealers() -> tuple[Sealer, Sealer]:
    """Make the two ends of one chain of commands."""

    def one() -> Sealer:
        return sealer(PAIR_ID, Direction.UP, FrameClass.COMMAND, rng=lambda count: seed("padding")[:count])

    return one(), one()


def _seals(times: int, _most: int, begun: Mark, done: Mark) -> None:
    sealing, text = _sealers()[0], _text()
    begun()
    for _ in range(times):
        sealing.seal(text)
    done()


def _opens(times: int, most: int, begun: Mark, done: Mark) -> None:
    sealing, opening = _sealers()
    sealed = [sealing.seal(_text()) for _ in range(most)]
    begun()
    for one in sealed[:times]:
        opening.open(one)
    done()


COUNTED = (
    Counted(
        "round-trip",
        "a durable round trip: two messages of 1 KiB, all that belongs to them",
        20,
        _at_relay(_round_trips),
    ),
    Counted("backlog", "a row of 1 KiB, read back from the store for a phone that was away", 400, _backlog),
    Counted("live", "a live frame of 1 KiB", 200, _at_relay(_live_frames)),
    Counted("ping", "a question to both ends whether they are there, and their answers", 50, _at_relay(_pings)),
    Counted("refusal", "a command for a host that is absent: stored, and refused", 20, _at_relay(_refusals)),
    Counted("seal", "the sealing of 1 KiB by a device", 50, _seals),
    Counted("open", "the opening of 1 KiB by a device", 50, _opens),
)
