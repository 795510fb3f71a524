"""PairingService: offers, the ceremony, pairings and grants. Translates messages; `ceremony` and `pairings` decide."""

from __future__ import annotations

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.clock import Clock
from dispatch.runtime.logs import get_logger

from dispatch_pairing.api.fields import exactly, offer_id_of, pair_id_of
from dispatch_pairing.api.method import PAIRING, Feed, Method, Write
from dispatch_pairing.ceremony import Ceremony, Claimed, Contested, Ended, Happening, Step
from dispatch_pairing.door import Caller, Need
from dispatch_pairing.guesses import Guesses
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Role
from dispatch_pairing.pairings import Pairings, Signed
from dispatch_pairing.sign_ins import SignIns
from dispatch_pairing.signing_keys import SigningKeys
from dispatch_pairing.streams import Streams

_log = get_logger()


class PairingApi:
    """Answers PairingService."""

    def __init__(
        self,
        *,
        ceremony: Ceremony,
        guesses: Guesses,
        pairings: Pairings,
        sign_ins: SignIns,
        streams: Streams,
        keys: SigningKeys,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._ceremony = ceremony
        self._guesses = guesses
        self._pairings = pairings
        self._sign_ins = sign_ins
        self._streams = streams
        self._keys = keys
        self._clock = clock
        self._metrics = metrics

    def methods(self) -> tuple[Method | Feed, ...]:
        """Give the table: every method, and what its caller must show."""
        return (
            Method(PAIRING, "CreateOffer", pb.CreateOfferRequest, Need.SIGN_IN, self._create_offer),
            Method(PAIRING, "ClaimOffer", pb.ClaimOfferRequest, Need.SIGN_IN, self._claim_offer),
            Method(PAIRING, "SendStep", pb.SendStepRequest, Need.KEY, self._send_step),
            Feed(PAIRING, "FollowOffer", pb.FollowOfferRequest, Need.KEY, self._follow_offer),
            Method(PAIRING, "EndOffer", pb.EndOfferRequest, Need.KEY, self._end_offer),
            Method(PAIRING, "CompletePairing", pb.CompletePairingRequest, Need.KEY, self._complete_pairing),
            Method(PAIRING, "EndPairing", pb.EndPairingRequest, Need.KEY, self._end_pairing),
            Method(PAIRING, "RenewGrant", pb.RenewGrantRequest, Need.SIGN_IN_OF_PHONE, self._renew_grant),
        )

    async def _create_offer(self, caller: Caller, request: pb.CreateOfferRequest) -> pb.CreateOfferResponse:
        hashed = exactly(request.claim_token_hash, 32, field="claim_token_hash")
        offer = await self._ceremony.create(caller.as_(Role.HOST), offer_id_of(request.offer_id), hashed)
        _log.info("offer", offer=offer.offer_id, host=offer.host_id)
        return pb.CreateOfferResponse(claim_by_ms=offer.claim_by_ms, server_time_ms=self._clock.wall_ms())

    async def _claim_offer(self, caller: Caller, request: pb.ClaimOfferRequest) -> pb.ClaimOfferResponse:
        phone, offer_id = caller.as_(Role.PHONE), offer_id_of(request.offer_id)
        with self._guesses.one(phone.account_id, caller.papers.address):
            offer = await self._ceremony.claim(phone, offer_id, request.claim_token)
        _log.info("claimed", offer=offer.offer_id, phone=offer.phone_id)
        return pb.ClaimOfferResponse(confirm_by_ms=offer.confirm_by_ms or 0, server_time_ms=self._clock.wall_ms())

    async def _send_step(self, caller: Caller, request: pb.SendStepRequest) -> pb.SendStepResponse:
        await self._ceremony.send(caller.device, offer_id_of(request.offer_id), request.step, request.payload)
        return pb.SendStepResponse()

    async def _follow_offer(self, caller: Caller, request: pb.FollowOfferRequest, write: Write) -> None:
        offer_id = offer_id_of(request.offer_id)

        async def tell(happening: Happening) -> None:
            await write(_happening(happening))

        with self._streams.one(caller.papers.device_id):
            await self._ceremony.follow(caller.device, offer_id, tell)

    async def _end_offer(self, caller: Caller, request: pb.EndOfferRequest) -> pb.EndOfferResponse:
        offer = await self._ceremony.end(caller.device, offer_id_of(request.offer_id), request.reason)
        _log.info("offer over", offer=offer.offer_id, state=offer.state.value)
        return pb.EndOfferResponse()

    async def _complete_pairing(self, caller: Caller, request: pb.CompletePairingRequest) -> pb.CompletePairingResponse:
        signed = Signed(
            attestation=request.attestation,
            phone_signature=request.phone_signature,
            host_signature=request.host_signature,
            offer_id=offer_id_of(request.offer_id) if request.offer_id else None,
        )
        completed = await self._pairings.complete(caller.as_(Role.HOST), signed)
        if completed.new:
            self._metrics.completed(replaced=completed.replaced)
        pairing = completed.pairing
        _log.info("paired", pairing=pairing.pair_id, host=pairing.host_id, phone=pairing.phone_id, new=completed.new)
        return pb.CompletePairingResponse()

    async def _end_pairing(self, caller: Caller, request: pb.EndPairingRequest) -> pb.EndPairingResponse:
        pair_id = pair_id_of(request.pair_id)
        if await self._pairings.end(caller.device, pair_id):
            self._metrics.ended()
            _log.info("pairing ended", pairing=pair_id, by=caller.device.role.name)
        return pb.EndPairingResponse()

    async def _renew_grant(self, caller: Caller, request: pb.RenewGrantRequest) -> pb.RenewGrantResponse:
        device = caller.device
        renewed = await self._pairings.renew(device, pair_id_of(request.pair_id), app_version=request.app_version)
        # Only a phone shows a sign-in here, so only it can be given a fresh token.
        session = await self._sign_ins.rotate(device, caller.papers.token) if device.role is Role.PHONE else b""
        self._metrics.grants.inc()
        return pb.RenewGrantResponse(
            grant=renewed.grant,
            relays=renewed.relays,
            web_relays=renewed.web_relays,
            server_time_ms=renewed.now_ms,
            keys=self._keys.key_set(),
            revocation_sequence=renewed.sequence,
            minimum_phone_version=renewed.min_phone_version,
            session=session,
        )


def _happening(happening: Happening) -> pb.FollowOfferResponse:
    match happening:
        case Claimed(confirm_by_ms=confirm_by_ms):
            return pb.FollowOfferResponse(claimed=pb.OfferClaimed(confirm_by_ms=confirm_by_ms))
        case Step(number=number, payload=payload):
            return pb.FollowOfferResponse(step=pb.OfferStep(step=number, payload=payload))
        case Contested():
            return pb.FollowOfferResponse(contested=pb.OfferContested())
        case Ended(reason=reason):
            return pb.FollowOfferResponse(ended=pb.OfferEnded(reason=reason or Reason.REASON_UNSPECIFIED))
