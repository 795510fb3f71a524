"""A pairing service as relays know it: it signs grants, feeds trust, takes reports, and records who asked.

The named seam is TrustService and HistoryService of the contract, over real gRPC.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from hashlib import sha256
from types import TracebackType
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import proof
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.pairing.v1 import pairing_pb2_grpc
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.channel import server_options
from dispatch.clock import SystemClock

from tests.support.ports import address_to_come_back_to
from tests.support.waiting import DEADLINE_SECONDS

HOUR_MS = 3_600_000


class TrustService(pairing_pb2_grpc.TrustServiceServicer, pairing_pb2_grpc.HistoryServiceServicer):
    """Signs and feeds. Use as an async context manager."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[pb.FollowTrustRequest] = []
        self.ended: list[pb.EndedPairing] = []
        self.revoked: list[pb.RevokedDevice] = []
        self.sequence = 0
        self.signers = [Ed25519PrivateKey.generate()]
        self.keys = self._key_set(0, self.signers)
        self.silent = asyncio.Event()  # set: no heartbeat, no news
        self.reported: list[pb.TaskReport] = []
        self.calls: list[int] = []  # how many reports came with each
        self.deaf = False  # reports are refused
        self.lost_answers = 0  # so many are taken and not answered
        self._news = asyncio.Condition()
        self._count = 0  # of what was told: news that come while others are on their way are not missed
        self._followed = asyncio.Event()
        self._server: Any = None

    async def __aenter__(self) -> TrustService:
        await self.listen()
        return self

    async def listen(self, address: str = "") -> None:
        """Start to serve."""
        address = address or address_to_come_back_to()
        self._server = grpc.aio.server(options=server_options())
        pairing_pb2_grpc.add_TrustServiceServicer_to_server(self, self._server)
        pairing_pb2_grpc.add_HistoryServiceServicer_to_server(self, self._server)
        host, _, _ = address.partition(":")
        self.address = f"{host}:{self._server.add_insecure_port(address)}"
        await self._server.start()

    async def close(self) -> None:
        """Go away at once."""
        await self._server.stop(0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _key_set(self, sequence: int, signers: list[Ed25519PrivateKey]) -> pb.KeySet:
        keys = tuple(signer.public_key().public_bytes_raw() for signer in self.signers)
        pinned = proof.PinnedKeys(keys, sequence)
        signed = [
            proof.sign_key_set(signer.sign, signer.public_key().public_bytes_raw(), pinned)
            for signer in {id(one): one for one in [*signers, *self.signers]}.values()
        ]
        return pb.KeySet(
            keys=keys,
            sequence=sequence,
            signatures=[pb.KeySetSignature(key_id=one.key_id, signature=one.signature) for one in signed],
        )

    def digest(self, sequence: int) -> bytes:
        """Give the digest of what was told up to a place: of a kind of its own, since relays only hand it back."""
        news: list[pb.EndedPairing | pb.RevokedDevice] = [*self.ended, *self.revoked]
        told = [one.SerializeToString() for one in news if one.sequence <= sequence]
        return sha256(b"".join(told)).digest() if told else b""

    async def rotate(self, *, vouched: bool = True) -> None:
        """Take a new key; without `vouched` the old one does not sign for it."""
        old = self.signers if vouched else []
        self.signers = [Ed25519PrivateKey.generate()]
        self.keys = self._key_set(self.keys.sequence + 1, old)
        await self._tell()

    async def asked_again(self) -> None:
        """Wait until a relay begins to follow once more."""
        self._followed.clear()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._followed.wait()

    async def end_pairing(self, pair_id: bytes, *, ended_by: DeviceKind.ValueType) -> None:
        """End a pairing."""
        self.sequence += 1
        self.ended.append(pb.EndedPairing(pair_id=pair_id, ended_by=ended_by, sequence=self.sequence))
        await self._tell()

    async def revoke(self, device_id: bytes) -> None:
        """Revoke a device."""
        self.sequence += 1
        self.revoked.append(pb.RevokedDevice(device_id=device_id, sequence=self.sequence))
        await self._tell()

    async def revoke_paired(self, device_id: bytes, pair_id: bytes, *, role: DeviceKind.ValueType) -> None:
        """Revoke a device and end its pairing in one message, as the pairing service does."""
        self.ended.append(pb.EndedPairing(pair_id=pair_id, ended_by=role, sequence=self.sequence + 2))
        self.revoked.append(pb.RevokedDevice(device_id=device_id, sequence=self.sequence + 1))
        self.sequence += 2
        await self._tell()

    async def asked_to_report(self, times: int) -> None:
        """Wait until the relay has called so often to report."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.calls) >= times)

    async def told(self, count: int) -> list[pb.TaskReport]:
        """Wait until so many different reports have come; gives them in the order of their coming."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self._different()) >= count)
        return self._different()

    def _different(self) -> list[pb.TaskReport]:
        return list({one.SerializeToString(): one for one in self.reported}.values())

    async def Report(  # noqa: N802 -- the contract's name
        self, request: pb.ReportRequest, context: Any
    ) -> pb.ReportResponse:
        """Take reports."""
        self.calls.append(len(request.reports))
        unanswered = self.deaf or self.lost_answers > 0
        if not self.deaf:
            self.reported.extend(request.reports)
            self.lost_answers = max(0, self.lost_answers - 1)
        await self._tell()
        if unanswered:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        return pb.ReportResponse()

    async def _tell(self) -> None:
        self._count += 1
        async with self._news:
            self._news.notify_all()

    def grant(
        self, *, device_key: bytes, pair_id: bytes, role: DeviceKind.ValueType, from_ms: int = 0, for_ms: int = HOUR_MS
    ) -> bytes:
        """Sign a right to attach; the times are relative to now."""
        now_ms = SystemClock().wall_ms()
        grant = pb.Grant(
            account_id=b"a" * 16,
            device_id=proof.device_id(device_key),
            device_key=device_key,
            pair_id=pair_id,
            role=role,
            not_before_ms=now_ms + from_ms,
            not_after_ms=now_ms + from_ms + for_ms,
        ).SerializeToString()
        signer = self.signers[0]
        signed = proof.sign_grant(signer.sign, signer.public_key().public_bytes_raw(), grant)
        return pb.SignedGrant(grant=grant, key_id=signed.key_id, signature=signed.signature).SerializeToString()

    async def FollowTrust(  # noqa: N802 -- the contract's name
        self, request: pb.FollowTrustRequest, context: Any
    ) -> AsyncIterator[pb.FollowTrustResponse]:
        """Feed a relay."""
        self.asked.append(request)
        self._followed.set()
        same = request.after_digest == self.digest(request.after_sequence)
        after, keys = request.after_sequence if same else 0, None
        while True:
            count = self._count
            if not self.silent.is_set():
                told = pb.FollowTrustResponse(
                    keys=self.keys if keys is not self.keys else None,
                    ended_pairings=[one for one in self.ended if one.sequence > after],
                    revoked_devices=[one for one in self.revoked if one.sequence > after],
                    sequence=self.sequence,
                    server_time_ms=SystemClock().wall_ms(),
                    complete=True,
                    digest=self.digest(self.sequence),
                )
                after, keys = self.sequence, self.keys
                yield told
            async with self._news:
                while self._count == count:
                    await self._news.wait()


def new_id() -> bytes:
    """Make 16 random bytes."""
    return os.urandom(16)
