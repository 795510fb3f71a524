"""The end of a transfer that gets a file: says where to begin, writes chunks, checks the whole, says that it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dispatch import errors
from dispatch.api.thread.v1.thread_pb2 import TransferWord
from dispatch.files.carrier import Carrier
from dispatch.files.description import Described
from dispatch.files.giving import Progress
from dispatch.files.partial import Partial
from dispatch.files.words import Tongue
from dispatch.ids import Rng, TransferId
from dispatch.sealed.errors import SealError
from dispatch.sealed.file import TransferEnd, is_word

MOST_WAITING = 16
"""Chunks that wait for the disk before no more are read: memory is twice this much, whatever the file's size."""


async def take(
    carrier: Carrier,
    partial: Partial,
    *,
    transfer_id: TransferId,
    rng: Rng,
    progress: Progress,
    keep: Callable[[], Awaitable[None]],
) -> None:
    """Get the file; `keep` is called when it is whole and checked, and gives it its name. Raises DispatchError.

    The other end is told of a refusal of ours. What arrived stays in the partial, for the next transfer, unless it is dropped.
    """
    tongue = Tongue(carrier, partial.file.seal, transfer_id, TransferEnd.TAKES, rng)
    progress(partial.done_bytes)
    try:
        if not partial.whole:
            await tongue.say(TransferWord(ask=partial.chunks))
            await _receive(carrier, partial, tongue, progress)
        await asyncio.to_thread(partial.check)
        await keep()
    except (errors.FileFault, errors.DeviceFault, errors.ProtocolViolation) as failure:
        await tongue.refuse(failure.reason)
        raise
    await tongue.say(TransferWord(have=True))


async def already_there(carrier: Carrier, file: Described, *, transfer_id: TransferId, rng: Rng) -> None:
    """Say that the file arrived before: its last word was lost."""
    await Tongue(carrier, file.seal, transfer_id, TransferEnd.TAKES, rng).say(TransferWord(have=True))


async def _receive(carrier: Carrier, partial: Partial, tongue: Tongue, progress: Progress) -> None:
    waiting: asyncio.Queue[bytes | errors.DispatchError] = asyncio.Queue(MOST_WAITING)
    hearing = asyncio.create_task(_hear(carrier, waiting, partial.file.chunks - partial.chunks))
    try:
        while not partial.whole:
            batch = [await waiting.get()]
            while not waiting.empty():
                batch.append(waiting.get_nowait())
            chunks = [one for one in batch if isinstance(one, bytes) and not is_word(one)]
            if chunks:
                await asyncio.to_thread(_write, partial, chunks)
                progress(partial.done_bytes)
            for one in batch:
                if isinstance(one, errors.DispatchError):
                    raise one
                if is_word(one):
                    tongue.understood(one)  # raises what it refuses with: who gives has nothing else to say
                    raise errors.ProtocolViolation("who gives says nothing but a refusal")
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)


async def _hear(carrier: Carrier, waiting: asyncio.Queue[bytes | errors.DispatchError], most: int) -> None:
    """Hear as many messages as there are chunks missing: a stream without end is not read to its end."""
    try:
        for _ in range(most):
            await waiting.put(await carrier.hear())
    except errors.DispatchError as failure:
        await waiting.put(failure)  # behind what came before it


def _write(partial: Partial, chunks: Sequence[bytes]) -> None:
    seal, first = partial.file.seal, partial.chunks
    try:
        contents = [seal.open_chunk(sealed, expected=first + place) for place, sealed in enumerate(chunks)]
    except SealError as failure:
        raise errors.ProtocolViolation(f"a chunk that does not open: {failure.why.value}") from failure
    partial.write(contents)
