"""What becomes of accounts: made, put on a plan, invited to, erased. Called by the command line, credentials.py and the web page.

Functions over the store; whoever may call them has been asked elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

from dispatch.clock import Clock
from dispatch.errors import AccountExists, AccountUnknown
from dispatch.ids import ID_BYTES, AccountId, Rng

from dispatch_pairing import invitations, policy
from dispatch_pairing.model import Account, Invitation, Plan
from dispatch_pairing.names import clean, fold
from dispatch_pairing.passwords import Passwords, acceptable
from dispatch_pairing.policy import Policy
from dispatch_pairing.revocation import end_pairing, revoke_device
from dispatch_pairing.store import Repositories, Store


async def new(
    name: str, password: str, *, plan: Plan = Plan.PRO, passwords: Passwords, clock: Clock, rng: Rng
) -> Account:
    """Give an account that is not kept yet. Raises BadRequest for a name or password that won't do."""
    name = clean(name, field="name")
    return Account(
        account_id=AccountId(rng(ID_BYTES)),
        name=name,
        folded=fold(name),
        password=await passwords.hash(acceptable(password)),
        created_ms=clock.wall_ms(),
        plan=plan,
    )


async def add(
    name: str, password: str, *, plan: Plan = Plan.PRO, store: Store, passwords: Passwords, clock: Clock, rng: Rng
) -> Account:
    """Make an account. Raises BadRequest for a name or password that won't do, AccountExists."""
    account = await new(name, password, plan=plan, passwords=passwords, clock=clock, rng=rng)
    async with store.write() as kept:
        if not await kept.accounts.add(account):
            raise AccountExists
    return account


async def put_on(name: str, plan: Plan, *, store: Store) -> Account:
    """Put an account on a plan: in force at its next call. Raises AccountUnknown."""
    async with store.write() as kept:
        account = replace(await named(kept, name), plan=plan)
        await kept.accounts.put(account)
    return account


async def invite(*, store: Store, days: int, clock: Clock, rng: Rng) -> tuple[str, int]:
    """Give a code that makes one account, and when it is over. Nobody can read it again."""
    code, expires_ms = invitations.make(rng), clock.wall_ms() + days * 24 * 3_600_000
    async with store.write() as kept:
        await kept.accounts.add_invitation(Invitation(code_hash=invitations.code_hash(code), expires_ms=expires_ms))
    return code, expires_ms


async def named(kept: Repositories, name: str) -> Account:
    """Find an account by its name. Raises AccountUnknown."""
    account = await kept.accounts.find(fold(name))
    if account is None:
        raise AccountUnknown
    return account


async def erase(kept: Repositories, account: Account, *, now_ms: int) -> int:
    """Erase an account: its pairings end, its devices are revoked, then every row that names it goes. Gives the pairings ended.

    What relays are told of it names no account and stays, so that they turn its devices away for good and drop its threads.
    Whoever calls this rings the bell for the trust feed when it is committed.
    """
    ended = 0
    for pairing in await kept.pairings.active_of_account(account.account_id):
        await end_pairing(kept, pairing, by=None)
        ended += 1
    for device in await kept.devices.of_account(account.account_id):
        await revoke_device(kept, device, now_ms=now_ms)
    await kept.accounts.erase(account.account_id)
    return ended


async def check_plan(kept: Repositories, account_id: AccountId, *, rules: Policy) -> None:
    """Raise PlanNotAllowed unless the account's plan may pair."""
    account = await kept.accounts.get(account_id)
    refusal = None if account is None else policy.may_pair(rules, account.plan)
    if refusal is not None:
        raise refusal
