"""Both ends of a transfer against each other, with a relay between them that cuts, lies, repeats and never ends."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.files.description import Described
from dispatch.files.giving import give
from dispatch.files.partial import Partial, placed
from dispatch.files.taking import take
from dispatch.ids import FileId, TransferId
from dispatch.sealed.file import CHUNK_BYTES, length_of

from tests.support.carriers import End, Way, ends

CONTENT = os.urandom(5 * CHUNK_BYTES + 17)
TRANSFER = TransferId(bytes(range(16)))


def described(content: bytes = CONTENT, name: str = "report.csv") -> Described:
    return Described(
        file_id=FileId(os.urandom(16)),
        key=os.urandom(32),
        name=name,
        size=len(content),
        sha256=sha256(content).digest(),
    )


@dataclass
class Bytes:
    """A source in memory that remembers what was read."""

    content: bytes
    reads: list[int] = field(default_factory=list)

    def read(self, at: int, length: int) -> bytes:
        self.reads.append(at)
        return self.content[at : at + length]


class Desk:
    """A folder in which a file arrives."""

    def __init__(self, folder: Path, file: Described) -> None:
        self.folder = folder
        self.file = file
        self.partial = folder / ".arriving.part"
        self.progress: list[int] = []
        self.final: Path | None = None

    async def takes(self, carrier: End, *, transfer_id: TransferId = TRANSFER, free: int = 2**40) -> None:
        with Partial(self.partial, self.file, free=lambda _: free) as partial:

            async def keep() -> None:
                self.final = placed(partial, self.folder, self.file.name)

            await take(
                carrier, partial, transfer_id=transfer_id, rng=os.urandom, progress=self.progress.append, keep=keep
            )

    def nothing_is_left(self) -> bool:
        return list(self.folder.iterdir()) == []


async def gives(carrier: End, file: Described, source: Bytes, progress: list[int] | None = None) -> None:
    told = progress if progress is not None else []
    await give(carrier, file, source, transfer_id=TRANSFER, rng=os.urandom, progress=told.append)


Failures = tuple[BaseException | None, BaseException | None]


async def both(desk: Desk, source: Bytes, *, giving: Way | None = None, taking: Way | None = None) -> Failures:
    """Run a transfer; gives what the giver and the taker raised."""
    giver, taker = ends(giving=giving, taking=taking)

    async def run(work: asyncio.Task[None], end: End) -> BaseException | None:
        try:
            await work
        except errors.DispatchError as failure:
            return failure
        finally:
            end.broken()  # whoever leaves, leaves the transfer
        return None

    return tuple(  # type: ignore[return-value]  # two go in, two come out
        await asyncio.gather(
            run(asyncio.ensure_future(gives(giver, desk.file, source)), giver),
            run(asyncio.ensure_future(desk.takes(taker)), taker),
        )
    )


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 20 * CHUNK_BYTES])
async def test_a_file_of_any_size_arrives_as_it_is(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    desk = Desk(tmp_path, described(content))

    assert await both(desk, Bytes(content)) == (None, None)

    assert desk.final == tmp_path / "report.csv"
    assert desk.final.read_bytes() == content
    assert os.listdir(tmp_path) == ["report.csv"]
    assert desk.progress[-1] == size


@pytest.mark.parametrize("place", range(6))
async def test_after_a_cut_anywhere_it_goes_on_behind_the_last_whole_chunk(tmp_path: Path, place: int) -> None:
    desk, source = Desk(tmp_path, described()), Bytes(CONTENT)

    failures = await both(desk, source, giving=Way(cut_at=place))

    assert all(isinstance(failure, errors.NoNetwork | errors.PeerAbsent) for failure in failures)
    assert not (tmp_path / "report.csv").exists()
    have = desk.partial.stat().st_size
    assert have == place * CHUNK_BYTES

    source.reads.clear()
    assert await both(desk, source) == (None, None)

    assert min(source.reads) == have
    assert (tmp_path / "report.csv").read_bytes() == CONTENT


async def test_a_beginning_that_a_crash_left_torn_goes_on_at_a_whole_chunk(tmp_path: Path) -> None:
    desk, source = Desk(tmp_path, described()), Bytes(CONTENT)
    desk.partial.write_bytes(CONTENT[: 2 * CHUNK_BYTES + 100])

    assert await both(desk, source) == (None, None)

    assert min(source.reads) == 2 * CHUNK_BYTES
    assert (tmp_path / "report.csv").read_bytes() == CONTENT


async def test_a_beginning_of_other_bytes_is_found_out_by_the_digest_and_nothing_of_it_stays(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described())
    desk.partial.write_bytes(bytes(2 * CHUNK_BYTES))

    giver, taker = await both(desk, Bytes(CONTENT))

    assert isinstance(giver, errors.FileChanged)
    assert isinstance(taker, errors.FileChanged)
    assert desk.nothing_is_left()


async def test_an_answer_that_was_lost_is_given_again_without_the_file(tmp_path: Path) -> None:
    desk, source = Desk(tmp_path, described()), Bytes(CONTENT)
    desk.partial.write_bytes(CONTENT)

    assert await both(desk, source) == (None, None)

    assert source.reads == []


def flipped(at: int) -> Way:
    def lie(number: int, sealed: bytes) -> Iterable[bytes]:
        return [sealed[:-1] + bytes([sealed[-1] ^ 1]) if number == at else sealed]

    return Way(lie)


def swapped(number: int, sealed: bytes) -> Iterable[bytes]:
    """Give the second chunk the number of the first."""
    return [sealed[:1] + bytes(4) + sealed[5:]] if number == 1 else [sealed]


def repeated(number: int, sealed: bytes) -> Iterable[bytes]:
    return [sealed, sealed] if number == 1 else [sealed]


def left_out(number: int, sealed: bytes) -> Iterable[bytes]:
    return [] if number == 1 else [sealed]


def shortened(number: int, sealed: bytes) -> Iterable[bytes]:
    return [sealed[:-1]] if number == 1 else [sealed]


def emptied(number: int, _: bytes) -> Iterable[bytes]:
    return [b""] if number == 1 else [_]


@pytest.mark.parametrize(
    "way", [flipped(1), *map(Way, (swapped, repeated, left_out, shortened, emptied))], ids=lambda way: way.lie.__name__
)
async def test_a_relay_that_changes_repeats_moves_or_swallows_a_chunk_is_found_out_and_the_next_try_goes_on(
    tmp_path: Path, way: Way
) -> None:
    desk, source = Desk(tmp_path, described()), Bytes(CONTENT)

    giver, taker = await both(desk, source, giving=way)

    assert isinstance(giver, errors.ProtocolViolation)
    assert isinstance(taker, errors.ProtocolViolation)
    assert not (tmp_path / "report.csv").exists()
    assert CONTENT.startswith(desk.partial.read_bytes())

    assert await both(desk, source) == (None, None)

    assert (tmp_path / "report.csv").read_bytes() == CONTENT


async def test_a_stream_without_end_is_read_no_further_than_the_file_is_long(tmp_path: Path) -> None:
    file = described()
    desk, way = Desk(tmp_path, file), Way()
    giver, taker = ends(giving=way)
    taking = asyncio.create_task(desk.takes(taker))
    await giver.hear()
    for index in range(file.chunks):
        content = CONTENT[index * CHUNK_BYTES :][: length_of(index, file.size)]
        await giver.say(file.seal.seal_chunk(index, content, os.urandom))
    for _ in range(100):
        await giver.say(file.seal.seal_chunk(0, CONTENT[:CHUNK_BYTES], os.urandom))

    await taking

    assert way.waiting.qsize() == 100
    assert desk.final is not None
    assert desk.final.read_bytes() == CONTENT


async def test_a_file_that_is_longer_than_it_was_named_never_arrives(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described())
    longer = replace(desk.file, size=desk.file.size + 1)
    giver, taker = ends()
    taking = asyncio.create_task(desk.takes(taker))

    with pytest.raises(errors.ProtocolViolation):
        await gives(giver, longer, Bytes(CONTENT + b"1"))

    with pytest.raises(errors.ProtocolViolation):
        await taking
    assert not (tmp_path / "report.csv").exists()


async def test_a_file_that_was_changed_in_between_fails_its_digest_and_nothing_of_it_stays(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described())

    giver, taker = await both(desk, Bytes(bytes(len(CONTENT))))

    assert isinstance(giver, errors.FileChanged)
    assert isinstance(taker, errors.FileChanged)
    assert desk.nothing_is_left()


async def test_a_file_that_becomes_shorter_meanwhile_is_refused_by_who_gives_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described())

    giver, taker = await both(desk, Bytes(CONTENT[:-1]))

    assert isinstance(giver, errors.FileChanged)
    assert isinstance(taker, errors.FileChanged)


async def test_a_word_of_an_earlier_transfer_of_the_same_file_says_nothing(tmp_path: Path) -> None:
    desk, way = Desk(tmp_path, described()), Way()
    assert await both(desk, Bytes(CONTENT), taking=way) == (None, None)
    ask, have = way.said
    for said in ([have], [ask]):
        giver, relay = ends()
        for word in said:
            await relay.say(word)

        with pytest.raises(errors.ProtocolViolation):
            await give(
                giver,
                desk.file,
                Bytes(CONTENT),
                transfer_id=TransferId(os.urandom(16)),
                rng=os.urandom,
                progress=lambda _: None,
            )


async def test_a_word_is_not_taken_from_the_end_that_said_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described())
    giver, taker = ends()
    taking = asyncio.create_task(desk.takes(taker))
    ask = await giver.hear()
    await giver.say(ask)  # reflected

    with pytest.raises(errors.ProtocolViolation):
        await taking


async def test_without_room_it_is_refused_before_anything_is_written_and_nothing_is_left(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described())

    with pytest.raises(errors.NoRoom):
        await desk.takes(ends()[1], free=len(CONTENT) - 1)

    assert desk.nothing_is_left()


@pytest.fixture
def no_more_than_three_chunks() -> Iterator[None]:
    """Let this process write files of three chunks at most: the system then says no in the middle, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * CHUNK_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("no_more_than_three_chunks")
