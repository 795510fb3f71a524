"""Sign-ins: which device is in which account. Called by the gRPC face, whatever way somebody has shown who they are.

A device key belongs to one account and is one thing, phone or host. It may change either while in no active pairing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.clock import Clock
from dispatch.errors import BadRequest, DeviceRevoked, DispatchError, SignInFailed, SignInRequired
from dispatch.ids import AccountId, DeviceId, Rng

from dispatch_pairing import offers, policy, sessions
from dispatch_pairing.credentials import still
from dispatch_pairing.limits import Limits
from dispatch_pairing.model import Account, Device, Role, SignIn
from dispatch_pairing.names import clean
from dispatch_pairing.policy import Policy
from dispatch_pairing.sessions import Shown
from dispatch_pairing.store import Repositories, Store


@dataclass(frozen=True, slots=True)
class Arriving:
    """What a device says of itself to sign in. Its proof has been verified, nothing else."""

    device_id: DeviceId
    key: bytes
    name: str
    role: Role
    app_version: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a sign-in gave."""

    account_id: AccountId
    account: str
    """Its name."""
    token: bytes = field(repr=False)
    expires_ms: int


def admit(known: Device | None, wanted: Device, *, paired: bool, in_use: int, rules: Policy) -> DispatchError | None:
    """Decide whether a device may be in an account as what it says it is. Pure; None means yes."""
    if known is not None and known.revoked_ms is not None:
        return DeviceRevoked()
    if known is not None and paired and known.account_id != wanted.account_id:
        return policy.one_owner(known.role)
    if known is not None and paired and known.role != wanted.role:
        return BadRequest("this device key is paired as another kind of device", metadata={"field": "device_kind"})
    newcomer = known is None or known.account_id != wanted.account_id
    return policy.has_room(rules, in_use=in_use) if newcomer else None


class SignIns:
    """Lets devices into accounts, and out again."""

    def __init__(self, *, store: Store, clock: Clock, rng: Rng, limits: Limits, rules: Policy) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._limits = limits
        self._rules = rules

    def check(self, arriving: Arriving) -> Arriving:
        """Check what a device says of itself before it costs anything: gives it tidied. Raises AppTooOld, BadRequest."""
        refusal = policy.new_enough(self._rules, arriving.role, arriving.app_version)
        if refusal is not None:
            raise refusal
        return replace(
            arriving,
            name=clean(arriving.name, field="device_name"),
            app_version=policy.known_version(arriving.app_version),
        )

    async def let_in(self, account: Account, arriving: Arriving) -> SignedIn:
        """Sign a device in to an account, for somebody who has shown that it is theirs.

        Raises AppTooOld, BadRequest, DeviceRevoked, OtherAccount, TooManyDevices; SignInFailed when the account has changed
        since then.
        """
        arriving = self.check(arriving)
        now_ms = self._clock.wall_ms()
        token = self._rng(sessions.TOKEN_BYTES)
        wanted = Device(
            device_id=arriving.device_id,
            account_id=account.account_id,
            key=arriving.key,
            role=arriving.role,
            name=arriving.name,
            created_ms=now_ms,
            app_version=arriving.app_version,
            seen_ms=now_ms - now_ms % self._limits.seen_step_ms,
        )
        sign_in = sessions.begun(wanted.device_id, token, now_ms=now_ms, limits=self._limits)
        async with self._store.write() as kept:
            if not still(await kept.accounts.get(account.account_id), account):
                raise SignInFailed
            known = await kept.devices.get(wanted.device_id)
            refusal = admit(
                known,
                wanted,
                paired=await kept.pairings.has_active(wanted.device_id),
                in_use=await kept.devices.count_in_use(account.account_id, now_ms=now_ms),
                rules=self._rules,
            )
            if refusal is not None:
                raise refusal
            if known is not None:
                wanted = replace(wanted, created_ms=known.created_ms)
                if (known.account_id, known.role) != (wanted.account_id, wanted.role):
                    await _drop_offers(kept, known.device_id, now_ms=now_ms)
            await kept.devices.put(wanted)
            await kept.devices.put_sign_in(sign_in)
        return SignedIn(account_id=account.account_id, account=account.name, token=token, expires_ms=sign_in.expires_ms)

    async def leave(self, device: Device, token: bytes) -> bool:
        """End the device's sign-in, if the token is its; gives whether it was. Otherwise nothing happens: it is over already."""
        async with self._store.write() as kept:
            sign_in = await kept.devices.sign_in(device.device_id)
            ends = sessions.shown(sign_in, token, now_ms=self._clock.wall_ms()) is not Shown.STRANGE
            if ends:
                await kept.devices.end_sign_in(device.device_id)
        return ends

    async def leave_everywhere(self, device: Device, token: bytes) -> None:
        """End all sign-ins and web sessions of the device's account. Raises SignInRequired without a live sign-in."""
        async with self._store.write() as kept:
            sign_in = await kept.devices.sign_in(device.device_id)
            if not sessions.shown(sign_in, token, now_ms=self._clock.wall_ms()).live:
                raise SignInRequired
            await kept.devices.end_sign_ins(device.account_id)
            await kept.accounts.end_web_sessions(device.account_id)

    async def rotate(self, device: Device, token: bytes) -> bytes:
        """Give a fresh token in place of a live one, if that is old enough; empty otherwise."""
        async with self._store.read() as kept:
            if self._rotated(await kept.devices.sign_in(device.device_id), token) is None:
                return b""
        async with self._store.write() as kept:
            given = self._rotated(await kept.devices.sign_in(device.device_id), token)
            if given is None:
                return b""
            after, fresh = given
            await kept.devices.put_sign_in(after)
        return fresh

    def _rotated(self, sign_in: SignIn | None, token: bytes) -> tuple[SignIn, bytes] | None:
        now_ms = self._clock.wall_ms()
        if sign_in is None or not sessions.shown(sign_in, token, now_ms=now_ms).live:
            return None
        chance = self._rng(sessions.CHANCE_BYTES)
        return sessions.rotated(sign_in, token, chance, now_ms=now_ms, limits=self._limits)


async def _drop_offers(kept: Repositories, host_id: DeviceId, *, now_ms: int) -> None:
    for offer in await kept.offers.unfinished_of_host(host_id):
        await kept.offers.put(offers.end(offer, Reason.REASON_OFFER_EXPIRED, now_ms=now_ms).offer)
