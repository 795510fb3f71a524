"""The address of a PostgreSQL database, read from a file: it holds a password. docs/scale.md "Setting it up".

Called by the wiring of the services that keep their rows there. Knows no driver.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dispatch import secret_file

_SCHEMES = ("postgresql", "postgres")
_LARGEST_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the database is. Written out it has no password: `url` is for the driver alone."""

    url: str = field(repr=False)
    shown: str
    """Host, port and name, as they may stand in a log."""

    def __str__(self) -> str:
        return self.shown


def read_database(path: Path) -> DatabaseAddress:
    """Read `postgresql://user:password@host:5432/name` from a file that only its user may read.

    Raises ValueError, which never shows what is in the file, and OSError.
    """
    content = secret_file.read(path, most_bytes=_LARGEST_BYTES)
    try:
        return parse_database(content.decode().strip())
    except ValueError as failure:  # one that is no UTF-8 is one, too, and would show its bytes
        why = "it is no text" if isinstance(failure, UnicodeError) else str(failure)
        raise ValueError(f"{path} has no address of a database: {why}") from None


def parse_database(text: str) -> DatabaseAddress:
    """Read an address. Raises ValueError, which shows nothing of it."""
    if len(text) > _LARGEST_BYTES or len(text.split()) != 1:
        raise ValueError("one line with postgresql://user:password@host:5432/name is expected")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:  # says what it could not read, which may be a part of the password
        raise ValueError("what is between // and / is not user:password@host:port") from None
    name = parts.path.removeprefix("/")
    if parts.scheme not in _SCHEMES:
        raise ValueError("it does not begin with postgresql://")
    if not host or not name:
        raise ValueError("it names no host or no database")
    return DatabaseAddress(url=text, shown=f"{host}:{port or 5432}/{name}")
