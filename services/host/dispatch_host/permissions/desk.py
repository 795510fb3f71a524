"""What the owner can do with permissions and the audit log at the front desk, whether `run` is up or not. Part of `operations`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from pathlib import Path

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.thread.v1 import thread_pb2 as thread

from dispatch_host.journal import Tx, audit
from dispatch_host.journal.values import AuditLine, AuditVerdict
from dispatch_host.owned import Owned
from dispatch_host.permissions import wire
from dispatch_host.permissions.held import Held
from dispatch_host.permissions.permission import Grant, Kind, Permission
from dispatch_host.scope import Folder, FolderRefused

NAME_CHARACTERS = 200
LONGEST_MS = 10 * 366 * 24 * 3600 * 1000
ALL_BYTES = 1024 * 1024
_PAGE = 256

_VERDICTS = {
    AuditVerdict.ALLOWED: pb.AUDIT_VERDICT_ALLOWED,
    AuditVerdict.REFUSED: pb.AUDIT_VERDICT_REFUSED,
    AuditVerdict.APPROVED: pb.AUDIT_VERDICT_APPROVED,
    AuditVerdict.BY_RULE: pb.AUDIT_VERDICT_BY_RULE,
    AuditVerdict.DENIED: pb.AUDIT_VERDICT_DENIED,
    AuditVerdict.UNANSWERED: pb.AUDIT_VERDICT_UNANSWERED,
}


class PermissionDesk:
    """Permissions at the front desk. `held` is the running host's, or one of our own."""

    def __init__(self, owned: Owned, held: Held | None) -> None:
        self._owned = owned
        self._held = held

    async def listed(self) -> thread.Permissions:
        """List all that is permitted."""
        return wire.told(await self.held(), limit_bytes=ALL_BYTES)

    async def folders(self) -> pb.ListFoldersResponse:
        """List the approved folders."""
        return pb.ListFoldersResponse(folders=[_folder(folder) for folder in (await self.held()).folders])

    async def allow(self, said: thread.Permission, *, for_ms: int) -> thread.Permission:
        """Give a permission, in force at once. Raises BadRequest."""
        grant = wire.read(said)
        if grant.permission.kind is Kind.FOLDER:
            folder = self._approved(said.name, writable=said.write)
            grant = replace(grant, permission=_permission(folder))
        elif len(said.name) > NAME_CHARACTERS or not said.name.isprintable():
            raise errors.BadRequest("a connector's name is short and printable", metadata={"field": "name"})
        if for_ms > LONGEST_MS:
            raise errors.BadRequest("for ten years at most", metadata={"field": "for"})
        if for_ms:
            grant = replace(grant, ends_at_ms=self._owned.clock.wall_ms() + for_ms)
        kept = wire.written(grant)
        await (await self.held()).allow(grant)
        return kept

    async def add_folder(self, folder: pb.Folder) -> pb.Folder:
        """Approve a folder. Raises BadRequest for what is no folder, can't be listed, or is never for agents."""
        approved = self._approved(folder.path, writable=folder.writable)
        kept = _folder(approved)
        await (await self.held()).allow(Grant(permission=_permission(approved)))
        return kept

    async def revoke(self, said: thread.Permission) -> bool:
        """Take a permission back, in force at once; a folder itself need not exist any more. Tells whether there was one."""
        permission = wire.read(said).permission
        names = {permission.name}
        if permission.kind is Kind.FOLDER:
            named = _path(permission.name)
            # What was approved is kept without links; a person names it as they see it.
            names = {str(named), str(await asyncio.to_thread(_without_links, named))}
        held = await self.held()
        return any([await held.revoke(permission.kind, name) for name in names])

    async def remove_folder(self, path: str) -> bool:
        """Take an approval back."""
        return await self.revoke(thread.Permission(kind=thread.PERMISSION_KIND_FOLDER, name=path))

    async def revoke_rule(self, rule: str) -> bool:
        """Take back what was allowed always."""
        return await (await self.held()).revoke_rule(rule)

    async def read_audit(self, *, limit: int, task_id: bytes) -> AsyncGenerator[pb.ReadAuditResponse, None]:
        """Give the newest lines, oldest first."""
        lines: list[AuditLine] = []
        before: int | None = None
        while limit == 0 or len(lines) < limit:
            most = min(_PAGE, limit - len(lines)) if limit else _PAGE
            work = partial(_page_before, before, most, task_id)
            page = await self._owned.journal.step(work)
            if not page:
                break
            lines += [line for _, line in page]
            before = page[-1][0]
        for line in reversed(lines):
            yield pb.ReadAuditResponse(
                at_ms=line.at_ms,
                task_id=line.task_id,
                permission=line.permission,
                subject=line.subject,
                verdict=_VERDICTS[line.verdict],
                by=line.by,
                times=line.times,
                last_ms=line.last_ms,
            )

    async def held(self) -> Held:
        """Give what is permitted now: the running host's, or what the journal says."""
        if self._held is None:
            self._held = await Held(self._owned.journal, self._owned.clock).load()
        return self._held

    def _approved(self, path: str, *, writable: bool) -> Folder:
        try:
            approved = Folder.approve(_path(path), writable=writable)
        except FolderRefused as refused:
            raise errors.BadRequest(str(refused), metadata={"field": "path"}) from refused
        self._check_reach(approved.path)
        return approved

    def _check_reach(self, path: Path) -> None:
        """Refuse what nobody means: the whole computer, and this host's own home, which agents are kept out of anyway."""
        home = _without_links(self._owned.home.path)
        if path == path.parent:
            raise errors.BadRequest("that is the whole computer; approve the folders in it", metadata={"field": "path"})
        if path == home or home in path.parents:
            raise errors.BadRequest(
                "that is this host's own home (its keys and journal), which agents are always kept out of",
                metadata={"field": "path"},
            )


def _page_before(before: int | None, limit: int, task_id: bytes, tx: Tx) -> list[tuple[int, AuditLine]]:
    return list(audit.before(tx, before, limit=limit, task_id=task_id))


def _permission(folder: Folder) -> Permission:
    return Permission(Kind.FOLDER, os.fspath(folder.path), folder.writable)


def _folder(folder: Folder) -> pb.Folder:
    """Write a folder for others. Raises BadRequest for a path that no message can hold."""
    try:
        return pb.Folder(path=os.fspath(folder.path), writable=folder.writable)
    except UnicodeEncodeError:
        raise errors.BadRequest(
            "the path is not UTF-8; approve the folder above it", metadata={"field": "path"}
        ) from None


def _without_links(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _path(said: str) -> Path:
    if not os.path.isabs(said):
        raise errors.BadRequest("the path must be absolute", metadata={"field": "path"})
    return Path(said)
