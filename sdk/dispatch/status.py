"""Turns reasons into gRPC statuses and back: the one place where the two meet.

A refused call carries google.rpc.ErrorInfo (reason, domain "dispatch", metadata) and, when it makes sense to come back,
google.rpc.RetryInfo. Called by every gRPC handler and every client.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as ProtoAny
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from dispatch import errors

DOMAIN = "dispatch"


def to_status(error: errors.DispatchError) -> status_pb2.Status:
    """Write an error as google.rpc.Status."""
    info = ProtoAny()
    info.Pack(
        error_details_pb2.ErrorInfo(reason=errors.word(error.reason), domain=DOMAIN, metadata=error.metadata),
    )
    details = [info]
    if error.retry_after_ms:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(error.retry_after_ms)
        packed = ProtoAny()
        packed.Pack(retry)
        details.append(packed)
    return status_pb2.Status(
        code=code_pb2.Code.Value(error.code.value), message=error.detail or error.sentence, details=details
    )


async def refuse(context: grpc.aio.ServicerContext[Any, Any], error: errors.DispatchError) -> NoReturn:
    """End a call or a stream with the error. Never returns."""
    status = rpc_status.to_status(to_status(error))
    await context.abort(status.code, status.details, status.trailing_metadata)
    raise AssertionError("abort returned")


def from_rpc(failure: grpc.aio.AioRpcError) -> errors.DispatchError:
    """Read what a peer meant. Without our details it is the transport speaking: NoNetwork, or Internal."""
    metadata = failure.trailing_metadata() or ()
    raw = next((value for key, value in metadata if key == "grpc-status-details-bin"), None)
    if isinstance(raw, bytes):
        error = _from_details(raw, failure.details() or "")
        if error is not None:
            return error
    return _from_code(failure)


def _from_details(raw: bytes, message: str) -> errors.DispatchError | None:
    status = status_pb2.Status()
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    try:
        status.ParseFromString(raw)
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(retry)
    except DecodeError:
        return None
    if info.domain != DOMAIN:
        return None
    delay_ms = math.ceil(retry.retry_delay.ToNanoseconds() / 1_000_000)
    # No longer than a frame can say it, so that whoever waits so long can reckon with it.
    delay_ms = min(max(0, delay_ms), 2**32 - 1)
    return errors.of_word(info.reason, message, retry_after_ms=delay_ms, metadata=dict(info.metadata))


_BY_CODE: dict[grpc.StatusCode, type[errors.DispatchError]] = {
    grpc.StatusCode.UNAVAILABLE: errors.NoNetwork,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.NoNetwork,
    grpc.StatusCode.CANCELLED: errors.NoNetwork,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.TooLarge,
    grpc.StatusCode.UNIMPLEMENTED: errors.NotSupported,
    grpc.StatusCode.INVALID_ARGUMENT: errors.BadRequest,
}


_LOST = (grpc.StatusCode.INTERNAL, "Internal error from Core")
"""What the library puts in the place of a status that came while a write failed: why the call ended is not known."""


def _from_code(failure: grpc.aio.AioRpcError) -> errors.DispatchError:
    is_lost = (failure.code(), failure.details()) == _LOST
    kind = errors.NoNetwork if is_lost else _BY_CODE.get(failure.code(), errors.Internal)
    return kind(f"{failure.code().name}: {failure.details() or ''}")
