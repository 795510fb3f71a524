"""A row of a thread as the table has it. Used by those who write and those who read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispatch.ids import MessageId, TaskId

from dispatch_relay.log import Row, RowKind

COLUMNS = "seq, kind, message_id, task_id, at_ms, sealed, reason, retry_after_ms, push_hint, outcome"


def row_of(values: Sequence[Any]) -> Row:
    """Make the row of what was selected with `COLUMNS`."""
    seq, kind, message_id, task_id, at_ms, sealed, reason, retry_after_ms, push_hint, outcome = values
    return Row(
        seq=seq, kind=RowKind(kind), message_id=MessageId(message_id), task_id=TaskId(task_id), at_ms=at_ms,
        sealed=sealed, reason=reason, retry_after_ms=retry_after_ms, push_hint=push_hint, outcome=outcome,
    )  # fmt: skip
