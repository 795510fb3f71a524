"""Collects what is wrong with the options, the files and the environment of a program, so that all of it is said at once.

Called by the command line of each program that an operator starts, before anything else of it runs: a mistake that shows only after
the one before is mended costs a restart each. docs/operations.md, Looked over at the start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from dispatch import errors
from dispatch.address import Address
from dispatch.backup.contents import RESTORING
from dispatch.cli import Console, Exit
from dispatch.plain import one_line

T = TypeVar("T")

ANYWHERE = Address("127.0.0.1", 0)
"""Stands for an address that can't be read: nothing else is wrong with it."""


class Mistakes:
    """The sentences so far, in the order in which they were found."""

    def __init__(self) -> None:
        self._said: list[str] = []

    @property
    def said(self) -> Sequence[str]:
        """Give the sentences."""
        return tuple(self._said)

    def say(self, sentence: str) -> None:
        """Add a sentence; each of its lines is one. One that was said is not said again."""
        self._said += [line for line in sentence.splitlines() if line and line not in self._said]

    def read(self, read: Callable[[], T], *, instead: T) -> T:
        """Give what is read. What can't be is a mistake, and `instead` stands for it, so that the rest is looked at, too."""
        try:
            return read()
        except errors.DispatchError as failure:
            self.say(failure.detail or str(failure))
        except OSError as failure:
            self.say(f"{failure.filename} can't be read: {failure.strerror}" if failure.filename else str(failure))
        except ValueError as failure:
            self.say(str(failure))
        return instead

    def look(self, look: Callable[[], object]) -> None:
        """Do what raises for mistakes, and gives nothing that is needed."""
        self.read(look, instead=None)

    def option(self, name: str, read: Callable[[str], T], given: str, *, instead: T) -> T:
        """Read an option's value. A mistake begins with the option's name."""
        try:
            return read(given)
        except ValueError as failure:
            self.say(f"{name}: {failure}")
        return instead

    def optional(self, name: str, read: Callable[[str], T], given: str | None) -> T | None:
        """Read an option that may be left out; None for one that is, and for a mistake."""
        return None if given is None else self._or_none(name, read, given)

    def several(self, name: str, read: Callable[[str], T], given: Iterable[str] | None) -> tuple[T, ...]:
        """Read an option that may stand several times, less the mistakes."""
        found = (self._or_none(name, read, one) for one in given or ())
        return tuple(one for one in found if one is not None)

    def folder(self, name: str, path: Path) -> None:
        """Look whether a folder is there, or could be made, and may be written to. Makes nothing."""
        try:
            there = path.absolute()
            while not there.exists():
                there = there.parent
        except OSError as failure:
            self.say(f"{name}: {path} can't be looked at: {failure.strerror}")
            return
        if not there.is_dir():
            self.say(f"{name}: {there} is no folder")
        elif (path / RESTORING).exists():
            self.say(f"{name}: a restore into {path} did not end: empty it, and restore again")
        elif not os.access(there, os.R_OK | os.W_OK | os.X_OK):
            self.say(f"{name}: this user may not write to {there}")

    def refusal(self, console: Console) -> Exit:
        """Say all of them; gives the exit code. Programs get them in `mistakes`, one by one, people a line each."""
        error = errors.BadRequest("\n".join(self._said))
        event = {
            "event": "refused",
            "reason": errors.word(error.reason),
            "text": error.sentence,
            "advice": error.advice,
            "detail": error.detail,
            "mistakes": list(self._said),
        }
        console.event(event, "\n".join(console.styled(one_line(line, 400), fg="red") for line in self._said))
        return Exit.USAGE

    def _or_none(self, name: str, read: Callable[[str], T], given: str) -> T | None:
        try:
            return read(given)
        except ValueError as failure:
            self.say(f"{name}: {failure}")
        return None


def all_well(console: Console) -> Exit:
    """Say that nothing is wrong: the answer of `--check`."""
    console.event({"event": "checked"}, "Nothing is wrong with the options and settings. Nothing was started.")
    return Exit.DONE
