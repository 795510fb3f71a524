"""A phone whose home this process owns: its store, its keys, its sign-in, and a line for each pairing that is in use."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.clock import Clock
from dispatch.device import service_clock
from dispatch.device.home import Home
from dispatch.device.key_store import key_store
from dispatch.device.keys import DeviceKey, KeyStore
from dispatch.device.pairing_client import PairingClient
from dispatch.device.session import Session
from dispatch.device.sign_in import SignIn
from dispatch.device.trust import Trust
from dispatch.ids import ID_BYTES, Instance, PairId, Rng
from dispatch.sealed.keys import PairKeys
from dispatch.thread import Right
from dispatch.tls import Dialler
from dispatch.tracing import UNTOLD, Traces
from dispatch.version import APP_VERSION

from mobile_sim.direct import Way
from mobile_sim.ledger import Ledger
from mobile_sim.line import Line
from mobile_sim.store import Pairing, PairingState, Store
from mobile_sim.store import Right as StoredRight

PROVISIONAL_MS = 10 * 60_000
GOODBYE_SECONDS = 2.0


def secret_name(pair_id: PairId) -> str:
    """Give the name under which the keys of a pairing are kept."""
    return f"pair-{pair_id.hex()}"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who this phone is to the services."""

    sign_in: SignIn
    key: DeviceKey
    session: Session
    dialler: Dialler

    def client(self) -> PairingClient:
        """Open a line to the pairing service."""
        identity = self.key.identity(DeviceKind.DEVICE_KIND_PHONE)
        return PairingClient(server=self.sign_in.server, identity=identity, session=self.session, dialler=self.dialler)


