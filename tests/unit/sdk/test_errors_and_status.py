"""One list of reasons serves the wire, the exceptions, the labels and the words for people."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.cli import Exit, exit_of
from dispatch.status import from_rpc, refuse


def test_every_reason_of_the_contract_has_one_exception_and_its_words() -> None:
    named = set(Reason.values()) - {Reason.REASON_UNSPECIFIED}

    assert set(errors.all_reasons()) == named
    for reason in named:
        kind = errors.kind_of(reason)
        assert kind.reason == reason
        assert kind.sentence.endswith(".")
        assert kind.advice.endswith(".")


def test_a_reason_of_a_newer_version_counts_as_internal() -> None:
    assert errors.kind_of(99_999) is errors.Internal  # type: ignore[arg-type] # what a newer peer could send
    assert errors.word(99_999) == "INTERNAL"  # type: ignore[arg-type] # the same
    assert isinstance(errors.of_word("SOMETHING_NEW"), errors.Internal)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.HostAsleep(), Exit.HOST_AWAY),
        (errors.NoNetwork(), Exit.NOT_SENT),
        (errors.SignInRequired(), Exit.NOT_ALLOWED),
        (errors.TargetNeeded(), Exit.USAGE),
        (errors.QueueFull(), Exit.REFUSED),
        (errors.Internal(), Exit.FAULT),
    ],
)
def test_each_kind_of_refusal_has_its_exit_code(error: errors.DispatchError, code: Exit) -> None:
    assert exit_of(error) is code


class _Refusing(grpc.GenericRpcHandler):
    """A server that refuses every call with one error."""

    def __init__(self, error: errors.DispatchError) -> None:
        self.error = error

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def answer(_request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            await refuse(context, self.error)

        behaviour: object = answer
        return grpc.unary_unary_rpc_method_handler(behaviour)  # type: ignore[arg-type] # the stubs know only the blocking form


@pytest.mark.parametrize("reason", errors.all_reasons())
async def test_a_refusal_reaches_the_caller_as_the_exception_it_was(reason: Reason.ValueType) -> None:
    sent = errors.of(reason, "detail", retry_after_ms=1500, metadata={"field": "name"})
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Refusing(sent),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: Any = channel.unary_unary("/x/Y")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"")
    finally:
        await server.stop(0)

    received = from_rpc(caught.value)

    assert type(received) is type(sent)
    assert (received.detail, received.retry_after_ms, received.metadata) == ("detail", 1500, {"field": "name"})


async def test_a_server_that_is_not_there_is_no_network() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        call: Any = channel.unary_unary("/x/Y")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", timeout=5)

    assert isinstance(from_rpc(caught.value), errors.NoNetwork)


def test_a_status_that_the_library_lost_is_no_defect_of_the_peer() -> None:
    """A write that fails while a call ends takes the place of its status (grpc/grpc#36066)."""
    nothing = grpc.aio.Metadata()
    lost = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, details="Internal error from Core")
    meant = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, details="of the peer")

    assert isinstance(from_rpc(lost), errors.NoNetwork)
    assert isinstance(from_rpc(meant), errors.Internal)
