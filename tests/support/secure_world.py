"""A whole Dispatch on this machine in which everything speaks TLS, with certificates as `make certs` makes them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from deploy.certs import make
from tests.support.ports import address_to_come_back_to
from tests.support.processes import Event, run
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import ACCOUNT, PASSWORD, World


class SecureWorld(World):
    """Use as World."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.certificates = folder / "certificates"
        make(self.certificates, extra_names=(), renew=False, now=datetime.now(UTC))
        self.ca = self.certificates / "devices" / "ca.pem"
        self.services_at = ""

    async def start_pairing(self, *options: str, listen: str = "") -> None:
        """Start the pairing service with a listener of its own for services."""
        own = self.certificates / "pairing"
        await super().start_pairing(
            "--tls-cert", str(own / "tls.pem"), "--tls-key", str(own / "tls.key"),
            "--services", "127.0.0.1:0", "--services-ca", str(own / "services-ca.pem"),
            "--services-cert", str(own / "services.pem"), "--services-key", str(own / "services.key"),
            *options, listen=listen,
        )  # fmt: skip
        self.services_at = (await self.pairing.event("listening"))["services"]

    async def start_relay(self, *options: str, listen: str = "") -> None:
        """Start the relay with a certificate for the pairing service."""
        own = self.certificates / "relay"
        self.relay = await self.start(
            "dispatch-relay", "serve", "--listen", listen or address_to_come_back_to(), "--data", str(self.folder / "relay"),
            "--metrics", "127.0.0.1:0", "--tls-cert", str(own / "tls.pem"), "--tls-key", str(own / "tls.key"),
            "--pairing", self.services_at, "--services-ca", str(own / "services-ca.pem"),
            "--services-cert", str(own / "services.pem"), "--services-key", str(own / "services.key"), *options,
            env=self.relay_env,
        )  # fmt: skip
        listening = await self.relay.event("listening")
        self.relay_address, self.relay_metrics = listening["address"], listening["metrics"]

    async def log_in(self, program: str, device: str, *options: str) -> tuple[int, list[Event]]:
        """Try to sign a device in; gives the exit code and what it said."""
        return await run(
            program, "login", "--home", self.home(device), "--server", self.server, "--account", ACCOUNT,
            "--name", device, "--password-stdin", *options, stdin=PASSWORD,
        )  # fmt: skip

    async def sign_in(self, program: str, device: str, *, account: str = ACCOUNT) -> None:
        """Sign a device in."""
        assert account == ACCOUNT
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (done := await self.log_in(program, device, "--ca", str(self.ca)))[0] != 0:
                # So says a device to which a service on a busy computer did not answer in time.
                assert done[1][-1].get("reason") == "NO_NETWORK", done