class Phone:
    """One phone. Made by `opened`; lives as long as its process owns the home."""

    def __init__(
        self,
        *,
        home: Home,
        store: Store,
        secrets: KeyStore,
        clock: Clock,
        rng: Rng,
        plaintext: bool,
        way: Way,
        traces: Traces = UNTOLD,
    ) -> None:
        self.home = home
        self.store = store
        self.secrets = secrets
        self.session = Session(secrets)
        self.clock = clock
        self.rng = rng
        self.plaintext = plaintext
        self._way = way
        self._traces = traces
        self._instance = Instance(rng(ID_BYTES))
        self._chance = random.Random(rng(16))
        self._lines: dict[PairId, tuple[Line, asyncio.Task[None]]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls,
        home: Home,
        *,
        clock: Clock,
        rng: Rng,
        plaintext: bool,
        way: Way = Way.AUTO,
        traces: Traces = UNTOLD,
    ) -> AsyncIterator[Phone]:
        """Open the phone in a home that the caller owns; says goodbye on every line at the end."""
        secrets = key_store(home, rng, owned=True)
        store = Store.open(home / "phone.db")
        phone = cls(
            home=home,
            store=store,
            secrets=secrets,
            clock=clock,
            rng=rng,
            plaintext=plaintext,
            way=way,
            traces=traces,
        )
        try:
            phone._forget_provisional()
            phone._delete_keys_of_what_is_over()
            phone._settle_what_was_left()
            yield phone
        finally:
            await phone.leave()
            store.close()

    def signed_in(self) -> SignedIn:
        """Give who this phone is. Raises SignInRequired."""
        sign_in = SignIn.required(self.home)
        key = DeviceKey.load(self.secrets)
        if key is None or not self.session.token:
            raise errors.SignInRequired
        return SignedIn(sign_in, key, self.session, sign_in.dialler(plaintext=self.plaintext))

    def hosts(self) -> list[Pairing]:
        """List the pairings that are not over, oldest first."""
        return [one for one in self.store.pairings.all() if one.state is not PairingState.ENDED]

    def host(self, name: str | None) -> Pairing:
        """Find the host that is meant. Raises NotPaired, TargetNeeded, TargetUnknown."""
        hosts = self._targets()
        if not hosts:
            self.signed_in()
            if not self.store.pairings.all():
                raise errors.NotPairedYet("this phone is paired with no computer")
            raise errors.NotPaired("this phone is paired with no computer any more")
        names = [host.host_name for host in hosts]
        if name is None:
            if len(hosts) > 1:
                raise errors.TargetNeeded(f"--host is one of: {', '.join(names)}", choices={"hosts": names})
            return hosts[0]
        found = [host for host in hosts if name in (host.host_name, host.pair_id.hex())]
        if not found:
            raise errors.TargetUnknown(f"there are: {', '.join(names)}", choices={"hosts": names})
        if len(found) > 1:
            ids = [host.pair_id.hex() for host in found]
            raise errors.TargetNeeded(f"several have this name, use the id: {', '.join(ids)}", choices={"hosts": ids})
        return found[0]

    def _targets(self) -> list[Pairing]:
        """List the hosts that a task can go to: what is not confirmed, or over at the service, only if no good one stands for it.

        A host that was revoked and paired again has another key, and its old name.
        """
        hosts = self.hosts()
        good = [host for host in hosts if host.state is PairingState.ACTIVE and not host.reason]
        keys, names = {host.host_key for host in good}, {host.host_name for host in good}

        def counts(host: Pairing) -> bool:
            if host.state is not PairingState.ACTIVE:
                return host.host_key not in keys
            return not host.reason or host.host_name not in names

        return [host for host in hosts if counts(host)]

    def line(self, pairing: Pairing) -> Line:
        """Give the line to a host, opened now if it is not open yet. Raises SignInRequired, NotPaired."""
        known = self._lines.get(pairing.pair_id)
        if known is not None and not known[1].done():
            return known[0]
        me = self.signed_in()
        line = Line(
            store=self.store,
            pair_id=pairing.pair_id,
            keys=self._keys(pairing.pair_id),
            identity=me.key.identity(DeviceKind.DEVICE_KIND_PHONE),
            instance=self._instance,
            right=lambda fresh: self.right(pairing.pair_id, fresh=fresh),
            ended=lambda: self.delete_keys(pairing.pair_id),
            replaced=self.end_others,
            clock=self.clock,
            rng=self.rng,
            chance=self._chance,
            way=self._way,
            traces=self._traces,
        )
        self._lines[pairing.pair_id] = line, asyncio.create_task(line.run())
        return line

    def open_line(self, pair_id: PairId) -> Line | None:
        """Give the line to a host if one is open; opens none."""
        known = self._lines.get(pair_id)
        return known[0] if known is not None and not known[1].done() else None

    async def drop_line(self, pair_id: PairId) -> None:
        """Close the line of a pairing."""
        if (known := self._lines.pop(pair_id, None)) is not None:
            await _end(*known)

    def end_locally(self, pair_id: PairId, *, reason: str = "") -> None:
        """End a pairing on this phone: its keys are deleted, its thread can still be read."""
        with self.store.transaction():
            self.store.pairings.set_state(pair_id, PairingState.ENDED, reason=reason)
        self.delete_keys(pair_id)

    def delete_keys(self, pair_id: PairId) -> None:
        """Delete the keys of a pairing. Raises StoreFailed."""
        self.secrets.delete(secret_name(pair_id))

    async def end_all(self) -> None:
        """End every pairing on this phone: its key was revoked, and the service has ended them already."""
        for pairing in self.hosts():
            await self.drop_line(pairing.pair_id)
            self.end_locally(pairing.pair_id, reason=errors.word(errors.DeviceRevoked.reason))
            with self.store.transaction():
                self.store.pairings.set_told(pairing.pair_id)

    def forget(self, pair_id: PairId) -> None:
        """Forget a pairing that never came to be: its keys first, for the row is what leads to them."""
        self.delete_keys(pair_id)
        with self.store.transaction():
            self.store.pairings.forget(pair_id)

    def end_others(self, pair_id: PairId) -> None:
        """End the older pairings with the same host: the two were paired again."""
        new = self.store.pairings.get(pair_id)
        for other in self.hosts():
            if new is not None and other.host_key == new.host_key and other.pair_id != pair_id:
                if (known := self._lines.get(other.pair_id)) is not None:
                    known[0].leave()
                self.end_locally(other.pair_id)

    def _forget_provisional(self) -> None:
        """Forget what was confirmed here and never there: such a pairing never came to be."""
        now_ms = self.clock.wall_ms()
        for pairing in self.hosts():
            if pairing.state is PairingState.PROVISIONAL and now_ms - pairing.made_at_ms > PROVISIONAL_MS:
                with contextlib.suppress(errors.StoreFailed):  # tried again at the next start
                    self.forget(pairing.pair_id)

    def _delete_keys_of_what_is_over(self) -> None:
        """Delete the keys that an earlier process did not come to delete, or could not."""
        for pairing in self.store.pairings.all():
            if pairing.state is PairingState.ENDED:
                with contextlib.suppress(errors.StoreFailed):  # tried again at the next start
                    self.delete_keys(pairing.pair_id)

    def _settle_what_was_left(self) -> None:
        """Leave no task in the air that an earlier process was about to send: nobody sends it now."""
        for pairing in self.store.pairings.all():
            with self.store.transaction():
                Ledger(self.store, pairing.pair_id, self.clock, self._traces).process_began()

    def _keys(self, pair_id: PairId) -> PairKeys:
        content = self.secrets.get(secret_name(pair_id))
        if content is None:
            raise errors.NotPaired("the keys of this pairing are gone")
        try:
            return PairKeys.from_bytes(content)
        except ValueError as failure:
            raise errors.StoreFailed("the keys of this pairing are damaged; unpair and pair again") from failure

    def right_kept(self, pair_id: PairId) -> StoredRight | None:
        """Give the right to attach that was last fetched."""
        return self.store.pairings.right(pair_id)

    def service_ms(self) -> int:
        """Give the service's time as far as this phone knows it."""
        return self.clock.wall_ms() - (service_clock.off_ms(self.home) or 0)

    async def right(self, pair_id: PairId, *, fresh: bool) -> Right:
        """Give the right to attach: the kept one while it is young, a new one when it is not or was refused."""
        kept = self.right_kept(pair_id)
        if kept is not None and not fresh and self.clock.wall_ms() < kept.renew_at_ms:
            return Right(kept.grant, kept.relays, SignIn.required(self.home).dialler(plaintext=self.plaintext))
        me = self.signed_in()
        provisional = self._provisional(pair_id)
        try:
            async with me.client() as client:
                answer = await client.renew_grant(pair_id, APP_VERSION)
        except errors.NotPaired:
            if provisional and not self._provisional(pair_id):
                return await self.right(pair_id, fresh=fresh)  # it was asked for before the host had completed the pair
            raise
        except errors.NoNetwork:
            if kept is None or fresh:
                raise
            # Not young any more, and still good: the relay will say when it is not.
            return Right(kept.grant, kept.relays, me.dialler)
        Trust(self.home).follow(answer.keys)
        service_clock.note(self.home, server_time_ms=answer.server_time_ms, wall_ms=self.clock.wall_ms())
        right = Right(answer.grant.SerializeToString(), tuple(answer.relays), me.dialler)
        with self.store.transaction():
            self.store.pairings.set_right(
                pair_id,
                StoredRight(
                    grant=right.grant,
                    relays=right.relays,
                    renew_at_ms=self.clock.wall_ms() + _young_ms(answer.grant.grant, answer.server_time_ms),
                ),
            )
        return right

    def _provisional(self, pair_id: PairId) -> bool:
        known = self.store.pairings.get(pair_id)
        return known is not None and known.state is PairingState.PROVISIONAL

    async def leave(self) -> None:
        """Close every line, with a goodbye."""
        lines, self._lines = list(self._lines.values()), {}
        await asyncio.gather(*(_end(line, task) for line, task in lines))


def _young_ms(grant: bytes, server_time_ms: int) -> int:
    """Tell for how long a grant need not be renewed: half its life, by the clock of the service that gave it."""
    from dispatch.api.pairing.v1.pairing_pb2 import Grant  # noqa: PLC0415 -- beside its only use

    return max(0, (Grant.FromString(grant).not_after_ms - server_time_ms) // 2)


async def _end(line: Line, task: asyncio.Task[None]) -> None:
    """Say goodbye; a line that can't within its time is cut."""
    line.leave()
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        await asyncio.wait_for(task, GOODBYE_SECONDS)
