"""Accounts and how people get into them, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispatch.ids import AccountId
from sqlalchemy import delete, insert, or_, select
from sqlalchemy.engine import Row

from dispatch_pairing import tables as t
from dispatch_pairing.model import Account, Invitation, Login, Plan, WebSession
from dispatch_pairing.sql.dialect import upsert
from dispatch_pairing.sql.part import Part


def _account(row: Row[Any]) -> Account:
    return Account(
        account_id=AccountId(row.account_id),
        name=row.name,
        folded=row.folded,
        password=row.password,
        created_ms=row.created_ms,
        plan=Plan(row.plan),
    )


def _account_row(account: Account) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "name": account.name,
        "folded": account.folded,
        "password": account.password,
        "created_ms": account.created_ms,
        "plan": account.plan.value,
    }


def _login(row: Row[Any]) -> Login:
    return Login(issuer=row.issuer, subject=row.subject, account_id=AccountId(row.account_id))


def _web_session(row: Row[Any]) -> WebSession:
    return WebSession(
        token_hash=row.token_hash,
        account_id=AccountId(row.account_id),
        created_ms=row.created_ms,
        expires_ms=row.expires_ms,
    )


class SqlAccounts(Part):
    async def add(self, account: Account) -> bool:
        new = (
            upsert(self._sql, t.accounts)
            .values(**_account_row(account))
            .on_conflict_do_nothing(index_elements=["folded"])
        )
        return (await self._sql.execute(new)).rowcount == 1

    async def find(self, folded: str) -> Account | None:
        if "\0" in folded:
            return None  # nobody is called so, and PostgreSQL has no such text
        row = await self._one(select(t.accounts).where(t.accounts.c.folded == folded))
        return None if row is None else _account(row)

    async def all(self) -> Sequence[Account]:
        return [_account(row) for row in await self._all(select(t.accounts).order_by(t.accounts.c.folded))]

    async def get(self, account_id: AccountId) -> Account | None:
        row = await self._one(select(t.accounts).where(t.accounts.c.account_id == account_id))
        return None if row is None else _account(row)

    async def put(self, account: Account) -> None:
        await self._put(t.accounts, _account_row(account))

    async def erase(self, account_id: AccountId) -> None:
        mine = select(t.devices.c.device_id).where(t.devices.c.account_id == account_id)
        # A device may have been in another account before: what is left of that goes with it.
        offered = or_(t.offers.c.account_id == account_id, t.offers.c.host_id.in_(mine), t.offers.c.phone_id.in_(mine))
        paired = or_(
            t.pairings.c.account_id == account_id, t.pairings.c.host_id.in_(mine), t.pairings.c.phone_id.in_(mine)
        )
        # Whatever points at something goes before it.
        for table, where in (
            (t.tasks, t.tasks.c.account_id == account_id),
            (t.steps, t.steps.c.offer_id.in_(select(t.offers.c.offer_id).where(offered))),
            (t.offers, offered),
            (t.pairings, paired),
            (t.farewells, t.farewells.c.device_id.in_(mine)),
            (t.sign_ins, t.sign_ins.c.device_id.in_(mine)),
            (t.devices, t.devices.c.account_id == account_id),
            (t.web_sessions, t.web_sessions.c.account_id == account_id),
            (t.logins, t.logins.c.account_id == account_id),
            (t.accounts, t.accounts.c.account_id == account_id),
        ):
            await self._sql.execute(delete(table).where(where))

    async def login(self, issuer: str, subject: str) -> Login | None:
        query = select(t.logins).where(t.logins.c.issuer == issuer, t.logins.c.subject == subject)
        row = await self._one(query)
        return None if row is None else _login(row)

    async def put_login(self, login: Login) -> None:
        row = {"issuer": login.issuer, "subject": login.subject, "account_id": login.account_id}
        await self._put(t.logins, row)

    async def logins(self, account_id: AccountId) -> Sequence[Login]:
        query = select(t.logins).where(t.logins.c.account_id == account_id)
        return [_login(row) for row in await self._all(query.order_by(t.logins.c.issuer, t.logins.c.subject))]

    async def add_invitation(self, invitation: Invitation) -> None:
        row = {"code_hash": invitation.code_hash, "expires_ms": invitation.expires_ms}
        await self._sql.execute(insert(t.invitations).values(**row))

    async def take_invitation(self, code_hash: bytes, *, now_ms: int) -> bool:
        found = t.invitations.c.code_hash == code_hash, t.invitations.c.expires_ms > now_ms
        taken = await self._sql.execute(delete(t.invitations).where(*found))
        return taken.rowcount == 1

    async def forget_invitations(self, *, now_ms: int, limit: int) -> int:
        return await self._forget(t.invitations, t.invitations.c.expires_ms <= now_ms, limit=limit)

    async def add_web_session(self, session: WebSession) -> None:
        row = {
            "token_hash": session.token_hash,
            "account_id": session.account_id,
            "created_ms": session.created_ms,
            "expires_ms": session.expires_ms,
        }
        await self._sql.execute(insert(t.web_sessions).values(**row))

    async def web_session(self, token_hash: bytes) -> WebSession | None:
        row = await self._one(select(t.web_sessions).where(t.web_sessions.c.token_hash == token_hash))
        return None if row is None else _web_session(row)

    async def web_sessions(self, account_id: AccountId) -> Sequence[WebSession]:
        query = select(t.web_sessions).where(t.web_sessions.c.account_id == account_id)
        oldest_first = query.order_by(t.web_sessions.c.created_ms, t.web_sessions.c.token_hash)
        return [_web_session(row) for row in await self._all(oldest_first)]

    async def end_web_session(self, token_hash: bytes) -> None:
        await self._sql.execute(delete(t.web_sessions).where(t.web_sessions.c.token_hash == token_hash))

    async def end_web_sessions(self, account_id: AccountId) -> None:
        await self._sql.execute(delete(t.web_sessions).where(t.web_sessions.c.account_id == account_id))

    async def forget_web_sessions(self, *, now_ms: int, limit: int) -> int:
        return await self._forget(t.web_sessions, t.web_sessions.c.expires_ms <= now_ms, limit=limit)
