"""What a person does with files: attach them to a task, list those of a thread, fetch one. Called by `desk`."""

from __future__ import annotations

import asyncio
import os
import random
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dispatch import errors
from dispatch.cli import Exit
from dispatch.device.telling import task_word
from dispatch.files.description import Described
from dispatch.files.names import safe_name
from dispatch.files.source import OpenFile
from dispatch.ids import ID_BYTES, FileId, PairId, TaskId
from dispatch.sealed.file import KEY_BYTES

from mobile_sim.line import Line
from mobile_sim.phone import Phone
from mobile_sim.store import FileState, Pairing, StoredFile, Task
from mobile_sim.transfers import Mover

MOST_ATTACHMENTS = 16
LARGEST_BYTES = 4 * 1024**3
"""Of one file, unless the request says otherwise."""
TOLD_EVERY_SECONDS = 0.5
_SHORTEST_ID = 4

Event = dict[str, Any]
Say = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that goes with a task, open."""

    file: Described
    source: OpenFile


class Files:
    """The files of one phone."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._store = phone.store

    # ---- Attachments.

    async def opened(
        self, paths: Sequence[str], stack: ExitStack, *, pairing: Pairing, task_id: TaskId, most_bytes: int
    ) -> list[Attached]:
        """Open the files of a task and give each the id that it has, or a new one. Raises BadRequest, TooLarge."""
        if len(paths) > MOST_ATTACHMENTS:
            raise errors.BadRequest(f"at most {MOST_ATTACHMENTS} files go with a task", metadata={"field": "attach"})
        sources = [(Path(path), stack.enter_context(_open(Path(path)))) for path in paths]
        for path, source in sources:
            _check_size(source.facts().st_size, path.name, most_bytes)
        return [await self._described(path, source, pairing.pair_id, task_id) for path, source in sources]

    async def _described(self, path: Path, source: OpenFile, pair_id: PairId, task_id: TaskId) -> Attached:
        size = source.facts().st_size
        digest, name = await asyncio.to_thread(source.digest, size), safe_name(path.name)
        known = self._store.files.begun(pair_id, sha256=digest, name=name, task_id=task_id)
        if known is not None:
            with self._store.transaction():  # the next attempt of this task looks for it here
                self._store.files.add(replace(known, task_id=task_id, path=path))
            return Attached(known.file, source)
        rng = self._phone.rng
        file = Described(file_id=FileId(rng(ID_BYTES)), key=rng(KEY_BYTES), name=name, size=size, sha256=digest)
        stored = StoredFile(
            file=file,
            pair_id=pair_id,
            task_id=task_id,
            state=FileState.BEGUN,
            path=path,
            at_ms=self._phone.clock.wall_ms(),
        )
        with self._store.transaction():
            self._store.files.add(stored)
        return Attached(file, source)

    def attached_to(self, task: Task | None) -> list[str]:
        """Give the paths of what goes with a task: an attempt that names none takes what the one before took."""
        if task is None:
            return []
        files = self._store.files.of_pairing(task.pair_id)
        mine = [one for one in files if one.task_id == task.task_id and not one.is_artifact]
        return [os.fspath(one.path) for one in mine if one.path is not None]

    async def attach(self, line: Line, attached: Sequence[Attached], say: Say) -> None:
        """Bring them to the host, one after the other. Raises DispatchError."""
        for one in attached:
            told = _told(one.file, "to_host", say)
            await self._mover(line).attach(one.file, one.source, told)
            say({"event": "attached", **_named(one.file)})

    def _mover(self, line: Line) -> Mover:
        phone = self._phone
        return Mover(line, clock=phone.clock, rng=phone.rng, chance=random.Random(phone.rng(16)))

    # ---- What a person asks for.

    def listed(self, pairings: Sequence[Pairing], say: Say) -> None:
        """Say every file of these pairings, oldest first."""
        for pairing in pairings:
            for stored in self._store.files.of_pairing(pairing.pair_id):
                say({"event": "file", **_file_event(stored), "host": pairing.host_name})

    async def get(self, what: str, into: Path, host: Pairing, *, replace: bool, most_bytes: int, say: Say) -> int:
        """Fetch an artifact by its id, the beginning of its id, or its name, the newest of it."""
        if not await asyncio.to_thread(into.is_dir):
            raise errors.BadRequest(f"{into} is no folder", metadata={"field": "into"})
        stored = self._found(what, host)
        _check_size(stored.file.size, stored.file.name, most_bytes)
        line = self._phone.line(host)

        def tell(event: Event) -> None:
            say(event | {"host": host.host_name})

        told = _told(stored.file, "to_phone", tell)
        path = await self._mover(line).fetch(stored.file, into, replace=replace, progress=told)
        with self._store.transaction():
            self._store.files.fetched(stored.file.file_id, path)
        tell({"event": "fetched", **_named(stored.file), "sha256": stored.file.sha256.hex(), "path": _shown(path)})
        return Exit.DONE

    def _found(self, what: str, host: Pairing) -> StoredFile:
        artifacts = [one for one in self._store.files.of_pairing(host.pair_id) if one.is_artifact]
        by_id = [
            one for one in artifacts if len(what) >= _SHORTEST_ID and one.file.file_id.hex().startswith(what.lower())
        ]
        if len(by_id) == 1:
            return by_id[0]
        by_name = [one for one in artifacts if one.file.name == what]
        if not by_name:
            raise errors.FileUnknown("no file of that name or id has come from the computer")
        return by_name[-1]


def _check_size(size: int, name: str, most_bytes: int) -> None:
    if size > most_bytes:
        raise errors.TooLarge(f"{name} is larger", metadata={"limit_bytes": str(most_bytes)})


def _open(path: Path) -> OpenFile:
    try:
        # A pipe without a writer must not hold the phone.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as failure:
        raise errors.BadRequest(f"{path} can't be read: {failure.strerror}", metadata={"field": "attach"}) from failure
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise errors.BadRequest(f"{path} is no file", metadata={"field": "attach"})
    return OpenFile(open(descriptor, "rb", buffering=0))


def _told(file: Described, direction: str, say: Say) -> Callable[[int], None]:
    """Say how far it is: at once, now and then, and at the end."""
    loop, last = asyncio.get_running_loop(), -TOLD_EVERY_SECONDS

    def tell(done: int) -> None:
        nonlocal last
        now = loop.time()
        if done == file.size or now - last >= TOLD_EVERY_SECONDS:
            last = now
            say({"event": "transfer", "direction": direction, **_named(file), "done": done})

    return tell


def _named(file: Described) -> Event:
    return {"file_id": file.file_id.hex(), "name": file.name, "size": file.size}


def _file_event(stored: StoredFile) -> Event:
    event = {
        "kind": "artifact" if stored.is_artifact else "attachment",
        **_named(stored.file),
        "state": stored.state.value,
        "sha256": stored.file.sha256.hex(),
        "at": stored.at_ms,
        "path": None if stored.path is None else _shown(stored.path),
    }
    return event | ({"task_id": task_word(stored.task_id)} if stored.task_id else {})


def _shown(path: Path) -> str:
    """Write a path for people and programs; what is no UTF-8 becomes a question mark."""
    return os.fspath(path).encode("utf-8", "replace").decode()
