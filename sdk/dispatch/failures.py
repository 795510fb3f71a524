"""Names an error for logs without its own words, which may quote what was read: a task, a file, a key.

Pure; used wherever an unexpected exception is logged, on servers and devices alike.
"""

from __future__ import annotations


def place_of(failure: BaseException) -> str:
    """Give the kind of an error and where it was raised: `ValueError at Reader.take:42`."""
    trace = failure.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(failure).__name__}{place}"
