"""What an operator does with accounts from the command line: beside the service, on the same store. Called by cli.py."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dispatch.clock import SystemClock
from dispatch.errors import BadRequest

from dispatch_pairing import accounts, logins
from dispatch_pairing.logins import Linked
from dispatch_pairing.model import Account, Plan
from dispatch_pairing.passwords import Cost, Passwords
from dispatch_pairing.storage import Storage


async def add(name: str, password: str, storage: Storage, *, plan: str) -> Account:
    """Make an account. Raises BadRequest, AccountExists."""
    chosen = _plan(plan)
    async with storage.opened() as store:
        passwords = Passwords(rng=os.urandom, cost=Cost(), waiting=1)
        try:
            return await accounts.add(
                name,
                password,
                plan=chosen,
                store=store,
                passwords=passwords,
                clock=SystemClock(),
                rng=os.urandom,
            )
        finally:
            passwords.close()


async def put_on(name: str, storage: Storage, *, plan: str) -> Account:
    """Put an account on a plan. Raises BadRequest, AccountUnknown."""
    chosen = _plan(plan)
    async with storage.opened() as store:
        return await accounts.put_on(name, chosen, store=store)


async def link(name: str, storage: Storage, *, issuer: str, subject: str) -> Linked:
    """Let somebody at a provider into an account. Raises AccountUnknown, BadRequest."""
    async with storage.opened() as store:
        return await logins.link(name, issuer=issuer, subject=subject, store=store)


async def list_all(storage: Storage) -> Sequence[Account]:
    """List the accounts by name."""
    async with storage.opened() as store, store.read() as kept:
        return await kept.accounts.all()


async def invite(storage: Storage, *, days: int) -> tuple[str, int]:
    """Give a code that makes one account, and when it is over."""
    async with storage.opened() as store:
        return await accounts.invite(store=store, days=days, clock=SystemClock(), rng=os.urandom)


async def erase(name: str, storage: Storage) -> int:
    """Erase an account; gives how many pairings it ended. Raises AccountUnknown.

    A service that runs beside us hears no bell from here: it tells its relays when it next looks.
    """
    async with storage.opened() as store, store.write() as kept:
        account = await accounts.named(kept, name)
        return await accounts.erase(kept, account, now_ms=SystemClock().wall_ms())


def _plan(word: str) -> Plan:
    try:
        return Plan(word)
    except ValueError:
        raise BadRequest(f"not one of {', '.join(Plan)}", metadata={"field": "plan"}) from None
