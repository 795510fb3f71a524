"""`dispatch-phone doctor`: the links between this phone and its computers, as tables. Called by `desk`; docs/doctor.md has them.

A link more is a line more in a table and a method that looks. What is broken is said by the first link that is; those behind it
are not looked at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from dispatch import errors
from dispatch.api.pairing.v1.pairing_pb2 import Grant, SignedGrant
from dispatch.device import service_clock
from dispatch.device.sign_in import SignIn
from dispatch.doctor import links
from dispatch.doctor.chain import Chart, Finding, Found, Link, broken, not_reached, ok, refused, walk, warning
from google.protobuf.message import DecodeError

from mobile_sim.direct import Way
from mobile_sim.patience import Patience
from mobile_sim.phone import Phone
from mobile_sim.store import Pairing, PairingState, Right

_LOST_ADVICE = "Restore the home from a backup, or delete phone.db and pair again: the computer still has the thread."
_SILENT_ADVICE = (
    "Restart Dispatch on the computer (dispatch-host stop, dispatch-host run), or ask dispatch-host doctor there."
)


@dataclass(slots=True)
class Patient:
    """This phone."""

    phone: Phone
    sign_in: SignIn | None = None

    async def account(self) -> Finding:
        """See whether this phone is signed in, as far as it knows itself."""
        try:
            me = self.phone.signed_in()
        except errors.SignInRequired as error:
            return refused(error)
        self.sign_in = me.sign_in
        return ok(f"signed in as {me.sign_in.account} at {me.sign_in.server}")

    async def disk(self) -> Finding:
        return await links.disk(self.phone.home.path)

    async def store(self) -> Finding:
        return await links.database(self.phone.home / "phone.db", advice=_LOST_ADVICE)

    async def keys(self) -> Finding:
        return links.keys(self.phone.secrets.kind)

    async def name(self) -> Finding:
        return await links.name(self._server, of=links.SERVICE)

    async def port(self) -> Finding:
        return await links.port(self._server, of=links.SERVICE)

    async def tls(self) -> Finding:
        return await links.tls(self.phone.signed_in().dialler, self._server, now_ms=self.phone.clock.wall_ms())

    async def signed_in(self) -> Finding:
        """Ask the service whether it takes this phone's sign-in."""
        try:
            async with self.phone.signed_in().client() as client:
                await client.list_devices()
        except errors.DispatchError as error:
            return refused(error)
        return ok("the service takes it")

    async def paired(self) -> Finding:
        hosts = self.phone.hosts()
        if not hosts:
            return refused(errors.NotPairedYet())
        return ok(", ".join(host.host_name for host in hosts))

    @property
    def _server(self) -> str:
        return SignIn.required(self.phone.home).server


