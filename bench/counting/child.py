"""The process that is counted: it does each work in a process of its own, N and 2 N times, and says on a line what was which.

`python -m bench.counting.child`, started by `counter`; `--calls` counts what Python itself can count. All is imported, and each
work done a few times, before it is parted: both processes of a work begin as the same one, so that they differ in N times the
work and in nothing else.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

# Before anything imports grpc: it sets what grpc reads then.
import dispatch  # noqa: F401
from dispatch.runtime import logs

from bench.counting.control import CONTROL
from bench.counting.counted import COUNTED, Counted

WARM = 12
"""How often a work is done before it is counted: Python adapts its code to what it did in the first ones."""


class Calls:
    """Counts the calls of functions, Python's own and others'."""

    def __init__(self) -> None:
        self._calls = 0

    def begin(self) -> None:
        """Begin to count."""
        sys.setprofile(self._hear)

    def end(self) -> dict[str, int]:
        """Stop, and give what was counted."""
        sys.setprofile(None)
        return {"calls": self._calls}

    def _hear(self, _frame: object, event: str, _what: object) -> None:
        if event in {"call", "c_call"}:
            self._calls += 1


def do(one: Counted, times: int) -> dict[str, Any]:
    """Do a work, for a process that counts from outside."""
    one.work(times, 2 * one.times, lambda: None, lambda: None)
    return {}


def count_calls(one: Counted, times: int) -> dict[str, Any]:
    """Do a work and count the calls."""
    counting, counted = Calls(), {}
    one.work(times, 2 * one.times, counting.begin, lambda: counted.update(counting.end()))
    return counted


def apart(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Work in a process that begins as this one and ends right behind it; gives its number as well. Raises ChildProcessError."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.write(writing, json.dumps(work()).encode())
            status = 0
        except BaseException:  # whatever it is, this process must not go on as its parent
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise ChildProcessError("what was counted failed; it has said why")
    return {**json.loads(said), "pid": pid}


def main(words: Sequence[str]) -> None:
    """Do all works."""
    work = count_calls if "--calls" in words else do
    with open(os.devnull, "w") as nowhere:
        # A relay's lines are written as always, to nobody; all in one second, of which they share how it is written.
        logs.configure(stream=nowhere, service="relay", now_ns=lambda: 0)
        for one in (CONTROL, *COUNTED):
            one.work(min(WARM, one.times), 2 * one.times, lambda: None, lambda: None)
            gc.collect()
            gc.freeze()
            gc.disable()
            for times in (one.times, 2 * one.times):
                told = apart(lambda one=one, times=times: work(one, times))  # type: ignore[misc]  # a lambda's defaults
                print(json.dumps({"name": one.name, "times": times, **told}), flush=True)
            gc.enable()


if __name__ == "__main__":
    main(sys.argv[1:])
