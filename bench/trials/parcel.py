"""A file that is carried from a phone to its host by the relay, with all that devices do for it. Used by trial `file-transfer`."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from dispatch.files.carrier import RelayCarrier
from dispatch.files.description import Described
from dispatch.files.giving import give
from dispatch.files.partial import Partial, placed
from dispatch.files.taking import take
from dispatch.ids import DeviceId, FileId, Instance, TransferId
from dispatch.thread import Identity as Who
from dispatch.thread import Right

from bench.trials.ground import Ground
from bench.trials.trial import MIB
from tests.support.device_end import KINDS, Identity
from tests.support.trust_service import new_id


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file of one block again and again: its source costs no disk."""

    file: Described
    block: bytes = field(repr=False)

    @classmethod
    def of(cls, size: int) -> Parcel:
        """Make one of so many bytes."""
        block = os.urandom(MIB)
        digest = sha256()
        for begin in range(0, size, MIB):
            digest.update(block[: size - begin])
        described = Described(
            file_id=FileId(new_id()), name="parcel.bin", size=size, sha256=digest.digest(), key=os.urandom(32)
        )
        return cls(described, block)

    def read(self, at: int, length: int) -> bytes:
        """Give bytes of the file; within a block, or of two."""
        begin = at % MIB
        return (self.block[begin : begin + length] + self.block[: max(0, begin + length - MIB)])[:length]


def _joined(device: Identity, relay: str, transfer_id: TransferId) -> AbstractAsyncContextManager[RelayCarrier]:
    who = Who(DeviceId(device.device_id), KINDS[device.role], device.key.sign)
    right = Right(device.grant(), (relay,))
    instance = Instance(device.instance)
    return RelayCarrier.joined(right, relay, transfer_id, identity=who, instance=instance, rng=os.urandom)


async def carried(parcel: Parcel, ground: Ground, folder: Path) -> float:
    """Carry it into a folder, which is gone afterwards; gives s from the first word of both ends. Raises DispatchError."""
    phone, host = ground.pair()
    transfer_id = TransferId(new_id())
    await asyncio.to_thread(folder.mkdir)

    async def gives() -> float:
        async with _joined(phone, ground.address, transfer_id) as carrier:
            begun = time.perf_counter()
            await give(carrier, parcel.file, parcel, transfer_id=transfer_id, rng=os.urandom, progress=_untold)
            return time.perf_counter() - begun

    async def takes() -> None:
        async with _joined(host, ground.address, transfer_id) as carrier:
            with Partial(folder / ".part", parcel.file) as partial:

                async def keep() -> None:
                    placed(partial, folder, parcel.file.name)

                await take(carrier, partial, transfer_id=transfer_id, rng=os.urandom, progress=_untold, keep=keep)

    try:
        took, _ = await asyncio.gather(gives(), takes())
    finally:
        await asyncio.to_thread(shutil.rmtree, folder)
    return took


def _untold(_bytes: int) -> None: ...
