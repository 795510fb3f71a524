"""Takes each call: reads it, lets the caller in, has it answered, refuses with a reason. The one boundary; knows no carrier.

Requests arrive here as bytes, because a proof is over exactly those. Called by `grpc_calls` and, for browsers, `web.calls`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from dispatch.endings import UnderWay
from dispatch.errors import BadRequest, DispatchError, Internal, NonceExpired, TooLarge, word
from dispatch.failures import place_of
from dispatch.runtime.logs import get_logger
from google.protobuf.message import DecodeError, Message

from dispatch_pairing.api.method import Feed, Method, Write
from dispatch_pairing.door import DEVICE, Caller, Door, Metadata, Need, papers
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics

_log = get_logger()


class Call(Protocol):
    """What brought a request, beside its bytes."""

    @property
    def address(self) -> str:
        """Where it comes from, for counting."""

    def metadata(self) -> Metadata:
        """Give what the caller sent along. Raises BadRequest."""

    async def greet(self, nonce: bytes) -> None:
        """Tell the device the nonce for its next call: ahead of the answer, so that a refusal brings it as well."""


class Desk:
    """Takes each call."""

    def __init__(self, *, door: Door, limits: Limits, metrics: Metrics) -> None:
        self._door = door
        self._limits = limits
        self._metrics = metrics
        self._under_way = UnderWay(limit=limits.answers)

    async def answer(self, method: Method, body: bytes, call: Call) -> Message:
        """Answer a call, or raise a DispatchError and no other. Once the caller is let in, it is answered to the end."""
        try:
            caller, request = await self._let_in(method, body, call)
        except Exception as failure:
            raise self._refusal(method, call, failure) from failure
        return await self._under_way.carry_out(self._work_out(method, caller, request, call))

    async def follow(self, feed: Feed, body: bytes, call: Call, write: Write) -> None:
        """Answer a call by a stream, or raise a DispatchError and no other."""
        try:
            caller, request = await self._let_in(feed, body, call)
            await feed.follow(caller, request, write)
        except Exception as failure:
            raise self._refusal(feed, call, failure) from failure

    async def finish(self, *, grace_seconds: float) -> None:
        """Wait for answers whose callers have gone; what is still there after the grace is cut."""
        await self._under_way.finish(grace_seconds=grace_seconds)

    async def _work_out(self, method: Method, caller: Caller | None, request: Any, call: Call) -> Message:
        # In here, so that a failure that no caller hears of is in the log and in the counts.
        try:
            return await method.answer(caller, request)
        except Exception as failure:
            raise self._refusal(method, call, failure) from failure

    async def _let_in(self, method: Method | Feed, body: bytes, call: Call) -> tuple[Caller | None, Any]:
        if method.need is Need.SERVICE:
            return None, self._parse(method, body)
        shown = papers(call.metadata(), address=call.address)
        await call.greet(self._door.next_nonce(shown.device_id))
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

    def _refusal(self, method: Method | Feed, call: Call, failure: Exception) -> DispatchError:
        """Log and count why a call is refused; gives what its caller is told."""
        if isinstance(failure, DispatchError):
            error = failure
            # NONCE_EXPIRED begins every conversation; counting it is enough.
            if not isinstance(error, NonceExpired):
                _log.info(
                    "refused",
                    method=method.name,
                    claimed=_claimed(call),
                    reason=word(error.reason),
                    detail=error.detail,
                )
        else:
            error = Internal()
            _log.error("broken", method=method.name, where=place_of(failure))
        self._metrics.refusals.labels(word(error.reason)).inc()
        return error


def _claimed(call: Call) -> bytes:
    """Give whom the caller says to be: for the log, and believed by nobody."""
    try:
        entries: Iterable[tuple[str, str | bytes]] = call.metadata()
    except BadRequest:
        return b""
    said = next((value for name, value in entries if name == DEVICE), b"")
    return said if isinstance(said, bytes) else b""
