"""The revisions of the relay's store, the same for both databases, and the SQL that leads from one to another.

Called by `sqlite.version` and `postgres.version`, which run that SQL in one transaction. What is up to date is told by comparing
two words: alembic is imported only where something is to be done, and never runs by itself.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from dispatch import store_versions

REVISIONS = ("0001", "0002")
"""Oldest first. A test compares them with `versions`."""
HEAD = REVISIONS[-1]


class Dialect(Enum):
    """The databases. The values are those of SQLAlchemy, which alembic writes for."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def check_known(version: str | None, *, where: str) -> None:
    """Refuse a store that a newer relay has written. Raises errors.StoreFailed, with both versions."""
    store_versions.check_known(version, REVISIONS, store=where, program="dispatch-relay")


def sql(dialect: Dialect, *, start: str | None, end: str) -> str:
    """Write the SQL that leads from one version to another, None for an empty store, with the note of it in `alembic_version`."""
    # Takes longer to import than a relay that needs nothing of it should take to start.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    up = start is None or REVISIONS.index(end) > REVISIONS.index(start)

    def steps(_revision: Any, _context: Any) -> Sequence[Any]:
        if up:
            # As alembic's own commands do.
            return scripts._upgrade_revs(end, start)  # type: ignore[arg-type]  # None is the beginning, also for alembic
        return scripts._downgrade_revs(end, start)

    written = io.StringIO()
    environment = EnvironmentContext(config, scripts, fn=steps, as_sql=True, starting_rev=start)
    with environment:
        environment.configure(dialect_name=dialect.value, output_buffer=written, transactional_ddl=False)
        environment.run_migrations()
    return written.getvalue()
