"""Whether somebody is who they say: an account's name and password. Called by the gRPC face and by the web page.

Nothing here tells an unknown account from a wrong password, neither by its answer nor by its time, and every attempt that fails
is counted.
"""

from __future__ import annotations

from dataclasses import replace

from dispatch.clock import Clock
from dispatch.errors import AccountExists, SignInFailed
from dispatch.ids import AccountId, DeviceId, Rng
from dispatch.names import LONGEST_DEVICE_NAME

from dispatch_pairing import accounts, invitations, policy
from dispatch_pairing.attempts import Attempts
from dispatch_pairing.model import Account
from dispatch_pairing.names import fold
from dispatch_pairing.passwords import PASSWORD_BYTES_MOST, Passwords, acceptable
from dispatch_pairing.policy import Policy, SignUp
from dispatch_pairing.store import Store

_NAME_CHARS = 2 * LONGEST_DEVICE_NAME  # longer than any account: what is cut off can only be wrong


class Credentials:
    """Checks passwords, changes them, and lets people make accounts."""

    def __init__(
        self, *, store: Store, passwords: Passwords, attempts: Attempts, clock: Clock, rng: Rng, rules: Policy
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._attempts = attempts
        self._clock = clock
        self._rng = rng
        self._rules = rules

    async def check(self, name: str, password: str, *, address: str) -> Account:
        """Give the account that has this name and password. Raises SignInFailed, RateLimited.

        What is decided on it later has to look again in its own transaction: `still`.
        """
        folded = fold(name[:_NAME_CHARS])
        with self._attempts.one(folded, address):
            async with self._store.read() as kept:
                account = await kept.accounts.find(folded)
            if not await self._fits(password, account) or account is None:
                raise SignInFailed
        return account

    async def change_password(
        self, account_id: AccountId, old: str, new: str, *, address: str, keep: DeviceId | None
    ) -> None:
        """Set another password; all sign-ins and web sessions of the account end, but that of one device.

        Raises BadRequest for a new password that won't do, SignInFailed for a wrong old one, RateLimited.
        """
        acceptable(new)
        async with self._store.read() as kept:
            named = await kept.accounts.get(account_id)
        if named is None:
            raise SignInFailed
        account = await self.check(named.name, old, address=address)
        hashed = await self._passwords.hash(new)
        async with self._store.write() as kept:
            if not still(await kept.accounts.get(account_id), account):
                raise SignInFailed
            await kept.accounts.put(replace(account, password=hashed))
            await kept.devices.end_sign_ins(account_id, but=keep)
            await kept.accounts.end_web_sessions(account_id)

    async def sign_up(self, name: str, password: str, *, invitation: str, address: str) -> Account:
        """Make an account, if the policy lets people do so. Repeated before anybody has signed in, it gives the account again.

        Raises SignUpClosed, AccountExists, BadRequest, RateLimited.
        """
        refusal = policy.may_sign_up(self._rules, invited=bool(invitation))
        if refusal is not None:
            raise refusal
        self._attempts.sign_up(address)
        wanted = await accounts.new(name, password, passwords=self._passwords, clock=self._clock, rng=self._rng)
        again = await self._made_before(wanted.folded, password, address=address)
        if again is not None:
            return again
        async with self._store.write() as kept:
            if self._rules.sign_up is SignUp.INVITATION:
                code_hash = invitations.code_hash(invitation)
                good = await kept.accounts.take_invitation(code_hash, now_ms=self._clock.wall_ms())
                refusal = policy.may_sign_up(self._rules, invited=good)
                if refusal is not None:
                    raise refusal
            if not await kept.accounts.add(wanted):
                # The invitation is not used up: all or nothing.
                raise AccountExists
        return wanted

    async def _made_before(self, folded: str, password: str, *, address: str) -> Account | None:
        """Find the account if it was made with this password and has no device yet: the answer got lost."""
        async with self._store.read() as kept:
            known = await kept.accounts.find(folded)
        if known is None:
            await self._fits(password, None)  # takes as long
            return None
        try:
            account = await self.check(folded, password, address=address)
        except SignInFailed:
            return None
        async with self._store.read() as kept:
            return None if await kept.devices.of_account(account.account_id) else account

    async def _fits(self, password: str, account: Account | None) -> bool:
        too_long = len(password.encode("utf-8", "surrogatepass")) > PASSWORD_BYTES_MOST
        stored = None if account is None or not account.password else account.password
        return await self._passwords.fits("" if too_long else password, stored)


def still(now: Account | None, checked: Account) -> bool:
    """Say whether an account is as it was when its password was checked: not erased, and with the same password."""
    return now is not None and now.password == checked.password