@dataclass(slots=True)
class ToHost:
    """What lies between this phone and one computer."""

    phone: Phone
    host: Pairing
    chart: Chart
    patience: Patience
    relay_at: str = field(default="")

    async def grant(self) -> Finding:
        """Renew the right to attach; one that is kept does while the service is away."""
        kept = self.phone.right_kept(self.host.pair_id)
        blocked = self.chart.in_the_way(("name", "port", "tls", "sign_in"))
        if blocked is not None:
            left_ms = _left_ms(kept, self.phone.service_ms()) if kept is not None else 0
            if kept is None or left_ms <= 0 or blocked == "sign_in":
                return not_reached(blocked)
            self.relay_at = next(iter(kept.relays), "")
            return warning(
                f"can't be renewed, because {blocked} is broken; the one that is kept is good for {left_ms // 60_000} minutes",
                "Mend that first.",
            )
        try:
            right = await self.phone.right(self.host.pair_id, fresh=True)
        except errors.DispatchError as error:
            return refused(error)
        if not right.relays:
            return refused(errors.NoRelay())
        self.relay_at = right.relays[0]
        return ok("renewed just now")

    async def clock(self) -> Finding:
        return links.clock(service_clock.off_ms(self.phone.home))

    async def relay_name(self) -> Finding:
        return await links.name(self.relay_at, of=links.RELAY)

    async def relay_port(self) -> Finding:
        return await links.port(self.relay_at, of=links.RELAY)

    async def relay_tls(self) -> Finding:
        return await links.tls(self.phone.signed_in().dialler, self.relay_at, now_ms=self.phone.clock.wall_ms())

    async def relay(self) -> Finding:
        """Open the thread stream."""
        try:
            line = self.phone.line(self.host)
        except errors.DispatchError as error:
            return refused(error)
        await line.bell.until(
            lambda: line.final or (line.relay_open and line.sight.presence is not None), self.patience.open_seconds
        )
        if line.relay_open:
            return ok(f"the thread is open at {line.relay_address or self.relay_at}")
        return refused(line.error or errors.NoNetwork("the relay did not open the stream"))

    async def presence(self) -> Finding:
        """Hear from the relay how the computer is."""
        line = self.phone.line(self.host)
        await line.presence_now(self.patience.probe_seconds)
        # The relay's word is as old as the lease: one that froze is found out within it, one that lives shakes hands.
        await line.bell.until(
            lambda: not line.relay_open or line.sight.gone or (line.sight.reachable and line.in_session),
            line.ledger.word_within_ms / 1000 + self.patience.found_out_seconds,
        )
        if not line.relay_open:
            return refused(line.error or errors.NoNetwork("the relay's stream broke"))
        if not line.sight.reachable:
            return refused(errors.of(line.sight.cause))
        heard = f", heard {line.heard_ms_ago / 1000:.0f} s ago" if line.heard_ms_ago is not None else ""
        if line.sight.unsteady:
            return warning(
                f"reachable{heard}, but it was lost three times or more within a minute",
                "See to the computer's network: it comes and goes.",
            )
        return ok(f"reachable{heard}")

    async def session(self) -> Finding:
        """Have the computer answer from inside the seal: no server can."""
        line = self.phone.line(self.host)
        await line.bell.until(lambda: line.final or line.in_session, self.patience.session_seconds)
        if not line.in_session:
            return broken("the computer did not shake hands", _SILENT_ADVICE, reason=errors.HandshakeFailed.reason)
        answer = await line.probe(self.patience.probe_seconds)
        if answer is None:
            return broken("the computer did not answer a probe", _SILENT_ADVICE, reason=errors.PeerAbsent.reason)
        doing = "works on a task" if answer.busy else "is idle"
        return ok(f"answered in {answer.round_trip_ms} ms; it {doing}, {answer.waiting_tasks} wait")

    async def direct(self) -> Finding:
        """See whether the computer is there without the relay; that it is not is no fault while the relay may be used."""
        line = self.phone.line(self.host)
        if line.way is Way.RELAY:
            return ok("not tried, as told")
        await line.bell.until(
            lambda: line.final or line.direct_open or line.direct_failed, self.patience.status_seconds
        )
        if line.direct_open:
            return ok("the computer is on this network, and is spoken to without the relay")
        why = "no address of the computer answers here" if line.addresses else "the computer has told no address"
        if line.way is Way.DIRECT:
            return broken(why, "Go to the computer's network, or allow the relay: --path auto.")
        return ok(f"{why}: what is sent goes by the relay")


OF_THE_PHONE: Sequence[Link[Patient]] = (
    Link(name="disk", look=Patient.disk),
    Link(name="store", look=Patient.store),
    Link(name="keys", look=Patient.keys),
    Link(name="account", look=Patient.account),
    Link(name="name", needs=("account",), look=Patient.name),
    Link(name="port", needs=("name",), look=Patient.port),
    Link(name="tls", needs=("port",), look=Patient.tls),
    Link(name="sign_in", needs=("tls",), look=Patient.signed_in),
    Link(name="paired", needs=("account",), look=Patient.paired),
)

TO_A_HOST: Sequence[Link[ToHost]] = (
    Link(name="grant", needs=("paired",), look=ToHost.grant),
    Link(name="clock", needs=("grant",), look=ToHost.clock),
    Link(name="relay_name", needs=("grant",), look=ToHost.relay_name),
    Link(name="relay_port", needs=("relay_name",), look=ToHost.relay_port),
    Link(name="relay_tls", needs=("relay_port",), look=ToHost.relay_tls),
    Link(name="relay", needs=("relay_tls",), look=ToHost.relay),
    Link(name="presence", needs=("relay",), look=ToHost.presence),
    Link(name="session", needs=("presence",), look=ToHost.session),
    Link(name="direct", needs=("grant",), look=ToHost.direct),
)


async def examine(phone: Phone, *, host: str | None, patience: Patience) -> AsyncIterator[Found]:
    """Walk all links, those to a computer once for each, or for the named one only. Raises TargetUnknown and its kin."""
    chart = Chart()
    async for found in walk(OF_THE_PHONE, Patient(phone), chart):
        yield found
    meant = [phone.host(host)] if host is not None else phone.hosts()
    for one in meant:
        about = one.host_name
        own = chart.copy()
        async for found in walk(TO_A_HOST, ToHost(phone, one, own, patience), own, about=about):
            yield found
    if not meant:
        async for found in walk(TO_A_HOST, ToHost(phone, _NOBODY, chart, patience), chart):
            yield found


_NOBODY = Pairing(pair_id=b"", host_name="", host_key=b"", own_key=b"", state=PairingState.ENDED, made_at_ms=0)  # type: ignore[arg-type] # never looked at


def _left_ms(right: Right, service_ms: int) -> int:
    """Give for how long a right that is kept is still good, by the service's clock as it was last told."""
    try:
        return Grant.FromString(SignedGrant.FromString(right.grant).grant).not_after_ms - service_ms
    except DecodeError:
        return 0
