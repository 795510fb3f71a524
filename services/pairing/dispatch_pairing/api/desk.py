"""Takes each call: reads it, lets the caller in, has it answered, refuses with a reason. The one boundary to gRPC.

Requests arrive here as bytes, because a proof is over exactly those. Called by app.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from dispatch.errors import BadRequest, DispatchError, Internal, NonceExpired, TooLarge, word
from dispatch.failures import place_of
from dispatch.runtime.logs import get_logger
from dispatch.status import refuse
from google.protobuf.message import DecodeError, Message

from dispatch_pairing.api.method import Feed, Method
from dispatch_pairing.door import DEVICE, NEXT_NONCE, Caller, Door, Need, papers
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics

_log = get_logger()

Context = grpc.aio.ServicerContext[Any, Any]


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
        limits = self._limits
        limit = limits.report_bytes if method.need is Need.SERVICE else limits.request_bytes
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
                claimed = _claimed(context)
                _log.info(
                    "refused", method=method.name, claimed=claimed, reason=word(error.reason), detail=error.detail
                )
        elif isinstance(failure, grpc.aio.AbortError):
            raise failure
        else:
            error = Internal()
            _log.error("broken", method=method.name, where=place_of(failure))
        self._metrics.refusals.labels(word(error.reason)).inc()
        await refuse(context, error)


def _claimed(context: Context) -> bytes:
    """Give whom the caller says to be: for the log, and believed by nobody."""
    said = next((value for name, value in context.invocation_metadata() or () if name == DEVICE), b"")
    return said if isinstance(said, bytes) else b""


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
