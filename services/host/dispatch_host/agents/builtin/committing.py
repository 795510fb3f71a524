"""What a commit of everything would hold, as git itself says before it is asked for. Pure; called by running.py, which starts git.

It is looked at in the sandbox, where its folders can't be changed and there is no network: whatever a repository has set up
to run with git can do no more there than read them. Without a sandbox nothing is started before a yes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dispatch_host.markdown import code, plural
from dispatch_host.sandbox.program import Limits
from dispatch_host.scope import Folder

LOOK = (
    *("git", "--no-optional-locks", "-c", "core.fsmonitor=false"),
    *("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"),
)
LIMITS = Limits(seconds=60.0, output_bytes=4 * 1024 * 1024)
NOT_LOOKED = "Which files it will hold can't be looked at before: there is no sandbox."
_MOST = 2_000
_WORDS = {"?": "not in git until now", "A": "new", "D": "deleted", "U": "in conflict"}
_FIXED = 3  # two signs and a space, before each path


def to_read(folders: Sequence[Folder]) -> Sequence[Folder]:
    """Give the same folders, to read only."""
    return [replace(folder, writable=False) for folder in folders]


def holds(output: bytes) -> str:
    """Write what git said as a person reads it, every file with what becomes of it."""
    said = [entry.decode("utf-8", "surrogateescape") for entry in output.split(b"\0") if len(entry) > _FIXED]
    if not said:
        return "It will hold nothing: nothing has changed."
    listed = [f"- {code(entry[_FIXED:])}: {_word(entry[:2])}" for entry in said[:_MOST]]
    if len(said) > _MOST:
        listed.append(f"- … and {len(said) - _MOST:,} more")
    return "\n".join([f"It will hold {plural(len(said), 'file')}, as they are when it is made:", "", *listed])


def _word(signs: str) -> str:
    return next((word for sign, word in _WORDS.items() if sign in signs), "changed")
