"""What the ends of a transfer say to each other beside chunks, read and written. Used by both ends."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import TransferWord
from dispatch.files.carrier import Carrier
from dispatch.ids import Rng, TransferId
from dispatch.sealed.errors import SealError
from dispatch.sealed.file import FileSeal, TransferEnd


class Tongue:
    """Speaks and understands the words of one transfer, for the end that has it."""

    def __init__(self, carrier: Carrier, seal: FileSeal, transfer_id: TransferId, end: TransferEnd, rng: Rng) -> None:
        self._carrier = carrier
        self._seal = seal
        self._transfer_id = transfer_id
        self._end = end
        self._rng = rng

    async def say(self, word: TransferWord) -> None:
        """Say a word."""
        body = word.SerializeToString()
        await self._carrier.say(self._seal.seal_word(self._transfer_id, self._end, body, self._rng))

    async def refuse(self, reason: Reason.ValueType) -> None:
        """Say that it goes no further, if anybody still hears it."""
        try:
            await self.say(TransferWord(refused=reason))
        except errors.DispatchError:
            return

    def understood(self, sealed: bytes) -> TransferWord:
        """Read a word of the other end. Raises ProtocolViolation, and what the other end refuses with."""
        other = TransferEnd(1 - self._end)
        try:
            word = TransferWord.FromString(self._seal.open_word(self._transfer_id, other, sealed))
        except (SealError, DecodeError) as failure:
            raise errors.ProtocolViolation("a word of the transfer that can't be read") from failure
        if word.WhichOneof("word") == "refused":
            raise errors.of(word.refused, "the other device says so")
        return word
