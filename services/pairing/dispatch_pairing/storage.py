"""Where the service's state is: a folder, or a database and a folder with keys. Called by app.py and by the operator's commands."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dispatch.errors import HomeInUse, StoreFailed
from dispatch.runtime.database import DatabaseAddress, read_database

from dispatch_pairing.sql import SqlStore, open_postgres, open_sqlite, schema

DATABASE = "pairing.db"
_LOCK = "serve.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What `--data`, `--database` and `--keys` say."""

    data: Path
    database: DatabaseAddress | None = None
    """None: SQLite, in the folder."""
    keys: Path
    """The folder with the keys that sign grants."""

    @classmethod
    def given(cls, data: Path, database: Path | None = None, keys: Path | None = None) -> Storage:
        """Take what the command line has. Raises ValueError with a sentence, which shows nothing of what is in the file."""
        if database is not None and find_spec("asyncpg") is None:
            raise ValueError("--database needs what the extra `scale` installs: dispatch-pairing[scale]")
        try:
            address = None if database is None else read_database(database)
        except OSError as failure:
            raise ValueError(f"{database} can't be read: {failure.strerror}") from failure
        return cls(data=data, database=address, keys=keys or data)

    def make_folders(self) -> None:
        """Make the folders, for this user only. Raises StoreFailed."""
        for folder in (self.data, self.keys):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as failure:
                raise StoreFailed(f"can't make {folder}: {failure.strerror}") from failure

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other services off a folder while the block lasts: they would not hear each other's bell. Raises HomeInUse.

        In a database several services are meant, and what they must not do at once is kept apart by its locks.
        """
        if self.database is not None or sys.platform == "win32":
            yield
            return
        import fcntl  # noqa: PLC0415 -- not there on every platform

        with (self.data / _LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as failure:
                raise HomeInUse("another pairing service runs on this folder") from failure
            yield

    async def open(self) -> SqlStore:
        """Open the store; makes it, or brings it to this version's schema, if need be. Raises StoreFailed."""
        self.make_folders()
        if self.database is not None:
            return await open_postgres(self.database)
        return await open_sqlite(self.data / DATABASE)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[SqlStore]:
        """Open the store for as long as the block lasts. Raises StoreFailed."""
        store = await self.open()
        try:
            yield store
        finally:
            await store.close()

    def place(self) -> schema.Place:
        """Name the database whose schema is looked at or changed, which is not made. Raises StoreFailed where there is none."""
        if self.database is not None:
            return schema.in_database(self.database)
        if not (file := self.data / DATABASE).exists():
            raise StoreFailed(f"there is no {file}")
        return schema.in_file(file)
