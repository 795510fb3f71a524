"""The process in which one task runs: reads one request, writes events, ends. Started by workers.py.

A process of its own, because files are hostile: what a broken PDF does to a parser must neither hold up the host nor
outlive the task. It lives no longer than its host: the end of standard input ends it at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import sys
import threading
import traceback
from typing import NoReturn

from dispatch_host.agents.agent import AgentEvent, NotDone, NotDoneReason
from dispatch_host.agents.builtin import program, wire
from dispatch_host.agents.builtin.request import Outcome

_MEMORY_BYTES = 1024**3  # of address space: a decompression bomb ends the task, not the computer
_OWN_BYTES = 64 * 1024 * 1024  # of a file that is not a person's: a record of what was changed has the whole plan


def main() -> int:
    """Do one task."""
    _limit()
    bound(0)
    source = sys.stdin.buffer
    line = source.readline()
    threading.Thread(target=_end_with_the_host, args=(source.fileno(),), daemon=True).start()
    out = sys.stdout.buffer

    def emit(event: AgentEvent) -> None:
        out.write(wire.encode_event(event))
        out.flush()

    try:
        outcome = program.run(wire.decode_request(line), emit, bound=bound)
        last = wire.encode_outcome(outcome)
    except MemoryError:
        gc.collect()
        text = "The task needed more memory than the assistant is allowed. Nothing was changed."
        last = wire.encode_outcome(Outcome(NotDone(NotDoneReason.AGENT_FAILED, text)))
    except Exception as error:  # a defect: tell where, and never with what contents
        frame = traceback.extract_tb(error.__traceback__)[-1]
        last = wire.encode_crash(
            wire.Crashed(type(error).__name__, f"{os.path.basename(frame.filename)}:{frame.lineno}")
        )
    out.write(last)
    out.flush()
    return 0


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold what was read
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = _MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(_MEMORY_BYTES, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    except (OSError, ValueError):  # macOS refuses some values; the limit is a second line of defence
        return


def bound(most_bytes: int) -> None:
    """Let no file become longer than what a plan may write at most, whatever the code above thinks: EFBIG, not a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    most = max(most_bytes, _OWN_BYTES)
    # Beyond what the system can count, or this process may have, it is as bound as it was.
    with contextlib.suppress(OSError, ValueError, OverflowError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))


def _end_with_the_host(source: int) -> NoReturn:
    """Wait for the end of standard input, which comes when the host closes it or dies."""
    while True:
        try:
            if not os.read(source, 4096):
                os._exit(1)
        except OSError:
            os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
