"""The way from this host to one phone, as the doctor walks it. Called by doctor.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dispatch import errors
from dispatch.device import service_clock
from dispatch.device.sign_in import SignIn
from dispatch.doctor import links
from dispatch.doctor.chain import Finding, Link, broken, ok, refused

from dispatch_host.fleet import Fleet
from dispatch_host.journal.values import Pairing
from dispatch_host.owned import Owned
from dispatch_host.rights import Rights


@dataclass(slots=True)
class Way:
    """The way from this host to one phone."""

    owned: Owned
    fleet: Fleet | None
    pairing: Pairing
    relay_at: str = field(default="")

    async def grant(self) -> Finding:
        """Renew the right to attach, beside the one that the running link holds."""
        rights = Rights(
            self.owned.home,
            self.pairing,
            identity=self.owned.identity(),
            clock=self.owned.clock,
            plaintext=self.owned.plaintext,
        )
        try:
            right = await rights.right(fresh=True)
        except errors.DispatchError as error:
            return refused(error)
        if not right.relays:
            return refused(errors.NoRelay())
        self.relay_at = right.relays[0]
        return ok("renewed just now")

    async def clock(self) -> Finding:
        return links.clock(service_clock.off_ms(self.owned.home))

    async def relay_name(self) -> Finding:
        return await links.name(self.relay_at, of=links.RELAY)

    async def relay_port(self) -> Finding:
        return await links.port(self.relay_at, of=links.RELAY)

    async def relay_tls(self) -> Finding:
        dialler = SignIn.required(self.owned.home).dialler(plaintext=self.owned.plaintext)
        return await links.tls(dialler, self.relay_at, now_ms=self.owned.clock.wall_ms())

    async def relay(self) -> Finding:
        """See whether the running host has its stream."""
        link = self.fleet.link_of(self.pairing.pair_id) if self.fleet is not None else None
        if link is None:
            return broken("the keys of this pairing are gone", "Pair the two again.", reason=errors.NotPaired.reason)
        if link.is_open:
            return ok(f"connected to {link.client.relay}")
        if link.reason:
            return refused(errors.of(link.reason))
        return broken("it is just connecting", "Ask again in a few seconds.", reason=errors.NoNetwork.reason)

    async def phone(self) -> Finding:
        """See whether the phone is there. One that is not hears everything later, so that is no fault."""
        link = self.fleet.link_of(self.pairing.pair_id) if self.fleet is not None else None
        there = link is not None and link.phone_attached
        return ok("attached" if there else "not attached just now; what it misses it is told later")


TO_A_PHONE: Sequence[Link[Way]] = (
    Link(name="grant", needs=("paired", "sign_in"), look=Way.grant),
    Link(name="clock", needs=("grant",), look=Way.clock),
    Link(name="relay_name", needs=("grant",), look=Way.relay_name),
    Link(name="relay_port", needs=("relay_name",), look=Way.relay_port),
    Link(name="relay_tls", needs=("relay_port",), look=Way.relay_tls),
    Link(name="relay", needs=("relay_tls", "running"), look=Way.relay),
    Link(name="phone", needs=("relay",), look=Way.phone),
)
