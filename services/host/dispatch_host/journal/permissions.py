"""Permissions and what was allowed always. Functions over a step's transaction; what a permission covers is `permissions`'."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from dispatch_host.journal.values import AlwaysRule
from dispatch_host.journal.writer import Tx
from dispatch_host.permissions.permission import Grant, Kind, Permission, all_granted
from dispatch_host.scope import Folder


def grants(tx: Tx, now_ms: int) -> list[Grant]:
    """List what is permitted now, by kind and name."""
    rows = tx.execute("SELECT * FROM permission ORDER BY kind, name")
    return [grant for grant in map(_grant, rows) if grant.holds(now_ms)]


def folders(tx: Tx, now_ms: int) -> list[Folder]:
    """List the approved folders by path."""
    return folders_of(grants(tx, now_ms))


def folders_of(found: Sequence[Grant]) -> list[Folder]:
    """Give the folders among permissions."""
    held = [grant.permission for grant in found if grant.permission.kind is Kind.FOLDER]
    return [Folder(path=Path(permission.name), writable=permission.write) for permission in held]


def allow(tx: Tx, grant: Grant, now_ms: int) -> None:
    """Give a permission, or change one. Rules that stood on more than it allows now are dropped."""
    permission = grant.permission
    tx.execute(
        "INSERT OR REPLACE INTO permission (kind, name, writable, without_sandbox, ends_at_ms) VALUES (?, ?, ?, ?, ?)",
        (
            permission.kind,
            os.fsencode(permission.name),
            permission.write,
            permission.without_sandbox,
            grant.ends_at_ms,
        ),
    )
    _drop_baseless(tx, now_ms)


def revoke(tx: Tx, kind: Kind, name: str, now_ms: int) -> bool:
    """Take a permission back, and every rule that stands on it; tells whether it was in force."""
    found = tx.execute(
        "DELETE FROM permission WHERE kind = ? AND name = ? RETURNING *", (kind, os.fsencode(name))
    ).fetchall()
    _drop_baseless(tx, now_ms)
    return any(_grant(row).holds(now_ms) for row in found)


def drop_over(tx: Tx, now_ms: int) -> None:
    """Forget permissions whose time is over, and the rules that stood on them."""
    tx.execute("DELETE FROM permission WHERE ends_at_ms <= ?", (now_ms,))
    _drop_baseless(tx, now_ms)


def rules(tx: Tx, now_ms: int) -> list[AlwaysRule]:
    """List what was allowed always, and still stands on what is permitted."""
    held = grants(tx, now_ms)
    found = [_rule(row) for row in tx.execute("SELECT * FROM always_rule ORDER BY rule, digest")]
    return [rule for rule in found if all_granted(held, rule.stands_on, now_ms=now_ms)]


def add_rule(tx: Tx, rule: AlwaysRule, now_ms: int) -> None:
    """Remember what was allowed from now on, unless what it stands on was taken back while it was asked for."""
    if all_granted(grants(tx, now_ms), rule.stands_on, now_ms=now_ms):
        tx.execute(
            "INSERT OR REPLACE INTO always_rule (digest, rule, stands_on, who, at_ms) VALUES (?, ?, ?, ?, ?)",
            (rule.digest, rule.rule, written(rule.stands_on), rule.by, rule.at_ms),
        )


def revoke_rule(tx: Tx, rule: str) -> bool:
    """Take back what was allowed always under these words; tells whether there was such a rule."""
    return tx.execute("DELETE FROM always_rule WHERE rule = ?", (rule,)).rowcount > 0


def written(stands_on: Iterable[Permission]) -> str:
    """Write permissions as one column."""
    return json.dumps(sorted([one.kind, one.name, one.write, one.without_sandbox] for one in stands_on))


def read(column: str) -> frozenset[Permission]:
    """Read them from it."""
    return frozenset(
        Permission(Kind(kind), name, write, without_sandbox)
        for kind, name, write, without_sandbox in json.loads(column)
    )


def _drop_baseless(tx: Tx, now_ms: int) -> None:
    held = grants(tx, now_ms)
    for row in tx.execute("SELECT digest, stands_on FROM always_rule").fetchall():
        if not all_granted(held, read(row["stands_on"]), now_ms=now_ms):
            tx.execute("DELETE FROM always_rule WHERE digest = ?", (row["digest"],))


def _rule(row: sqlite3.Row) -> AlwaysRule:
    return AlwaysRule(
        rule=row["rule"], digest=row["digest"], stands_on=read(row["stands_on"]), by=row["who"], at_ms=row["at_ms"]
    )


def _grant(row: sqlite3.Row) -> Grant:
    permission = Permission(
        Kind(row["kind"]), os.fsdecode(row["name"]), bool(row["writable"]), bool(row["without_sandbox"])
    )
    return Grant(permission=permission, ends_at_ms=row["ends_at_ms"])
