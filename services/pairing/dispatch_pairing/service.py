"""The gRPC face: one table of methods with what each caller must show, and the translation of messages.

Requests arrive here as bytes, because a proof is over exactly those. Called by app.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.clock import Clock
from dispatch.errors import BadRequest, DispatchError, Internal, NonceExpired, TooLarge, word
from dispatch.failures import place_of
from dispatch.ids import ID_BYTES, OfferId, PairId
from dispatch.runtime.logs import get_logger
from dispatch.status import refuse
from google.protobuf.message import DecodeError, Message

from dispatch_pairing.accounts import Attempt, SignIns
from dispatch_pairing.ceremony import Ceremony, Claimed, Contested, Ended, Happening, Step
from dispatch_pairing.door import NEXT_NONCE, Caller, Door, Need, papers
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Role
from dispatch_pairing.pairings import Pairings, Signed
from dispatch_pairing.signer import Signer
from dispatch_pairing.streams import Streams
from dispatch_pairing.trust import News, Trust

_log = get_logger()

_PACKAGE = "dispatch.api.pairing.v1"
ACCOUNT, PAIRING, TRUST = (f"{_PACKAGE}.{name}" for name in ("AccountService", "PairingService", "TrustService"))
FOR_DEVICES, FOR_SERVICES = (ACCOUNT, PAIRING), (TRUST,)

Context = grpc.aio.ServicerContext[Any, Any]
Write = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Method:
    """One call: its name, its request, what its caller must show, what answers it."""

    service: str
    name: str
    request: type[Message]
    need: Need
    answer: Callable[[Any, Any], Awaitable[Message]]
    """Takes the caller and the request."""

    @property
    def full(self) -> str:
        """The name that proofs are bound to."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, slots=True)
class Feed:
    """One call with a stream of answers."""

    service: str
    name: str
    request: type[Message]
    need: Need
    follow: Callable[[Any, Any, Write], Awaitable[None]]
    """Takes the caller (None with Need.SERVICE), the request, and how to say something."""

    @property
    def full(self) -> str:
        """The name that proofs are bound to."""
        return f"/{self.service}/{self.name}"


