"""How long a parser may take over one file: a hostile one keeps it busy for ever. Called by what reads documents."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

FILE_SECONDS = 30  # of work on one file; a damaged one can keep a parser busy for ever
WHOLE_SECONDS = 600  # of work on a file all of which was asked for

_AT_A_TIME, _AT_A_TIME_SECONDS = 256, 0.1


class TooLong(BaseException):
    """The time for one file is over. No Exception: nothing in a parser may swallow it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Interrupt what takes too long. The worker computes in one thread of pure Python, so an alarm does. Raises TooLong."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again: one that rings inside a destructor is lost, for Python ignores what is raised there.
    rest = signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *rest)
        signal.signal(signal.SIGALRM, before)


def within(pieces: Iterator[T], seconds: float) -> Iterator[T]:
    """Give what is read piece by piece, with so many seconds for all the reading. Raises TooLong, and what reading raises.

    Only around what reads, never around whoever takes the pieces: the alarm would ring there, too. Some are read at a time, for
    setting an alarm costs more than reading a short one.
    """
    left = seconds
    failure: BaseException | None = None
    going_on = True
    while going_on:
        began = time.monotonic()
        read: list[T] = []
        try:
            with limited(left):
                for piece in pieces:
                    read.append(piece)
                    if len(read) >= _AT_A_TIME or time.monotonic() - began > _AT_A_TIME_SECONDS:
                        break
                else:
                    going_on = False
        except (Exception, TooLong) as raised:
            failure, going_on = raised, False
        left = max(left - (time.monotonic() - began), 0.001)
        yield from read
    if failure is not None:
        raise failure
