"""What `thread --verify` and `thread --export` share on phone and host: files in and out, and what is said of a thread.

Called by both command lines. What is checked, and how a file looks, is `thread_file`'s.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dispatch import errors
from dispatch.cli import Exit
from dispatch.device.audit import Wrong
from dispatch.device.thread_file import LONGEST_LINE, Check, Checked

Told = dict[str, Any]


def read_lines(file: Path) -> Iterator[bytes]:
    """Give a file's lines; what is longer than any line comes in pieces, which fit nothing. Raises BadRequest."""
    try:
        with file.open("rb") as opened:
            while line := opened.readline(LONGEST_LINE + 1):
                yield line
    except OSError as failure:
        raise _bad_file(failure) from failure


class ThreadFile:
    """A file that is being written: readable by its owner only, in its place when it is whole, or not at all.

    Use as a context manager. Raises BadRequest, also when there is a file of that name and it is not to be replaced.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        self._path = path.absolute()
        self._replace = replace

    def __enter__(self) -> ThreadFile:
        if not self._replace and os.path.lexists(self._path):
            raise _there(self._path)
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)  # 0600
        except OSError as failure:
            raise _bad_file(failure) from failure
        self._draft, self._file = Path(name), os.fdopen(descriptor, "wb")
        return self

    def write(self, line: bytes) -> None:
        """Add a line."""
        try:
            self._file.write(line)
        except OSError as failure:
            raise _bad_file(failure) from failure

    def finish(self) -> None:
        """Put it into its place."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            if not self._replace:
                self._path.touch(mode=0o600, exist_ok=False)  # nobody else's from here on
            self._draft.replace(self._path)
        except FileExistsError as failure:
            raise _there(self._path) from failure
        except OSError as failure:
            raise _bad_file(failure) from failure

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._draft.unlink(missing_ok=True)


def export(lines: Iterable[bytes], path: Path, *, replace: bool) -> Checked | Wrong:
    """Write a thread to a file if everything in it fits; gives what came of checking it. Raises BadRequest."""
    check = Check()
    with ThreadFile(path, replace=replace) as file:
        for line in lines:
            if (wrong := check.take(line)) is not None:
                return wrong
            file.write(line)
        found = check.result()
        if isinstance(found, Checked):
            file.finish()
    return found


def told(found: Checked | Wrong, *, file: Path | None = None) -> tuple[Told, str, Exit]:
    """Give what is said of a thread that was checked: an object, words, and the exit code."""
    if isinstance(found, Wrong):
        return _of_wrong(found, in_file=file is not None)
    lost = f", {found.lost} of which nobody has any more" if found.lost else ""
    keys = {"phone_key": found.keys.phone.hex(), "host_keys": sorted({key.hex() for key in found.keys.hosts.values()})}
    event: Told = {"event": "verified", "events": found.events, "lost": found.lost, **keys}
    words = f"Every hash, link and signature fits: {found.events} events{lost}."
    if file is not None:
        event |= {"file": os.fspath(file), "exported_by": found.exported_by}
        words += f"\n  phone   {keys['phone_key']}\n" + "\n".join(f"  host    {key}" for key in keys["host_keys"])
        words += "\nThat these are the keys of your devices, `thread --verify` says on the devices themselves."
    return event, words, Exit.DONE


def _of_wrong(wrong: Wrong, *, in_file: bool) -> tuple[Told, str, Exit]:
    event: Told = {
        "event": "wrong",
        "number": wrong.number,
        "id": wrong.event_id.hex(),
        "what": wrong.what.value,
        "text": wrong.what.sentence,
    }
    where = f"event {wrong.number}" + (f" ({event['id']})" if wrong.event_id else "")
    if in_file:
        event["line"] = wrong.line
        where = f"line {wrong.line}, {where}"
    return event, f"✗ Wrong at {where}: {wrong.what.sentence}", Exit.FAILED


def _there(path: Path) -> errors.BadRequest:
    return errors.BadRequest(f"{path} is there already; --force replaces it", metadata={"field": "export"})


def _bad_file(failure: OSError) -> errors.BadRequest:
    return errors.BadRequest(str(failure), metadata={"field": "file"})
