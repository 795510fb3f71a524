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

from dispatch import errors
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.cli import Exit
from dispatch.device.telling import task_word
from dispatch.files.description import Described, checked
from dispatch.files.names import safe_name
from dispatch.files.source import OpenFile
from dispatch.ids import ID_BYTES, FileId, PairId, TaskId
from dispatch.plain import path_text
from dispatch.sealed.file import KEY_BYTES

from mobile_sim.line import Line
from mobile_sim.owner import Event, Say
from mobile_sim.phone import Phone
from mobile_sim.store import FileState, Pairing, StoredFile, Task
from mobile_sim.transfers import Mover

MOST_ATTACHMENTS = 16
TOLD_EVERY_SECONDS = 0.5
_SHORTEST_ID = 4


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
        known = self._store.files.begun(pair_id, sha256=digest, name=name)
        if known is not None:  # of a task that was not sent: what arrived of it need not go again
            with self._store.transaction():
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

    async def opened_again(
        self, paths: Sequence[str], stack: ExitStack, *, task: Task, most_bytes: int
    ) -> list[Attached]:
        """Open what a task names for its next attempt: where it was, or at `paths` if there are any.

        Raises BadRequest for a file that is not there any more, FileChanged for one with other bytes, IdReused for paths that
        are not what the task names.
        """
        named = [checked(said) for said in words.Action.FromString(task.action).task.attachments]
        again = [Path(path) for path in paths]
        if again and [safe_name(path.name) for path in again] != [file.name for file in named]:
            raise errors.IdReused("other files went with this task")
        places = again or [self._place_of(file) for file in named]
        return [await self._same(path, file, stack, most_bytes) for path, file in zip(places, named, strict=True)]

    def _place_of(self, file: Described) -> Path:
        stored = self._store.files.get(file.file_id)
        if stored is None or stored.path is None:
            raise errors.BadRequest(f"where {file.name} was is not known any more", metadata={"field": "attach"})
        return stored.path

    async def _same(self, path: Path, file: Described, stack: ExitStack, most_bytes: int) -> Attached:
        source = stack.enter_context(_open(path))
        size = source.facts().st_size
        _check_size(size, path.name, most_bytes)
        if size != file.size or await asyncio.to_thread(source.digest, size) != file.sha256:
            raise errors.FileChanged(f"{path} is not what the task was made with")
        return Attached(file, source)

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
        tell({"event": "fetched", **_named(stored.file), "sha256": stored.file.sha256.hex(), "path": path_text(path)})
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
        "path": None if stored.path is None else path_text(stored.path),
    }
    return event | ({"task_id": task_word(stored.task_id)} if stored.task_id else {})
