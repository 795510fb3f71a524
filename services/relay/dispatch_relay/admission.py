"""The beginning of a stream: Hello, Challenge, Proof, and Open or Join. Gives who calls, or raises why they may not.

Reads frames from whoever has them and writes one; knows no carrier and no room. Nothing that a caller says is believed before
the proof, and a caller has little time for all of it. docs/protocol.md "Opening a stream".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass
from typing import TypeVar

from dispatch import errors, proof
from dispatch.api.pairing.v1.pairing_pb2 import SignedGrant
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.api.relay.v1 import transfer_pb2
from dispatch.clock import Clock
from dispatch.ids import ID_BYTES, Instance, Rng, TransferId
from google.protobuf.message import DecodeError

from dispatch_relay import door, frames
from dispatch_relay.presence import End
from dispatch_relay.stream import Caller
from dispatch_relay.trust import Admitted, Trust

VERSION = 1
_NONCE_BYTES = 32
_KINDS = {pb.DEVICE_KIND_PHONE: End.PHONE, pb.DEVICE_KIND_HOST: End.HOST}

Next = Callable[[], Awaitable[pb.DeviceFrame]]
"""Gives the caller's next frame; raises when there is none."""

NextOfTransfer = Callable[[], Awaitable[transfer_pb2.CarryRequest]]

Say = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Gate:
    """What it takes to let somebody in."""

    trust: Trust
    names: Set[str]
    clock: Clock
    rng: Rng

    async def admit(self, following: Next, say: Say) -> tuple[Admitted, Caller]:
        """Go through the opening of a thread stream. Raises a StreamRefused."""
        hello = (await _expect("hello", following)).hello
        admitted = self._believe(hello)
        nonce = self.rng(_NONCE_BYTES)
        await say(frames.challenge(nonce=nonce, protocol_version=VERSION, server_time_ms=self.clock.wall_ms()))
        said = (await _expect("proof", following)).proof
        signed = proof.stream_proof_bytes(
            dialled=said.dialled,
            device=hello.device_id,
            client_nonce=hello.nonce,
            server_nonce=nonce,
            grant=hello.grant,
        )
        self._check_proof(said, admitted, signed)
        opening = (await _expect("open", following)).open
        if opening.resume_after > door.MOST_SEQ:
            raise errors.ProtocolViolation("resume_after is larger than any row")
        self.trust.still(admitted)
        return admitted, Caller(
            end=admitted.end,
            device_id=admitted.device_id,
            instance=Instance(hello.instance),
            resume_after=opening.resume_after,
            looking=opening.looking,
        )

    async def admit_to_transfer(self, following: NextOfTransfer, say: Say) -> tuple[Admitted, TransferId]:
        """Go through the opening of a transfer stream. Raises a StreamRefused."""
        hello = (await _expect("hello", following)).hello
        admitted = self._believe(hello)
        nonce = self.rng(_NONCE_BYTES)
        challenge = pb.Challenge(nonce=nonce, protocol_version=VERSION, server_time_ms=self.clock.wall_ms())
        await say(transfer_pb2.CarryResponse(challenge=challenge).SerializeToString())
        said = (await _expect("proof", following)).proof
        transfer_id = TransferId((await _expect("join", following)).join.transfer_id)
        if len(transfer_id) != ID_BYTES:
            raise errors.ProtocolViolation("transfer_id is not 16 bytes")
        signed = proof.transfer_proof_bytes(
            dialled=said.dialled,
            device=hello.device_id,
            client_nonce=hello.nonce,
            server_nonce=nonce,
            grant=hello.grant,
            transfer_id=transfer_id,
        )
        self._check_proof(said, admitted, signed)
        self.trust.still(admitted)
        return admitted, transfer_id

    def _believe(self, hello: pb.Hello) -> Admitted:
        if VERSION not in hello.protocol_versions:
            raise errors.VersionUnsupported(metadata={"supported": str(VERSION)})
        if len(hello.nonce) != _NONCE_BYTES or len(hello.instance) != ID_BYTES:
            raise errors.ProtocolViolation("nonce is not 32 bytes, or instance not 16")
        try:
            signed = SignedGrant.FromString(hello.grant)
        except DecodeError as failure:
            raise errors.ProofInvalid("the grant can't be read") from failure
        admitted = self.trust.admit(signed)
        if admitted.device_id != hello.device_id or admitted.end is not _KINDS.get(hello.device_kind):
            raise errors.ProofInvalid("the grant is another device's")
        return admitted

    def _check_proof(self, said: pb.Proof, admitted: Admitted, signed: bytes) -> None:
        if said.dialled not in self.names:
            raise errors.ProofInvalid("the proof names another service")
        if not proof.proves(admitted.device_key, admitted.device_id, said.signature, signed):
            raise errors.ProofInvalid


Frame = TypeVar("Frame", pb.DeviceFrame, transfer_pb2.CarryRequest)


async def _expect(word: str, following: Callable[[], Awaitable[Frame]]) -> Frame:
    frame = await following()
    if frame.WhichOneof("frame") != word:
        raise errors.ProtocolViolation(f"{word} was due")
    return frame
