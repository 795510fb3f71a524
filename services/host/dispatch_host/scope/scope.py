"""The approved folders of one task, held open, and the files in them. Called by every tool; knows no tool.

Whatever a file name, a link or a race tries, it is met here: a file is opened beneath its folder's descriptor (root.py), is a
regular file or refused, and one that has another name outside the approved folders (a hard link) is refused too.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from dispatch_host.scope.beneath import Beneath, best_beneath
from dispatch_host.scope.climbing import is_within, upwards
from dispatch_host.scope.folder import Folder
from dispatch_host.scope.kept import Identity, KeptOut
from dispatch_host.scope.refusal import Refusal, Refused, leads_out, refusal_of, special
from dispatch_host.scope.root import DIRECTORY, FILE, Root, Tally

_INBOX = "Attachments"
"""What a person reads for the folder of a thread's attachments."""


class Scope:
    """The approved folders of one task, held open. Use it as a context manager."""

    def __init__(
        self,
        folders: Sequence[Folder],
        *,
        keep_out: Sequence[Path | KeptOut] = (),
        inbox: Path | None = None,
        beneath: Beneath | None = None,
    ) -> None:
        """Open every folder that is there. `keep_out` is what no task may read: the host's own keys. Where it is only a path,
        what is there now is meant.

        `inbox` is where the attachments of the task's thread are: the one place in what is kept out that it may read.
        """
        self.folders = tuple(folders)
        self.roots: list[Root] = []
        self.missing: list[tuple[Folder, Refusal]] = []
        self._beneath = beneath or best_beneath()
        self._names: Counter[tuple[int, int]] | None = None
        kept = [KeptOut.at(one) if isinstance(one, Path) else one for one in keep_out]
        top = os.open("/", DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                self._hold(top, folder, kept)
            self.inbox = None if inbox is None else self._hold_inbox(top, inbox)
        finally:
            os.close(top)
        self._label()

    def __enter__(self) -> Scope:
        return self

    def __exit__(self, *_: object) -> None:
        for root in self._all:
            root.close()
        self.roots, self.inbox = [], None

    @property
    def _all(self) -> list[Root]:
        return self.roots if self.inbox is None else [*self.roots, self.inbox]

    @property
    def outermost(self) -> list[Root]:
        """The folders that lie in no other, so that a walk over all meets every file once."""
        paths = {root.folder.path for root in self.roots}
        return [root for root in self.roots if not paths.intersection(root.folder.path.parents)]

    def open_file(self, root: Root, path: str, *, buffering: int = -1) -> BinaryIO:
        """Open a regular file for reading; raise Refused. Never blocks, never follows, never leaves the folder."""
        try:
            fd = root.open(path, FILE)
        except OSError as error:
            raise Refused(refusal_of(error), root.absolute(path)) from error
        refusal = self._judge(os.fstat(fd))
        if refusal is not None:
            os.close(fd)
            raise Refused(refusal, root.absolute(path))
        return open(fd, "rb", buffering=buffering)

    def locate(self, absolute: str) -> tuple[Root, str] | None:
        """Find the approved folder an absolute path lies in (the innermost), and the path relative to it."""
        path = Path(os.path.normpath(absolute))
        holding = [root for root in self._all if path == root.folder.path or root.folder.path in path.parents]
        if not holding:
            return None
        root = max(holding, key=lambda candidate: len(candidate.folder.path.parts))
        relative = os.fspath(path.relative_to(root.folder.path))
        return root, "" if relative == "." else relative

    def met(self, folder: int, root: Root) -> tuple[Root, list[Identity]]:
        """Give the innermost approved folder that an open folder of `root` lies in, and all that was passed on the way up there.

        By what they are: a disk that does not tell upper from lower case, or one form of a letter from another, has more names
        for a folder than the one that was approved.
        """
        approved: dict[Identity, Root] = {}
        for one in self._all:
            approved.setdefault(one.identity, one)
        innermost, passed = None, []
        for identity in upwards(folder):
            passed.append(identity)
            innermost = innermost or approved.get(identity)
            if identity == root.identity:
                break
        return (root if innermost is None or innermost.identity == root.identity else innermost), passed

    def is_approved(self, facts: os.stat_result) -> bool:
        """Tell whether this is an approved folder itself, by whatever name."""
        return any(one.identity == (facts.st_dev, facts.st_ino) for one in self._all)

    def _judge(self, facts: os.stat_result) -> Refusal | None:
        """Judge what was opened, by its descriptor: whatever a race swapped in is seen here."""
        if not stat.S_ISREG(facts.st_mode):
            return special(facts) or Refusal.NOT_A_FILE
        if facts.st_nlink > 1 and self._names_inside(facts) < facts.st_nlink:
            return Refusal.HARD_LINK
        return None

    def _names_inside(self, facts: os.stat_result) -> int:
        """Count the names of one inode in the approved folders. Walked once, when the first hard link is met."""
        if self._names is None:
            self._names = Counter(
                (entry.device, entry.inode)
                for root in self.outermost
                for entry in root.walk("", Tally())
                if entry.links > 1 and not entry.is_dir
            )
        return self._names[(facts.st_dev, facts.st_ino)]

    def _hold(self, top: int, folder: Folder, keep_out: Sequence[KeptOut]) -> None:
        paths = [one.path for one in keep_out]
        kept = frozenset(one.identity for one in keep_out if one.identity is not None)
        try:
            if any(path == folder.path or path in folder.path.parents for path in paths):
                raise leads_out(str(folder.path))
            fd = self._beneath.open(top, str(folder.path).lstrip("/"), DIRECTORY)
        except OSError as error:
            self.missing.append((folder, refusal_of(error)))
            return
        if is_within(fd, kept):
            os.close(fd)
            self.missing.append((folder, Refusal.OUTSIDE))
            return
        blocked = [os.fspath(path.relative_to(folder.path)) for path in paths if folder.path in path.parents]
        self.roots.append(Root(folder, fd, self._beneath, blocked, kept))

    def _hold_inbox(self, top: int, inbox: Path) -> Root | None:
        try:
            fd = self._beneath.open(top, str(inbox).lstrip("/"), DIRECTORY)
        except OSError:
            return None
        root = Root(Folder(inbox), fd, self._beneath, ())
        root.label = _INBOX
        return root

    def _label(self) -> None:
        """Tell folders of the same name apart by their whole path."""
        names = Counter(root.label for root in self.roots)
        for root in self.roots:
            if names[root.label] > 1:
                root.label = str(root.folder.path)
