"""A thread as it is on the disk at one moment, read beside the store: for whoever checks or exports it. Changes nothing.

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
from dispatch.device.thread_file import Piece
from dispatch.ids import PairId
from dispatch.sealed.head import Head
from google.protobuf.message import DecodeError


class Snapshot:
    """One read transaction on the store. Use as a context manager, in one thread. Raises StoreFailed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Snapshot:
        with _reading():
            self._rows = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            self._rows.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()

    def head(self, pair_id: PairId) -> Head:
        """Give where the checked thread says that it ends."""
        with _reading():
            row = self._rows.execute(
                "SELECT head_number, head_hash FROM pairings WHERE pair_id = ?", (pair_id,)
            ).fetchone()
            return Head(row[0], row[1])

    def hosts(self, own_key: bytes) -> dict[bytes, bytes]:
        """Give the host's key of each pairing in which this phone signed by that key."""
        with _reading():
            rows = self._rows.execute("SELECT pair_id, host_key FROM pairings WHERE own_key = ?", (own_key,))
            return dict(rows.fetchall())

    def pieces(self, pair_id: PairId) -> Iterator[Piece]:
        """Give events in order, each signature behind its event. Those on events that are still to come are left out."""
        with _reading():
            signatures = self._rows.execute(
                "SELECT number, hash, signature FROM signatures WHERE pair_id = ?1 AND number <="
                " (SELECT head_number FROM pairings WHERE pair_id = ?1) ORDER BY number",
                (pair_id,),
            )
            signature = signatures.fetchone()
            events = self._rows.execute(
                "SELECT number, event_id, hash, content FROM events WHERE pair_id = ? ORDER BY number", (pair_id,)
            )
            for event in events:
                # One on a place that is not there comes out of its order, and is wrong there.
                while signature is not None and signature[0] < event[0]:
                    yield _signature(pair_id, signature)
                    signature = signatures.fetchone()
                yield _link(event)
            while signature is not None:
                yield _signature(pair_id, signature)
                signature = signatures.fetchone()


def _link(row: tuple[int, bytes, bytes, bytes | None]) -> StoredLink:
    number, event_id, hashed, content = row
    if content is None:
        return StoredLink(number=number, hash=hashed)
    try:
        event = Event.FromString(content)
    except DecodeError:
        event = Event()
    return StoredLink(
        number=number,
        hash=hashed,
        event_id=event_id,
        task_id=event.task_id,
        previous=event.previous_hash,
        event=content,
    )


def _signature(pair_id: PairId, row: tuple[int, bytes, bytes]) -> StoredSignature:
    return StoredSignature(number=row[0], hash=row[1], pair_id=pair_id, signature=row[2])


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, TypeError) as failure:
        raise errors.StoreFailed(f"the thread can't be read: {failure}") from failure
