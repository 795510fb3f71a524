"""A device's end of the thread stream, made by hand from the contract: it says what a test tells it to, and no more.

Answers pings unless it is told to be frozen. Everything that came is kept in order in `frames`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors, proof
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.trust_service import TrustService, new_id
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.wires import SentAlong, open_wire

ATTACH = "/dispatch.api.relay.v1.ThreadService/Attach"

KINDS = {"phone": pb.DEVICE_KIND_PHONE, "host": pb.DEVICE_KIND_HOST}


class Identity:
    """A device: its key, its pairing, what it is in it. Attaches as often as a test likes."""

    def __init__(self, role: str, pair_id: bytes, trust: TrustService) -> None:
        self.role = role
        self.pair_id = pair_id
        self.trust = trust
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw()
        self.device_id = proof.device_id(self.public_key)
        self.instance = new_id()

    @classmethod
    def again(cls, device: Identity) -> Identity:
        """Give the same device in its next process."""
        other = cls(device.role, device.pair_id, device.trust)
        other.key, other.public_key, other.device_id = device.key, device.public_key, device.device_id
        return other

    def grant(self, **times: int) -> bytes:
        """Get a grant."""
        return self.trust.grant(device_key=self.public_key, pair_id=self.pair_id, role=KINDS[self.role], **times)

    def hello(self, **changed: Any) -> pb.Hello:
        """Write a proper Hello, but for what is changed."""
        fields: dict[str, Any] = {
            "device_id": self.device_id,
            "grant": self.grant(),
            "app_version": "1.0.0",
            "device_kind": KINDS[self.role],
            "protocol_versions": [1],
            "nonce": os.urandom(32),
            "instance": self.instance,
            **changed,
        }
        return pb.Hello(**fields)

    def prove(self, hello: pb.Hello, challenge: pb.Challenge, *, dialled: str) -> pb.Proof:
        """Sign what the relay asks."""
        signed = proof.stream_proof_bytes(
            dialled=dialled,
            device=hello.device_id,
            client_nonce=hello.nonce,
            server_nonce=challenge.nonce,
            grant=hello.grant,
        )
        return pb.Proof(dialled=dialled, signature=self.key.sign(signed))

    def prove_transfer(self, hello: pb.Hello, challenge: pb.Challenge, *, dialled: str, transfer_id: bytes) -> pb.Proof:
        """Sign what the relay asks of who joins a transfer."""
        signed = proof.transfer_proof_bytes(
            dialled=dialled,
            device=hello.device_id,
            client_nonce=hello.nonce,
            server_nonce=challenge.nonce,
            grant=hello.grant,
            transfer_id=transfer_id,
        )
        return pb.Proof(dialled=dialled, signature=self.key.sign(signed))


class DeviceEnd:
    """One stream of a device."""

    def __init__(self, address: str, *, sent_along: SentAlong = ()) -> None:
        self.frames: list[pb.RelayFrame] = []
        self.frozen = False
        self.error: errors.DispatchError | None = None
        self.closed = False  # the relay ended the stream, in peace or with `error`
        self.wire = open_wire(address, ATTACH, sent_along=sent_along)
        self._news = asyncio.Condition()
        self._writing = asyncio.Lock()
        self._reader: asyncio.Task[None] = asyncio.create_task(self._read())

    @classmethod
    async def attach(
        cls,
        device: Identity,
        address: str,
        *,
        resume_after: int = 0,
        looking: bool = False,
        dialled: str = "",
        hello: pb.Hello | None = None,
    ) -> DeviceEnd:
        """Open a stream as the contract says; raises the error that the relay refuses it with."""
        end = cls(address)
        try:
            said = hello or device.hello()
            await end.say(hello=said)
            challenge = (await end.got("challenge")).challenge
            await end.say(
                proof=device.prove(said, challenge, dialled=dialled or address),
                open=pb.Open(resume_after=resume_after, looking=looking),
            )
            await end.got("opened")
        except BaseException:
            await end.drop()
            raise
        return end

    @classmethod
    async def attach_soon(cls, device: Identity, address: str) -> DeviceEnd:
        """Open a stream as soon as the relay knows whom to trust."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                try:
                    return await cls.attach(device, address)
                except errors.TrustStale:
                    await asyncio.sleep(0.02)  # as a device backs off

    # ---- what it says

    async def say(self, **frames: Any) -> None:
        """Write one message with these frames: `say(post=…)`."""
        request = pb.AttachRequest(frames=[pb.DeviceFrame(**{name: frame}) for name, frame in frames.items()])
        await self.write(request.SerializeToString())

    async def write(self, request: bytes) -> None:
        """Write a message, or whatever else."""
        # A stream that the relay has ended takes no more; what ended it is in `error`.
        # One write at a time: grpc loses the second of two at once (a pong beside what the test says).
        async with self._writing:
            await self.wire.write(request)

    async def post(
        self, sealed: bytes, *, task_id: bytes = b"", kind: pb.Kind.ValueType = pb.KIND_COMMAND, **fields: Any
    ) -> bytes:
        """Post a message; gives its id."""
        message_id = sha256(sealed).digest()[:16] if sealed else new_id()
        await self.say(
            post=pb.Post(message_id=message_id, task_id=task_id or new_id(), kind=kind, sealed=sealed, **fields)
        )
        return message_id

    async def keep(self, sealed: bytes, **fields: Any) -> bytes:
        """Post a keep row; gives its id."""
        return await self.post(sealed, kind=pb.KIND_KEEP, **fields)

    # ---- what it hears

    def all(self, word: str) -> list[Any]:
        """Give every frame of that name that has come, without its envelope."""
        return [getattr(frame, word) for frame in self.frames if frame.WhichOneof("frame") == word]

    def rows(self) -> list[int]:
        """Give the seq of each row that has come, as whatever frame."""
        found = []
        for frame in self.frames:
            word = frame.WhichOneof("frame") or ""
            if word in {"deliver", "receipt", "refusal", "withdrawn"} and (seq := getattr(frame, word).seq):
                found.append(seq)
        return found

    async def got(self, word: str, where: Callable[[Any], bool] = lambda _: True, *, after: int = 0) -> pb.RelayFrame:
        """Wait for a frame; raises the stream's error if it ends before."""

        def found() -> pb.RelayFrame | None:
            return next(
                (f for f in self.frames[after:] if f.WhichOneof("frame") == word and where(getattr(f, word))), None
            )

        await self.until(lambda: found() is not None or self.closed)
        frame = found()
        if frame is None:
            raise self.error or AssertionError(f"the stream ended without {word}")
        return frame

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that a frame or the end brings."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._news:
                await self._news.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"it did not come: {self}") from None

    async def more_than(self, count: int) -> None:
        """Wait until more frames than that have come, or the end."""
        await self.until(lambda: len(self.frames) > count or self.closed)

    async def receipt(self, message_id: bytes) -> int:
        """Wait for the receipt of a post; gives its seq. Raises the refusal instead."""
        await self.until(lambda: self.closed or message_id in self.answered())
        for refusal in self.all("refusal"):
            if refusal.message_id == message_id:
                raise errors.of(refusal.reason, refusal.detail, retry_after_ms=refusal.retry_after_ms)
        receipts = [one.seq for one in self.all("receipt") if one.message_id == message_id]
        if not receipts:
            raise self.error or AssertionError("the stream ended without an answer")
        return int(receipts[0])

    async def refusal(self, message_id: bytes) -> pb.Refusal:
        """Wait for the refusal of a post."""
        return (await self.got("refusal", lambda one: one.message_id == message_id)).refusal

    def answered(self) -> list[bytes]:
        """Give the id of each post that has an answer, as often as it has."""
        return [one.message_id for word in ("receipt", "refusal") for one in self.all(word)]

    async def presence(self, state: pb.Reachability.ValueType, cause: Reason.ValueType | None = None) -> pb.Presence:
        """Wait until the last that was said of the peer is this."""

        def now() -> bool:
            said = self.all("presence")
            return bool(said) and said[-1].state == state and cause in {None, said[-1].cause}

        await self.until(lambda: self.closed or now())
        if not now():
            raise self.error or AssertionError(f"the stream ended: {self}")
        presence: pb.Presence = self.all("presence")[-1]
        return presence

    async def ended(self) -> errors.DispatchError | None:
        """Wait until the relay ends the stream; gives why, None for in peace."""
        await self.until(lambda: self.closed)
        await self.drop()
        return self.error

    # ---- how it goes

    async def bye(self, *, notice: pb.Condition.ValueType | None = None) -> None:
        """Say goodbye, with a notice before it, and wait until the relay has closed. Who leaves answers nothing more."""
        self.frozen = True
        said: dict[str, Any] = {"notice": pb.Notice(condition=notice)} if notice else {}
        await self.say(**said, bye=pb.Bye())
        assert await self.ended() is None

    async def drop(self) -> None:
        """Break the stream without a word."""
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self.wire.cut()

    async def _read(self) -> None:
        try:
            while (message := await self.wire.read()) is not None:
                response = pb.AttachResponse.FromString(message)
                for frame in response.frames:
                    if frame.WhichOneof("frame") == "ping" and not self.frozen:
                        await self.say(pong=pb.Pong(number=frame.ping.number))
                async with self._news:
                    self.frames.extend(response.frames)
                    self._news.notify_all()
        except errors.DispatchError as error:
            # Internal when a Pong was written just as the relay ended the stream: grpc then keeps that, and not the status.
            # A test that asks for the reason uses a relay that does not ping (`calm_relay`).
            self.error = error
        async with self._news:
            self.closed = True
            self._news.notify_all()

    def __repr__(self) -> str:
        words: Sequence[str] = [frame.WhichOneof("frame") or "?" for frame in self.frames[-12:]]
        return f"{words}, presence {[str(one).split() for one in self.all('presence')]}, error {self.error!r}"