async def test_when_the_room_ends_in_the_middle_both_ends_hear_of_it_and_nothing_is_left(tmp_path: Path) -> None:
    desk = Desk(tmp_path, described())

    giver, taker = await both(desk, Bytes(CONTENT))

    assert isinstance(giver, errors.NoRoom)
    assert isinstance(taker, errors.NoRoom)
    assert desk.nothing_is_left()


async def test_no_file_is_overwritten_and_the_next_one_gets_a_number(tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_bytes(b"mine")
    (tmp_path / "report (2).csv").symlink_to("nowhere")
    desk = Desk(tmp_path, described())

    assert await both(desk, Bytes(CONTENT)) == (None, None)

    assert desk.final == tmp_path / "report (3).csv"
    assert (tmp_path / "report.csv").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


async def test_a_link_in_the_place_of_a_beginning_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    desk = Desk(tmp_path, described())
    desk.partial.symlink_to(tmp_path / "victim")

    with pytest.raises(errors.StoreFailed):
        await desk.takes(ends()[1])

    assert (tmp_path / "victim").read_bytes() == b"mine"


async def test_two_transfers_never_write_the_same_beginning(tmp_path: Path) -> None:
    file = described()
    with Partial(tmp_path / "part", file), pytest.raises(errors.RateLimited), Partial(tmp_path / "part", file):
        pass


def test_a_check_of_a_transfer_that_was_cut_off_touches_nothing(tmp_path: Path) -> None:
    """Its descriptor may be somebody else's by then, who would have lost their bytes."""
    with Partial(tmp_path / "part", described(b"report")) as partial:
        partial.write([b"else's"])
    other = (tmp_path / "other").open("w+b")
    other.write(b"mine")
    other.flush()
    partial._fd = other.fileno()  # as the system may give the number again

    partial.check()

    other.close()
    assert (tmp_path / "other").read_bytes() == b"mine"
    assert (tmp_path / "part").exists()