class Api:
    """Answers each method."""

    def __init__(
        self,
        *,
        sign_ins: SignIns,
        ceremony: Ceremony,
        pairings: Pairings,
        trust: Trust,
        streams: Streams,
        signer: Signer,
        service_name: str,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._sign_ins = sign_ins
        self._ceremony = ceremony
        self._pairings = pairings
        self._trust = trust
        self._streams = streams
        self._keys = signer.key_set()
        self._service_name = service_name
        self._clock = clock
        self._metrics = metrics

    def methods(self) -> tuple[Method | Feed, ...]:
        """Give the table: every method of the service, and what its caller must show."""
        return (
            Method(ACCOUNT, "SignIn", pb.SignInRequest, Need.KEY_IN_REQUEST, self._sign_in),
            Method(ACCOUNT, "SignOut", pb.SignOutRequest, Need.KEY, self._sign_out),
            Method(PAIRING, "CreateOffer", pb.CreateOfferRequest, Need.SIGN_IN, self._create_offer),
            Method(PAIRING, "ClaimOffer", pb.ClaimOfferRequest, Need.SIGN_IN, self._claim_offer),
            Method(PAIRING, "SendStep", pb.SendStepRequest, Need.KEY, self._send_step),
            Feed(PAIRING, "FollowOffer", pb.FollowOfferRequest, Need.KEY, self._follow_offer),
            Method(PAIRING, "EndOffer", pb.EndOfferRequest, Need.KEY, self._end_offer),
            Method(PAIRING, "CompletePairing", pb.CompletePairingRequest, Need.KEY, self._complete_pairing),
            Method(PAIRING, "EndPairing", pb.EndPairingRequest, Need.KEY, self._end_pairing),
            Method(PAIRING, "RenewGrant", pb.RenewGrantRequest, Need.SIGN_IN_OF_PHONE, self._renew_grant),
            Feed(TRUST, "FollowTrust", pb.FollowTrustRequest, Need.SERVICE, self._follow_trust),
        )

    async def _sign_in(self, caller: Caller, request: pb.SignInRequest) -> pb.SignInResponse:
        attempt = Attempt(
            account=request.account,
            password=request.password,
            device_id=caller.papers.device_id,
            key=request.device_key,
            name=request.device_name,
            role=_role(request.device_kind),
            address=caller.papers.address,
        )
        try:
            signed_in = await self._sign_ins.sign_in(attempt)
        except DispatchError as refusal:
            self._metrics.sign_in_refused(refusal)
            raise
        self._metrics.sign_ins.labels("ok").inc()
        _log.info("signed in", device=attempt.device_id, account=signed_in.account_id, role=attempt.role.name)
        return pb.SignInResponse(
            session=signed_in.token,
            service_name=self._service_name,
            account_id=signed_in.account_id,
            expires_at_ms=signed_in.expires_ms,
            server_time_ms=self._clock.wall_ms(),
            keys=self._keys,
        )

    async def _sign_out(self, caller: Caller, _request: pb.SignOutRequest) -> pb.SignOutResponse:
        await self._sign_ins.sign_out(caller.device, caller.papers.token)
        return pb.SignOutResponse()

    async def _create_offer(self, caller: Caller, request: pb.CreateOfferRequest) -> pb.CreateOfferResponse:
        hashed = _bytes(request.claim_token_hash, 32, field="claim_token_hash")
        offer = await self._ceremony.create(caller.as_(Role.HOST), _offer_id(request.offer_id), hashed)
        _log.info("offer", offer=offer.offer_id, host=offer.host_id)
        return pb.CreateOfferResponse(claim_by_ms=offer.claim_by_ms, server_time_ms=self._clock.wall_ms())

    async def _claim_offer(self, caller: Caller, request: pb.ClaimOfferRequest) -> pb.ClaimOfferResponse:
        offer = await self._ceremony.claim(caller.as_(Role.PHONE), _offer_id(request.offer_id), request.claim_token)
        _log.info("claimed", offer=offer.offer_id, phone=offer.phone_id)
        return pb.ClaimOfferResponse(confirm_by_ms=offer.confirm_by_ms or 0, server_time_ms=self._clock.wall_ms())

    async def _send_step(self, caller: Caller, request: pb.SendStepRequest) -> pb.SendStepResponse:
        await self._ceremony.send(caller.device, _offer_id(request.offer_id), request.step, request.payload)
        return pb.SendStepResponse()

    async def _follow_offer(self, caller: Caller, request: pb.FollowOfferRequest, write: Write) -> None:
        offer_id = _offer_id(request.offer_id)

        async def tell(happening: Happening) -> None:
            await write(_happening(happening))

        with self._streams.one(caller.papers.device_id):
            await self._ceremony.follow(caller.device, offer_id, tell)

    async def _end_offer(self, caller: Caller, request: pb.EndOfferRequest) -> pb.EndOfferResponse:
        offer = await self._ceremony.end(caller.device, _offer_id(request.offer_id), request.reason)
        _log.info("offer over", offer=offer.offer_id, state=offer.state.value)
        return pb.EndOfferResponse()

    async def _complete_pairing(self, caller: Caller, request: pb.CompletePairingRequest) -> pb.CompletePairingResponse:
        signed = Signed(
            attestation=request.attestation,
            phone_signature=request.phone_signature,
            host_signature=request.host_signature,
            offer_id=_offer_id(request.offer_id) if request.offer_id else None,
        )
        completed = await self._pairings.complete(caller.as_(Role.HOST), signed)
        if completed.new:
            self._metrics.completed(replaced=completed.replaced)
        pairing = completed.pairing
        _log.info("paired", pairing=pairing.pair_id, host=pairing.host_id, phone=pairing.phone_id, new=completed.new)
        return pb.CompletePairingResponse()

    async def _end_pairing(self, caller: Caller, request: pb.EndPairingRequest) -> pb.EndPairingResponse:
        pair_id = _pair_id(request.pair_id)
        if await self._pairings.end(caller.device, pair_id):
            self._metrics.ended()
            _log.info("pairing ended", pairing=pair_id, by=caller.device.role.name)
        return pb.EndPairingResponse()

    async def _renew_grant(self, caller: Caller, request: pb.RenewGrantRequest) -> pb.RenewGrantResponse:
        renewed = await self._pairings.renew(caller.device, _pair_id(request.pair_id))
        self._metrics.grants.inc()
        return pb.RenewGrantResponse(
            grant=renewed.grant,
            relays=renewed.relays,
            server_time_ms=renewed.now_ms,
            keys=self._keys,
            revocation_sequence=renewed.sequence,
        )

    async def _follow_trust(self, _caller: None, request: pb.FollowTrustRequest, write: Write) -> None:
        first = True

        async def tell(news: News) -> None:
            nonlocal first
            await write(_news(news, keys=self._keys if first else None))
            first = False

        _log.info("relay follows", relay=request.relay_address[:64])
        with self._streams.one(request.relay_address.encode()):
            await self._trust.follow(request.relay_address, request.after_sequence, tell)


class Desk:
    """Takes each call: reads it, lets the caller in, has it answered, refuses with a reason. The one boundary."""

    def __init__(self, *, door: Door, limits: Limits, metrics: Metrics) -> None:
        self._door = door
        self._limits = limits
        self._metrics = metrics

    def handlers(self, methods: Iterable[Method | Feed]) -> list[grpc.GenericRpcHandler]:
        """Give what a gRPC server registers."""
        by_service: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        for method in methods:
            by_service.setdefault(method.service, {})[method.name] = (
                self._unary(method) if isinstance(method, Method) else self._stream(method)
            )
        return [grpc.method_handlers_generic_handler(service, found) for service, found in by_service.items()]

    def _unary(self, method: Method) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(body: bytes, context: Context) -> Message:
            try:
                caller, request = await self._let_in(method, body, context)
                return await method.answer(caller, request)
            except Exception as failure:
                await self._refuse(method, context, failure)
                raise AssertionError("refuse returned") from failure

        # The stubs know only blocking handlers.
        behaviour: Any = answer
        return grpc.unary_unary_rpc_method_handler(behaviour, response_serializer=_serialize)

    def _stream(self, feed: Feed) -> grpc.RpcMethodHandler[Any, Any]:
        async def follow(body: bytes, context: Context) -> None:
            try:
                caller, request = await self._let_in(feed, body, context)
                await feed.follow(caller, request, context.write)
            except Exception as failure:
                await self._refuse(feed, context, failure)

        behaviour: Any = follow
        return grpc.unary_stream_rpc_method_handler(behaviour, response_serializer=_serialize)

    async def _let_in(self, method: Method | Feed, body: bytes, context: Context) -> tuple[Caller | None, Any]:
        if method.need is Need.SERVICE:
            return None, self._parse(method, body)
        shown = papers(context.invocation_metadata() or (), peer=context.peer())
        # In the initial metadata, so that refused calls and streams carry it as well.
        await context.send_initial_metadata(((NEXT_NONCE, self._door.next_nonce(shown.device_id)),))
        request = self._parse(method, body)
        key = request.device_key if method.need is Need.KEY_IN_REQUEST else None
        caller = await self._door.admit(shown, need=method.need, method=method.full, body=body, key_in_request=key)
        return caller, request

    def _parse(self, method: Method | Feed, body: bytes) -> Any:
        limit = self._limits.request_bytes
        if len(body) > limit:
            raise TooLarge(metadata={"limit_bytes": str(limit)})
        request = method.request()
        try:
            request.ParseFromString(body)
        except DecodeError as failure:
            raise BadRequest("the request is not what the contract says", metadata={"field": "request"}) from failure
        return request

    async def _refuse(self, method: Method | Feed, context: Context, failure: Exception) -> None:
        if isinstance(failure, DispatchError):
            error = failure
            # NONCE_EXPIRED begins every conversation; counting it is enough.
            if not isinstance(error, NonceExpired):
                _log.info("refused", method=method.name, reason=word(error.reason), detail=error.detail)
        elif isinstance(failure, grpc.aio.AbortError):
            raise failure
        else:
            error = Internal()
            _log.error("broken", method=method.name, where=place_of(failure))
        self._metrics.refusals.labels(word(error.reason)).inc()
        await refuse(context, error)


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _bytes(value: bytes, length: int, *, field: str) -> bytes:
    if len(value) != length:
        raise BadRequest(f"{field} is not {length} bytes", metadata={"field": field})
    return value


def _offer_id(value: bytes) -> OfferId:
    return OfferId(_bytes(value, ID_BYTES, field="offer_id"))


def _pair_id(value: bytes) -> PairId:
    return PairId(_bytes(value, ID_BYTES, field="pair_id"))


def _role(kind: int) -> Role:
    try:
        return Role(kind)
    except ValueError as failure:
        raise BadRequest("no such kind of device", metadata={"field": "device_kind"}) from failure


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


def _news(news: News, *, keys: pb.KeySet | None) -> pb.FollowTrustResponse:
    return pb.FollowTrustResponse(
        keys=keys,
        ended_pairings=[
            pb.EndedPairing(
                pair_id=pairing.pair_id,
                ended_by=DeviceKind.ValueType(pairing.ended_by or 0),
                sequence=pairing.ended_sequence or 0,
            )
            for pairing in news.ended
        ],
        sequence=news.sequence,
        server_time_ms=news.now_ms,
        complete=news.complete,
    )
