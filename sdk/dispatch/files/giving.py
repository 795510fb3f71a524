"""The end of a transfer that gives a file: hears where to begin, sends chunk after chunk, hears that it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from dispatch import errors
from dispatch.api.thread.v1.thread_pb2 import TransferWord
from dispatch.files.carrier import Carrier
from dispatch.files.description import Described
from dispatch.files.words import Tongue
from dispatch.ids import Rng, TransferId
from dispatch.sealed.file import CHUNK_BYTES, TransferEnd, length_of

BATCH_CHUNKS = 8
"""Read and sealed at once, in a thread: memory is this much, whatever the file's size."""
ENDED_WITHIN_SECONDS = 5.0


class Source(Protocol):
    """Where the bytes are. Called in threads."""

    def read(self, at: int, length: int) -> bytes:
        """Give bytes of the file; fewer when there are no more. Raises DispatchError when it can't be read."""


Progress = Callable[[int], None]
"""Is told how many bytes are through."""


async def give(
    carrier: Carrier, file: Described, source: Source, *, transfer_id: TransferId, rng: Rng, progress: Progress
) -> None:
    """Give the file. Returns when the other end has it whole; raises DispatchError when it does not get it."""
    tongue = Tongue(carrier, file.seal, transfer_id, TransferEnd.GIVES, rng)
    word = tongue.understood(await carrier.hear())
    if word.WhichOneof("word") == "have":
        progress(file.size)
        return
    if word.WhichOneof("word") != "ask" or word.ask > file.chunks:
        raise errors.ProtocolViolation("a transfer begins with where to begin")
    progress(min(word.ask * CHUNK_BYTES, file.size))
    ending = asyncio.create_task(_end(carrier, tongue))
    try:
        await _send(carrier, file, source, first=word.ask, rng=rng, progress=progress, ending=ending)
        await ending
    except errors.FileChanged as failure:
        await tongue.refuse(failure.reason)
        raise
    except errors.NoNetwork:
        # Writing failed; why, the one who hears knows.
        if not (await asyncio.wait([ending], timeout=ENDED_WITHIN_SECONDS))[0]:
            raise
        ending.result()
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)


async def _send(
    carrier: Carrier,
    file: Described,
    source: Source,
    *,
    first: int,
    rng: Rng,
    progress: Progress,
    ending: asyncio.Task[None],
) -> None:
    for begin in range(first, file.chunks, BATCH_CHUNKS):
        end = min(begin + BATCH_CHUNKS, file.chunks)
        for index, sealed in enumerate(await asyncio.to_thread(_sealed, file, source, begin, end, rng), start=begin):
            if ending.done():
                return  # the other end has said its last word
            await carrier.say(sealed)
            progress(index * CHUNK_BYTES + length_of(index, file.size))


async def _end(carrier: Carrier, tongue: Tongue) -> None:
    word: TransferWord = tongue.understood(await carrier.hear())
    if word.WhichOneof("word") != "have":
        raise errors.ProtocolViolation("a second beginning")


def _sealed(file: Described, source: Source, begin: int, end: int, rng: Rng) -> Sequence[bytes]:
    """Read and seal some chunks. Raises FileChanged for a file that has become shorter."""
    length = min(end * CHUNK_BYTES, file.size) - begin * CHUNK_BYTES
    content = source.read(begin * CHUNK_BYTES, length)
    if len(content) != length:
        raise errors.FileChanged("it became shorter")
    seal = file.seal
    return [
        seal.seal_chunk(index, content[(index - begin) * CHUNK_BYTES : (index - begin + 1) * CHUNK_BYTES], rng)
        for index in range(begin, end)
    ]
