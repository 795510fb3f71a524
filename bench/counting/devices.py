"""Both ends of a pair at a relay in the same process: they open, and then answer what comes. Used by `counted`.

Their share of what is counted is kept small: what they post was made before, and an answer is bytes put together. They answer
frames as they come, however many the relay puts in one message.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors, proof
from dispatch.api.pairing.v1 import pairing_pb2
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import ID_BYTES
from dispatch.runtime.metrics import Carrier

from bench.counting.still import BEGIN_MS

ADDRESS = "relay.example:443"
"""By which the devices say that they dialled the relay."""
PAIR_ID = b"counted pairing."
_DAY_MS = 86_400_000


def seed(word: str) -> bytes:
    """Make 32 bytes that are the same each time: a key, a nonce or, cut, an id. Nothing here is a secret."""
    return sha256(word.encode()).digest()


SIGNER = Ed25519PrivateKey.from_private_bytes(seed("pairing service"))
SIGNER_KEY = SIGNER.public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True)
class Device:
    """Who attaches."""

    kind: pb.DeviceKind.ValueType
    key: Ed25519PrivateKey

    def hello(self) -> pb.Hello:
        """Say who it is, with a grant for a day."""
        public = self.key.public_key().public_bytes_raw()
        grant = pairing_pb2.Grant(
            account_id=seed("account")[:ID_BYTES],
            device_id=proof.device_id(public),
            device_key=public,
            pair_id=PAIR_ID,
            role=self.kind,
            not_before_ms=BEGIN_MS,
            not_after_ms=BEGIN_MS + _DAY_MS,
        ).SerializeToString()
        signed = proof.sign_grant(SIGNER.sign, SIGNER_KEY, grant)
        return pb.Hello(
            device_id=proof.device_id(public),
            grant=pairing_pb2.SignedGrant(
                grant=grant, key_id=signed.key_id, signature=signed.signature
            ).SerializeToString(),
            device_kind=self.kind,
            protocol_versions=[1],
            nonce=seed("nonce"),
            instance=seed("instance")[:ID_BYTES],
        )

    def prove(self, hello: pb.Hello, nonce: bytes) -> pb.Proof:
        """Sign what the relay asks."""
        signed = proof.stream_proof_bytes(
            dialled=ADDRESS, device=hello.device_id, client_nonce=hello.nonce, server_nonce=nonce, grant=hello.grant
        )
        return pb.Proof(dialled=ADDRESS, signature=self.key.sign(signed))


PHONE = Device(pb.DEVICE_KIND_PHONE, Ed25519PrivateKey.from_private_bytes(seed("phone")))
HOST = Device(pb.DEVICE_KIND_HOST, Ed25519PrivateKey.from_private_bytes(seed("host")))


def written(*frames: pb.DeviceFrame) -> bytes:
    """Write frames as one message; messages put together are one."""
    return pb.AttachRequest(frames=frames).SerializeToString()


@dataclass(eq=False, slots=True)
class End:
    """One stream of a device, and its wire as the relay sees it."""

    device: Device
    resume_after: int = 0
    answers: Iterator[bytes] = field(default_factory=lambda: iter(()))
    """What a host posts, one for each command that has its go: a message each."""
    heard: Counter[str] = field(default_factory=Counter)
    """How many frames came, by name."""
    carrier: Carrier = Carrier.GRPC
    address: str = "memory"
    ended: errors.DispatchError | None = None
    _seq: int = 0
    _said: deque[bytes] = field(default_factory=deque)
    _reader: asyncio.Future[None] | None = None
    _resting: asyncio.Future[None] | None = None
    _wanted: tuple[str, int, asyncio.Future[None]] | None = None
    _hello: pb.Hello = field(default_factory=pb.Hello)

    # ---- the device

    def open(self) -> None:
        """Say hello; the rest follows."""
        self._hello = self.device.hello()
        self.say(written(pb.DeviceFrame(hello=self._hello)))

    def say(self, message: bytes) -> None:
        """Send the relay a message."""
        self._said.append(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def until(self, name: str, count: int) -> None:
        """Wait until so many frames of a name have come, from the beginning on."""
        if self.heard[name] < count:
            reached = asyncio.get_running_loop().create_future()
            self._wanted = name, count, reached
            await reached

    async def taken(self) -> None:
        """Wait until the relay has taken all that was said, and asks for more."""
        if self._reader is None or self._reader.done():
            self._resting = asyncio.get_running_loop().create_future()
            await self._resting

    def _take(self, message: bytes) -> None:
        said: list[bytes] = []
        before = self._seq
        for frame in pb.AttachResponse.FromString(message).frames:
            name = frame.WhichOneof("frame") or ""
            self.heard[name] += 1
            said += self._answer(name, frame)
        if self._seq > before:
            said.append(written(pb.DeviceFrame(ack=pb.Ack(through_seq=self._seq))))
        if said:
            self.say(b"".join(said))
        if self._wanted is not None and self.heard[self._wanted[0]] >= self._wanted[1]:
            self._wanted[2].set_result(None)
            self._wanted = None

    def _answer(self, name: str, frame: pb.RelayFrame) -> Sequence[bytes]:
        match name:
            case "deliver" | "receipt" | "refusal" | "withdrawn":
                self._seq = max(self._seq, getattr(frame, name).seq)
                if name == "deliver" and self.device is HOST:
                    return [next(self.answers)]
            case "handover":
                return [written(pb.DeviceFrame(take=pb.Take(message_id=frame.handover.message_id)))]
            case "ping":
                return [written(pb.DeviceFrame(pong=pb.Pong(number=frame.ping.number)))]
            case "challenge":
                proved = self.device.prove(self._hello, frame.challenge.nonce)
                opening = pb.Open(resume_after=self.resume_after, looking=self.device is PHONE)
                return [written(pb.DeviceFrame(proof=proved), pb.DeviceFrame(open=opening))]
        return []

    # ---- the wire (`dispatch_relay.wire.Wire`)

    async def read(self) -> bytes:
        """Give the relay what the device says next."""
        while not self._said:
            self._reader = asyncio.get_running_loop().create_future()
            if self._resting is not None:
                self._resting.set_result(None)
                self._resting = None
            await self._reader
        return self._said.popleft()

    def let_in(self) -> None: ...

    async def write(self, message: bytes) -> None:
        """Take a message of the relay."""
        self._take(message)

    async def refuse(self, error: errors.DispatchError) -> None:
        """Take the end of the stream."""
        self.ended = error
        if self._wanted is not None:
            self._wanted[2].set_exception(error)
            self._wanted = None
