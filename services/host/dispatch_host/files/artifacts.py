"""What of this computer's files a phone may get: what an agent was told to send, out of the approved folders of that moment.

A file is served from where it is, through the scope, each time anew: an approval that was taken back holds for it, too. One
that was changed since it was told is another file, and is not given under the old id.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dispatch import errors
from dispatch.files.description import Described
from dispatch.files.names import safe_name
from dispatch.files.source import OpenFile
from dispatch.files.threads import Stopped, never
from dispatch.ids import ID_BYTES, FileId, Rng
from dispatch.sealed.file import KEY_BYTES

from dispatch_host.files.inbox import Inbox
from dispatch_host.journal.values import FileKind, StoredFile
from dispatch_host.scope import Folder, KeptOut, Refusal, Refused, Scope, lasting


class Artifacts:
    """Names files for the phone, and opens what was named. Blocking, called in threads."""

    def __init__(
        self,
        *,
        keep_out: Sequence[Path | KeptOut],
        inbox: Inbox,
        most_bytes: int,
        rng: Rng,
        pictures: Path | None = None,
    ) -> None:
        """`pictures` is where the host keeps pictures of web pages, which agents make and no task reads."""
        self._keep_out = lasting(keep_out)
        self._inbox = inbox
        self._most_bytes = most_bytes
        self._rng = rng
        self._pictures = pictures

    def name(self, path: Path, folders: Sequence[Folder], *, thread: int, at_ms: int) -> StoredFile:
        """Give a file an id, a key and its digest. Raises FolderNotApproved, FileUnknown, TooLarge."""
        with self._open(path, folders, thread) as file:
            facts = file.facts()
            if facts.st_size > self._most_bytes:
                raise errors.TooLarge(metadata={"limit_bytes": str(self._most_bytes)})
            described = Described(
                file_id=FileId(self._rng(ID_BYTES)),
                key=self._rng(KEY_BYTES),
                name=safe_name(path.name),
                size=facts.st_size,
                sha256=file.digest(facts.st_size),
            )
        return StoredFile(
            file=described,
            thread=thread,
            kind=FileKind.ARTIFACT,
            path=path,
            mtime_ns=facts.st_mtime_ns,
            at_ms=at_ms,
        )

    def open(self, stored: StoredFile, folders: Sequence[Folder], *, stopped: Stopped = never) -> OpenFile:
        """Open what was named, as it was named. Raises FolderNotApproved, FileUnknown, FileChanged, Abandoned."""
        file = self._open(stored.path, folders, stored.thread)
        try:
            facts = file.facts()
            if facts.st_size != stored.file.size:
                raise errors.FileChanged("it has another size")
            touched = facts.st_mtime_ns != stored.mtime_ns
            if touched and file.digest(facts.st_size, stopped=stopped) != stored.file.sha256:
                raise errors.FileChanged("it has other bytes")
        except BaseException:
            file.close()
            raise
        return file

    def may(self, stored: StoredFile, folders: Sequence[Folder]) -> bool:
        """Tell by its path alone whether a file may still be given: it was opened while it might be."""
        own = [self._inbox.of(stored.thread), *([self._pictures.resolve()] if self._pictures is not None else [])]
        return any(stored.path.is_relative_to(folder) for folder in (*own, *(one.path for one in folders)))

    def _open(self, path: Path, folders: Sequence[Folder], thread: int) -> OpenFile:
        inbox = self._inbox.of(thread)
        if self._pictures is not None and path.parent == self._pictures.resolve():
            inbox = self._pictures.resolve()
        with Scope(folders, keep_out=self._keep_out, inbox=inbox if inbox.is_dir() else None) as scope:
            located = scope.locate(os.fspath(path))
            if located is None:
                raise errors.FolderNotApproved("the file is in no approved folder")
            try:
                return OpenFile(scope.open_file(*located, buffering=0))
            except Refused as refused:
                kind = errors.FolderNotApproved if refused.reason is Refusal.OUTSIDE else errors.FileUnknown
                raise kind(f"it is {refused.reason}") from refused
