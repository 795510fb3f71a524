"""Options that several commands have, and what they say together. A part of cli.py and of what it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from dispatch.errors import BadRequest

Data = Annotated[Path, typer.Option("--data", help="Folder with all of the service's state.", show_default=False)]
Database = Annotated[
    Path | None,
    typer.Option("--database", help="File with the address of a PostgreSQL database, instead of SQLite in --data."),
]
Keys = Annotated[
    Path | None, typer.Option("--keys", help="Folder with the keys that sign grants; without it --data has them.")
]


def storage(data: Path, database: Path | None, keys: Path | None = None) -> Any:
    """Give the Storage that the options name. Raises BadRequest."""
    from dispatch_pairing.storage import Storage  # noqa: PLC0415 -- importing SQL takes longer than `--help` may

    try:
        return Storage.given(data, database, keys)
    except ValueError as failure:
        raise BadRequest(str(failure)) from failure
