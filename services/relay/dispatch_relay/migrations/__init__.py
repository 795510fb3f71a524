"""The revisions of the relay's store, the same for both databases, and the SQL that leads from one to another.

Called by `sqlite_version` and `postgres.version`, which run that SQL in one transaction. What is up to date is told by comparing
two words: alembic is imported only where something is to be done, and never runs by itself.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from dispatch import errors

REVISIONS = ("0001", "0002")
"""Oldest first. A test compares them with `versions`."""
HEAD = REVISIONS[-1]
EMPTY = ""
"""The version of a store that has nothing in it yet."""


class Dialect(Enum):
    """The databases. The values are those of SQLAlchemy, which alembic writes for."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def check_known(version: str, *, where: str) -> None:
    """Refuse a store that a newer relay has written. Raises errors.StoreFailed, with both versions."""
    if version not in {EMPTY, *REVISIONS}:
        raise errors.StoreFailed(
            f"{where} is at version {version}, and this relay knows up to {HEAD}: run a newer relay,"
            f" or bring it back with that one (dispatch-relay store downgrade --to {HEAD})"
        )


def target_below(version: str, to: str | None) -> str:
    """Say where a downgrade ends: one revision lower, if nothing else is said. Raises ValueError."""
    at = REVISIONS.index(version) if version in REVISIONS else 0
    if at == 0:
        raise ValueError(f"version {version or 'none'} is the first: there is none below it")
    if to is None:
        return REVISIONS[at - 1]
    if to not in REVISIONS[:at]:
        raise ValueError(f"{to!r} is no version below {version}: {', '.join(REVISIONS[:at])}")
    return to


def sql(dialect: Dialect, *, start: str, end: str) -> str:
    """Write the SQL that leads from one version to another, with the note of it in `alembic_version`."""
    # Takes longer to import than a relay that needs nothing of it should take to start.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    up = start == EMPTY or REVISIONS.index(end) > REVISIONS.index(start)

    def steps(_revision: Any, _context: Any) -> Sequence[Any]:
        if up:
            # As alembic's own commands do.
            return scripts._upgrade_revs(end, start or None)  # type: ignore[arg-type]  # None is the beginning, also for alembic
        return scripts._downgrade_revs(end, start)

    written = io.StringIO()
    environment = EnvironmentContext(config, scripts, fn=steps, as_sql=True, starting_rev=start or None)
    with environment:
        environment.configure(dialect_name=dialect.value, output_buffer=written, transactional_ddl=False)
        environment.run_migrations()
    return written.getvalue()
