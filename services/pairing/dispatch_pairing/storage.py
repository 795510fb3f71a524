"""Where the service's state is: a folder, or a database and a folder with keys. Called by app.py and by the operator's commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dispatch.errors import StoreFailed
from dispatch.runtime.database import DatabaseAddress, read_database

from dispatch_pairing.sql import SqlStore, open_postgres, open_sqlite, schema

DATABASE = "pairing.db"


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
