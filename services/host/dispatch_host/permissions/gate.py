"""One task's gate: what the agent may do now, and what it was given or has used. Each use is a line of the audit log first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from dispatch import errors
from dispatch.clock import Clock
from dispatch.ids import TaskId

from dispatch_host.journal import Tx, audit
from dispatch_host.journal.values import AuditLine, AuditVerdict
from dispatch_host.permissions.held import Held
from dispatch_host.permissions.permission import Grant, Kind, Permission
from dispatch_host.scope import Folder

Store = Callable[[Callable[[Tx], None]], Awaitable[None]]
"""Runs a step of the journal until it is on the disk."""


class TaskGate:
    """The gate of one task. As the agents' `Gate`."""

    def __init__(self, task_id: TaskId, *, held: Held, store: Store, clock: Clock) -> None:
        self._task_id = task_id
        self._held = held
        self._store = store
        self._clock = clock
        self._used: set[Permission] = set()
        self._needed: set[Permission] = set()  # by what a person is asked about; not used yet
        self._is_closed = False

    @property
    def folders(self) -> Sequence[Folder]:
        """Give the approved folders as they are now; from then on the task counts as given them."""
        folders = () if self._is_closed else self._held.folders
        self._used |= {Permission(Kind.FOLDER, str(folder.path), folder.writable) for folder in folders}
        return folders

    def has(self, permission: Permission) -> bool:
        return self._granted(permission) is not None

    def needs(self, permissions: Iterable[Permission]) -> None:
        """Count permissions as the task's own from now on, before they are used: what loses one of them ends."""
        self._needed |= set(permissions)

    def close(self) -> None:
        """Allow nothing any more: the task is over, whatever its agent thinks."""
        self._is_closed = True

    def named(self, kind: Kind) -> Sequence[str]:
        return () if self._is_closed else self._held.named(kind)

    async def use(self, permission: Permission, subject: str) -> Grant:
        allowed = self.has(permission)
        if allowed:
            self._used.add(permission)
        await self.note(permission.words, subject, AuditVerdict.ALLOWED if allowed else AuditVerdict.REFUSED)
        grant = self._granted(permission)
        if not allowed or grant is None:
            raise errors.NotPermitted(metadata={"permission": permission.words})
        return grant

    async def note(self, permission: str, subject: str, verdict: AuditVerdict, *, by: str = "") -> None:
        """Write a line of the audit log."""
        line = AuditLine(
            at_ms=self._clock.wall_ms(),
            task_id=self._task_id,
            permission=permission,
            subject=subject,
            verdict=verdict,
            by=by,
        )
        await self._store(lambda tx: audit.add(tx, line))

    def lost(self) -> Permission | None:
        """Give something that the task was given, has used or asks for, and that is not permitted any more."""
        return next((one for one in (*self._used, *self._needed) if self._held.granted(one) is None), None)

    def has_used(self, permission: Permission) -> bool:
        """Tell whether the task was given a permission or has used it, and not only asked a person."""
        return permission in self._used

    def _granted(self, permission: Permission) -> Grant | None:
        return None if self._is_closed else self._held.granted(permission)
