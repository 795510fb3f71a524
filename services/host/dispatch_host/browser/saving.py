"""Saves what a site offers into an approved folder: read once out of the sandbox, shown, asked for, written through the scope.

What was counted and digested is what is written: the bytes are the host's own by then, and nobody's in the sandbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dispatch.endings import to_its_end
from dispatch.files.names import safe_name

from dispatch_host.agents.agent import Gate
from dispatch_host.agents.asking import RULE_BYTES, Allowed, Approval, Ask, Denied, canonical
from dispatch_host.browser.reach import origin
from dispatch_host.markdown import code, size
from dispatch_host.permissions.permission import Kind, Permission
from dispatch_host.scope import Hands, KeptOut, Refused, Scope, around, shown

MOST_BYTES = 200 * 1024**2
_COPY_BYTES = 1024**2


class NotSaved(Exception):
    """It was not saved, and why. `by_person` tells that somebody said no, or nobody anything."""

    def __init__(self, why: str, *, by_person: bool = False) -> None:
        super().__init__(why)
        self.by_person = by_person


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that is the host's own now."""

    file: BinaryIO
    size: int
    sha256: str


async def save(
    descriptor: int, *, name: str, url: str, folder: Path, gate: Gate, ask: Ask, keep_out: Sequence[Path | KeptOut]
) -> Path:
    """Ask, and save what the descriptor is open on, which is closed. Raises NotSaved, and NotPermitted as the gate gave it."""
    with contextlib.ExitStack() as stack:
        read = await to_its_end(asyncio.to_thread(_read, descriptor, stack))
        path = folder / (safe_name(name) or "download")
        held = around(path, gate.folders)
        wanted = Permission(Kind.FOLDER, str(held.path if held else folder), write=True)
        if held is None or not gate.has(wanted):
            await gate.use(wanted, "a download")  # raises, and the audit log has it
        with _scope(gate, keep_out) as scope:
            await to_its_end(asyncio.to_thread(_check, Hands(scope), path))
        match await ask.may(_question(path, read, url=url, folder=folder, permission=wanted)):
            case Allowed():
                pass
            case Denied():
                raise NotSaved("The person said no; nothing was saved.", by_person=True)
            case _:
                raise NotSaved("Nobody answered; nothing was saved.", by_person=True)
        await gate.use(wanted, "a download")
        with _scope(gate, keep_out) as scope:  # as it is now: a question takes its time
            await to_its_end(asyncio.to_thread(_write, Hands(scope), path, read))
        return path


def _scope(gate: Gate, keep_out: Sequence[Path | KeptOut]) -> Scope:
    return Scope(gate.folders, keep_out=keep_out)


def _read(descriptor: int, stack: contextlib.ExitStack) -> _Read:
    """Copy it out, and count. Raises NotSaved."""
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 -- the stack closes it
    digest, total = hashlib.sha256(), 0
    with open(descriptor, "rb") as source:
        try:
            while data := source.read(_COPY_BYTES):
                total += len(data)
                if total > MOST_BYTES:
                    raise NotSaved(f"It is larger than {size(MOST_BYTES)}, the most that is saved.")
                digest.update(data)
                copy.write(data)
        except OSError as failure:
            raise NotSaved("There is no room for it on the disk.") from failure
    return _Read(copy, total, digest.hexdigest())


def _check(hands: Hands, path: Path) -> None:
    try:
        if not hands.is_free(os.fspath(path)):
            raise NotSaved(f"There is already something called {shown(path.name)} in that folder; say another name.")
    except Refused as refused:
        raise NotSaved(f"It can't be saved there: it is {refused.reason}.") from refused


def _write(hands: Hands, path: Path, read: _Read) -> None:
    read.file.seek(0)
    try:
        if hands.room(os.fspath(path)) < read.size:
            raise NotSaved("There is no room for it on the disk.")
        with hands.create(os.fspath(path)) as target:
            while data := read.file.read(_COPY_BYTES):
                target.write(data)
        hands.settle(os.fspath(path))
    except Refused as refused:
        raise NotSaved(f"It can't be saved there: it is {refused.reason}.") from refused


def _question(path: Path, read: _Read, *, url: str, folder: Path, permission: Permission) -> Approval:
    where = shown(str(folder))
    of = origin(url) or "no site"
    rule = f"save downloads in {where}"
    return Approval(
        text=f"Save {code(path.name)} ({size(read.size)}) from {of}?",
        action=canonical(
            {"tool": "browser_download", "path": str(path), "size": read.size, "sha256": read.sha256, "origin": of}
        ),
        preview=f"{code(path.name)}, {size(read.size)}, from {of}\n\nto {code(str(path))}\n\nSHA-256 {read.sha256}",
        rule=rule if len(rule.encode()) <= RULE_BYTES else "",
        permission=permission,
        of={"save downloads in": str(folder)},
    )
