"""Subjects `relay`, `relay-tls` and `relay-live`: the real relay as a process of its own, with devices that are made by hand."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import grpc
from dispatch import errors
from dispatch.tls import BY_THE_RULE, Dialler

from bench.subjects.relay_links import HostLink, LiveLink, LivePhoneLink, PhoneLink, RelayLink, chains
from bench.subjects.server import Server
from bench.subjects.subject import Ear, Lost, Role
from bench.tally import Tally
from tests.support.certificates import Certificates
from tests.support.device_end import Identity
from tests.support.trust_service import TrustService, new_id

_LIFTED = {
    "DISPATCH_RELAY_POSTS_PER_SECOND": "1000000",
    "DISPATCH_RELAY_LIVE_PER_SECOND": "1000000",
    "DISPATCH_RELAY_HELLO_MS": "60000",
}
"""No device posts as fast as these; and who opens hundreds of streams beside the relay may be slow at each."""


class Relay:
    """The subject, durable or live, in the clear or over TLS."""

    def __init__(self, *, tls: bool = False, live: bool = False) -> None:
        self.name = "relay-live" if live else "relay-tls" if tls else "relay"
        self.about = f"{'forwards live frames' if live else 'durable both ways'}, sealed{', TLS 1.3' if tls else ''}"
        self._tls, self._live = tls, live
        self._server = Server(self.name)
        self._trust = TrustService()
        self._followed = False
        self._dialler: Dialler = BY_THE_RULE
        self._pairings: dict[int, bytes] = {}
        self._channels: list[grpc.aio.Channel] = []

    @property
    def _address(self) -> str:
        return f"{self._server.host}:{self._server.port}"

    @property
    def pids(self) -> list[int]:
        """The relay; what its trust comes from is not counted."""
        return self._server.pids

    async def start(self) -> None:
        """Start the relay, and who tells it whom to trust. Raises Lost."""
        folder = self._server.folder
        await self._trust.listen()
        self._followed = True
        words = ["--listen", self._address, "--data", str(folder / "data"), "--metrics", "127.0.0.1:0"]
        if self._tls:
            certificates = Certificates(folder / "tls")
            keys = certificates.keys()
            words += ["--tls-cert", str(keys.certificate), "--tls-key", str(keys.key)]
            self._dialler = certificates.dialler()
        program = str(Path(sys.executable).parent / "dispatch-relay")
        await self._server.start([program, "serve", *words, "--pairing", self._trust.address], env=_LIFTED)

    async def link(self, pair: int, role: Role, ear: Ear) -> RelayLink:
        """Attach a device. A pair that is opened again is another pairing."""
        if role is Role.HOST:
            self._pairings[pair] = new_id()
        device = Identity(role.value, self._pairings[pair], self._trust)
        channel = self._dialler.dial(self._address, alone=True)
        self._channels.append(channel)
        up, down = chains(device.pair_id, live=self._live, rng=os.urandom)
        kinds: dict[Role, type[Any]] = (
            {Role.PHONE: LivePhoneLink, Role.HOST: LiveLink}
            if self._live
            else {Role.PHONE: PhoneLink, Role.HOST: HostLink}
        )
        sealing, opening = (up, down) if role is Role.PHONE else (down, up)
        link: RelayLink = kinds[role](
            device, channel, self._address, Tally(), ear=ear, sealing=sealing, opening=opening, rng=os.urandom
        )
        try:
            await link.attach()
        except (errors.DispatchError, TimeoutError) as failure:
            raise Lost(f"not let in: {failure!r}") from failure
        return link

    async def stop(self) -> None:
        """End the relay, and all connections to it."""
        await asyncio.gather(*(channel.close() for channel in self._channels))
        self._channels.clear()
        await self._server.stop()
        followed, self._followed = self._followed, False
        if followed:
            await self._trust.close()
