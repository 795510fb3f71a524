"""The grants that a phone is given: of times that make no sense, and in the moment in which its pair is completed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pairing_pb
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.clock import SystemClock
from dispatch.device.home import Home
from dispatch.device.trust import Trust
from dispatch.ids import PairId
from dispatch.status import refuse
from mobile_sim.store import PairingState, Right

from tests.support.device_end import Identity
from tests.support.lying_relay import LyingRelay
from tests.support.phone_scene import Scene, nobody, whole
from tests.support.seeded_phone import Event, SeededPhone, identity
from tests.support.trust_service import TrustService


class Granting(grpc.GenericRpcHandler):
    """A pairing service of which only RenewGrant is left; the test says what it answers."""

    def __init__(self) -> None:
        self.answer = pairing_pb.RenewGrantResponse()
        self.asked = 0
        self.not_yet: Callable[[], None] | None = None
        """Called for the first call, which is then refused: this service does not know the pairing yet."""
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    async def __aenter__(self) -> Granting:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        assert details.method.endswith("/RenewGrant")

        async def answer(request: bytes, context: Any) -> bytes:
            self.asked += 1
            if self.not_yet is not None:
                not_yet, self.not_yet = self.not_yet, None
                not_yet()
                await refuse(context, errors.NotPaired(metadata={"pairing": "unknown"}))
            return self.answer.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(answer)


@dataclass(frozen=True, slots=True)
class Ground:
    """A phone whose grant is not young any more, its relay, and the service that it asks for another."""

    phone: SeededPhone
    relay: LyingRelay
    service: Granting
    pair_id: PairId
    _trust: TrustService
    _device: Identity

    def grant(self, *, for_ms: int = 3_600_000, now_ms: int | None = None) -> pairing_pb.RenewGrantResponse:
        """Make a grant."""
        signed = self._trust.grant(
            device_key=self._device.public_key, pair_id=self._device.pair_id, role=pb.DEVICE_KIND_PHONE, for_ms=for_ms
        )
        return pairing_pb.RenewGrantResponse(
            grant=pairing_pb.SignedGrant.FromString(signed),
            relays=[self.relay.address],
            server_time_ms=SystemClock().wall_ms() if now_ms is None else now_ms,
            keys=self._trust.keys,
        )

    def is_now(self, state: PairingState) -> None:
        """Set how the phone knows its pairing."""
        with self.phone.store() as store, store.transaction():
            store.pairings.set_state(self.pair_id, state)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    trust = TrustService()
    async with LyingRelay() as relay, Granting() as service:
        phone = SeededPhone.make(tmp_path / "phone", server=service.address)
        relay.mind, _ = phone.pair(trust, [relay.address])
        Trust(Home(phone.path)).start(trust.keys)
        pair = phone.pairs["desk"]
        pair_id = PairId(pair.phone.pair_id)
        with phone.store() as store, store.transaction():
            store.pairings.set_right(pair_id, Right(grant=b"", relays=[relay.address], renew_at_ms=0))
        device = identity("phone", pair.phone_signing, pair_id, trust)
        yield Ground(phone, relay, service, pair_id, trust, device)


@pytest.mark.parametrize(
    ("for_ms", "now_ms"), [(2**63 - 2**42, -(2**63)), (2**62, 0), (3_600_000, 2**62), (-(2**62), 2**62)]
)
async def test_a_grant_of_a_time_that_makes_no_sense_is_refused_and_the_next_good_one_is_taken(
    ground: Ground, for_ms: int, now_ms: int
) -> None:
    ground.service.answer = ground.grant(for_ms=for_ms, now_ms=now_ms)
    async with ground.phone.desk() as desk:
        said: list[Event] = []
        assert await desk.do({"do": "status"}, say=said.append, hear=nobody) == 0
        assert said[0]["hosts"][0]["reason"] == "GRANT_INVALID"

        ground.service.answer = ground.grant()

        scene = Scene(ground.phone, ground.relay, desk)
        scene.send()
        _, command = await scene.command()
        for row in scene.work(command):
            ground.relay.deliver(row)
        await whole(scene)


async def test_a_pairing_that_is_completed_while_its_first_grant_is_asked_for_is_no_pairing_that_is_over(
    ground: Ground,
) -> None:
    ground.is_now(PairingState.PROVISIONAL)
    ground.service.not_yet = lambda: ground.is_now(PairingState.ACTIVE)
    ground.service.answer = ground.grant()
    async with ground.phone.desk() as desk:
        said: list[Event] = []
        assert await desk.do({"do": "status"}, say=said.append, hear=nobody) == 0
        assert "reason" not in said[0]["hosts"][0]
        assert ground.service.asked == 2
