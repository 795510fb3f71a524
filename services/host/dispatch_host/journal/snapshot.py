"""A thread as it is on the disk at one moment, read beside the writer: for whoever checks or exports it. Changes nothing.

Gives what the tables say, unchecked: a byte that was changed in them is found by whoever checks, not hidden here.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from dispatch import errors
from dispatch.api.thread.v1.thread_pb2 import Event
from dispatch.device.audit import StoredLink, StoredSignature
from dispatch.device.thread_file import Former, Piece
from dispatch.sealed.head import Head
from google.protobuf.message import DecodeError


class Snapshot:
    """One read transaction on the journal. Use as a context manager; from one thread at a time. Raises StoreFailed."""

    def __init__(self, journal: Path) -> None:
        self._path = journal

    def __enter__(self) -> Snapshot:
        with _reading():
            self._rows = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
            self._rows.row_factory = sqlite3.Row
            self._rows.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()

    def head(self, thread: int) -> Head:
        """Give where the thread says that it ends."""
        with _reading():
            row = self._rows.execute("SELECT number, hash FROM thread WHERE id = ?", (thread,)).fetchone()
            return Head(row["number"], row["hash"])

    def hosts(self, thread: int) -> dict[bytes, bytes]:
        """Give this host's key in each pairing in which something of the thread was signed."""
        with _reading():
            rows = self._rows.execute("SELECT pair_id, host_key FROM signed_for WHERE thread = ?", (thread,))
            return {row["pair_id"]: row["host_key"] for row in rows}

    def pieces(self, thread: int) -> Iterator[Piece]:
        """Give events in order, each signature behind its event, and what left the chain last."""
        with _reading():
            signatures = self._rows.execute(
                "SELECT number, hash, pair_id, signature FROM head_signature WHERE thread = ? ORDER BY number",
                (thread,),
            )
            signature = signatures.fetchone()
            events = self._rows.execute(
                "SELECT * FROM event WHERE thread = ? AND number IS NOT NULL ORDER BY number", (thread,)
            )
            for row in events:
                # One on a place that is not there comes out of its order, and is wrong there.
                while signature is not None and signature["number"] < row["number"]:
                    yield _signature(signature)
                    signature = signatures.fetchone()
                yield _link(row, row["number"])
            while signature is not None:
                yield _signature(signature)
                signature = signatures.fetchone()
            for row in self._rows.execute(
                "SELECT * FROM event WHERE thread = ? AND number IS NULL ORDER BY id", (thread,)
            ):
                yield Former(link=_link(row, _parsed(row["content"]).number))


def _link(row: sqlite3.Row, number: int) -> StoredLink:
    return StoredLink(
        number=number,
        hash=row["hash"],
        event_id=_parsed(row["content"]).event_id,
        task_id=row["task_id"],
        previous=row["previous_hash"],
        event=row["content"],
    )


def _signature(row: sqlite3.Row) -> StoredSignature:
    return StoredSignature(number=row["number"], hash=row["hash"], pair_id=row["pair_id"], signature=row["signature"])


def _parsed(content: bytes) -> Event:
    try:
        return Event.FromString(content)
    except DecodeError:
        return Event()


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, TypeError) as failure:
        raise errors.StoreFailed(f"the journal can't be read: {failure}") from failure
