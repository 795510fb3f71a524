"""Who may come in whom a provider has vouched for: by a link of (issuer, subject) to an account, and by nothing else.

What a provider says of names and e-mail addresses is never a way into an account: there anybody may call themselves anything.
Called by oidc/device.py, by the account page and by the command line.
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.clock import Clock
from dispatch.errors import BadRequest, SignUpClosed
from dispatch.ids import ID_BYTES, AccountId, Rng
from dispatch.names import LONGEST_DEVICE_NAME

from dispatch_pairing.accounts import named
from dispatch_pairing.model import Account, Login, Visitor
from dispatch_pairing.names import clean, fold
from dispatch_pairing.store import Repositories, Store

_NAMELESS = "account"
_SUFFIX_CHARS = 9
_TRIES = 100
_CHARS = 255


@dataclass(frozen=True, slots=True)
class Linked:
    """What `link` did."""

    account: str
    before: str | None
    """The account that this person came into until now; None if there was none."""


class Logins:
    """Finds the account of somebody whom a provider has vouched for."""

    def __init__(self, *, store: Store, clock: Clock, rng: Rng, newcomers: bool) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._newcomers = newcomers

    async def account_of(self, visitor: Visitor) -> Account:
        """Give the account; a newcomer gets one if the operator allows it. Raises SignUpClosed."""
        async with self._store.write() as kept:
            login = await kept.accounts.login(visitor.issuer, visitor.subject)
            account = None if login is None else await kept.accounts.get(login.account_id)
            if account is not None:
                return account
            if not self._newcomers:
                policy = {"policy": "oidc_sign_up", "current": "closed", "required": "open, or an account linked"}
                raise SignUpClosed(metadata=policy)
            account = await self._make(kept, visitor)
            await kept.accounts.put_login(
                Login(issuer=visitor.issuer, subject=visitor.subject, account_id=account.account_id)
            )
            return account

    async def _make(self, kept: Repositories, visitor: Visitor) -> Account:
        """Make an account without a password, called as the provider says or much like it."""
        try:
            wanted = clean(visitor.name[: LONGEST_DEVICE_NAME - _SUFFIX_CHARS], field="name")
        except BadRequest:
            wanted = _NAMELESS
        for number in range(1, _TRIES + 1):
            ending = "" if number == 1 else f"-{self._rng(4).hex() if number == _TRIES else number}"
            account = Account(
                account_id=AccountId(self._rng(ID_BYTES)),
                name=wanted + ending,
                folded=fold(wanted + ending),
                password="",
                created_ms=self._clock.wall_ms(),
            )
            if await kept.accounts.add(account):
                return account
        raise AssertionError("four random bytes were taken")


async def link(name: str, *, issuer: str, subject: str, store: Store) -> Linked:
    """Let somebody at a provider into an account from now on, instead of any other. Raises AccountUnknown, BadRequest."""
    for field, said in (("issuer", issuer), ("subject", subject)):
        if not 0 < len(said) <= _CHARS or not said.isascii() or not said.isprintable():
            raise BadRequest(f"the {field} is empty, too long or not ASCII", metadata={"field": field})
    async with store.write() as kept:
        account = await named(kept, name)
        login = await kept.accounts.login(issuer, subject)
        before = None if login is None else await kept.accounts.get(login.account_id)
        await kept.accounts.put_login(Login(issuer=issuer, subject=subject, account_id=account.account_id))
    return Linked(account=account.name, before=None if before is None else before.name)
