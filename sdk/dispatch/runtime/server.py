"""Makes and runs a gRPC server of ours: options, health, reflection, an orderly end. Knows no service."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dispatch.address import Address
from dispatch.channel import server_options
from dispatch.runtime.certificate import Certificate

Health = health_pb2.HealthCheckResponse


class Server:
    """A gRPC server with health and reflection.

    `health_of` sets what the health protocol answers, for "" (the whole) and by service name.
    """

    def __init__(self, *, services: Sequence[str], interceptors: Sequence[grpc.aio.ServerInterceptor] = ()) -> None:
        self.grpc = grpc.aio.server(options=server_options(), interceptors=list(interceptors))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self.grpc)
        self._services = tuple(services)

    def bind(self, listen: Address, *, certificate: Certificate | None = None) -> Address:
        """Take the address before anything is served; gives the one really bound. Raises OSError when it can't be had.

        Speaks TLS with a certificate, else in the clear.
        """
        try:
            if certificate is None:
                port = self.grpc.add_insecure_port(str(listen))
            else:
                port = self.grpc.add_secure_port(str(listen), certificate.credentials())
        except RuntimeError as failure:
            raise OSError(f"can't listen on {listen}: the address is taken or not this computer's") from failure
        return Address(host=listen.host, port=port)

    async def start(self, listen: Address, *, certificate: Certificate | None = None) -> Address:
        """Listen and serve; gives the address really bound. Raises OSError when it can't be had."""
        address = self.bind(listen, certificate=certificate)
        await self.grpc.start()
        return address

    async def serving(self, serving: bool) -> None:
        """Say by the health protocol whether work is welcome."""
        status = Health.SERVING if serving else Health.NOT_SERVING
        for name in ("", *self._services):
            await self._health.set(name, status)

    async def stop(self, *, grace_seconds: float) -> None:
        """Stop taking work, let what runs end within the grace, then cut it."""
        await self._health.enter_graceful_shutdown()
        await self.grpc.stop(grace_seconds)


def stop_signal() -> asyncio.Event:
    """Give an event that SIGTERM and SIGINT set. Must be called inside the loop."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped
