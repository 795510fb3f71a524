"""A permission as data: what it is called, what it covers, until when it was given. Pure; agents name them, the gate decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePath


class Kind(StrEnum):
    """What a permission is about. The words are those of the command line."""

    FOLDER = "folder"
    TERMINAL = "terminal"
    NETWORK = "network"
    BROWSER = "browser"
    DESKTOP = "desktop"
    CONNECTOR = "connector"


NAMED = frozenset({Kind.FOLDER, Kind.CONNECTOR})
"""Those that say which one."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Leave to do one kind of thing. `name` is a folder's absolute path, or a connector's name, or `NAME/TOOL`."""

    kind: Kind
    name: str = ""
    write: bool = False
    """Of a folder: to change what is in it, too."""
    without_sandbox: bool = False
    """Of the terminal: the owner's word that programs may run unconfined where there is no sandbox."""

    def __post_init__(self) -> None:
        """Refuse what is no permission. Raises ValueError."""
        if bool(self.name) != (self.kind in NAMED):
            raise ValueError(f"{self.kind} {'needs' if self.kind in NAMED else 'takes no'} name")
        if self.write and self.kind is not Kind.FOLDER:
            raise ValueError("only a folder can be written to")
        if self.without_sandbox and self.kind is not Kind.TERMINAL:
            raise ValueError("only the terminal can be without a sandbox")

    @property
    def words(self) -> str:
        """Write it as people read it, and as the audit log has it."""
        more = "write" if self.write else "without a sandbox" if self.without_sandbox else ""
        return " ".join(filter(None, (self.kind, self.name, more)))

    def covers(self, wanted: Permission) -> bool:
        """Tell whether whoever has this may do what `wanted` is leave for."""
        if self.kind is not wanted.kind:
            return False
        match self.kind:
            case Kind.FOLDER:
                inside = PurePath(wanted.name).is_relative_to(self.name) and ".." not in PurePath(wanted.name).parts
                return inside and (self.write or not wanted.write)
            case Kind.CONNECTOR:
                return wanted.name == self.name or wanted.name.startswith(f"{self.name}/")
            case Kind.TERMINAL:
                return self.without_sandbox or not wanted.without_sandbox
            case _:
                return True


TERMINAL = Permission(Kind.TERMINAL)
UNCONFINED = Permission(Kind.TERMINAL, without_sandbox=True)
NETWORK = Permission(Kind.NETWORK)
BROWSER = Permission(Kind.BROWSER)
DESKTOP = Permission(Kind.DESKTOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A permission that the owner has given."""

    permission: Permission
    ends_at_ms: int | None = None
    """Wall clock; None for no end."""

    def holds(self, now_ms: int) -> bool:
        """Tell whether it is not over yet."""
        return self.ends_at_ms is None or now_ms < self.ends_at_ms


def granted(grants: Iterable[Grant], wanted: Permission, *, now_ms: int) -> Grant | None:
    """Give the grant that allows something now; None when there is none.

    The network is nothing without the terminal. Of folders in each other the innermost has the word, as in the scope.
    """
    held = [grant for grant in grants if grant.holds(now_ms)]
    if wanted.kind is Kind.NETWORK and not any(grant.permission.kind is Kind.TERMINAL for grant in held):
        return None
    if wanted.kind is Kind.FOLDER:
        read = replace(wanted, write=False)
        around = [grant for grant in held if grant.permission.covers(read)]
        held = sorted(around, key=lambda grant: len(PurePath(grant.permission.name).parts))[-1:]
    return next((grant for grant in held if grant.permission.covers(wanted)), None)


def all_granted(grants: Iterable[Grant], wanted: Iterable[Permission], *, now_ms: int) -> bool:
    """Tell whether every one of these is allowed now."""
    held = list(grants)
    return all(granted(held, one, now_ms=now_ms) is not None for one in wanted)
