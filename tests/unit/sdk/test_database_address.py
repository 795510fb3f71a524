"""The address of a database is read from a file that nobody else may read, and no mistake shows the password."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch.runtime.database import parse_database, read_database

ADDRESS = "postgresql://relay:hunter2@db.example:5433/dispatch?sslmode=verify-full"


def written(path: Path, content: bytes, *, mode: int = 0o600) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_an_address_is_read_and_shown_without_its_password(tmp_path: Path) -> None:
    address = read_database(written(tmp_path / "database", f"{ADDRESS}\n".encode()))

    assert address.url == ADDRESS
    assert str(address) == "db.example:5433/dispatch"
    assert "hunter2" not in repr(address)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ValueError, match="may be read by others"):
        read_database(written(tmp_path / "database", ADDRESS.encode(), mode=mode))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hunter2",
        b"mysql://relay:hunter2@db.example/dispatch",
        b"postgresql://relay:hunter2@db.example",
        b"postgresql:///hunter2",
        b"postgresql://relay:hun:ter2@db.example:hunter2/dispatch",
        b"postgresql://relay:hunter2@[db.example/dispatch",
        b"postgresql://relay:hunter2@db.example/dispatch\npostgresql://relay:hunter2@db.example/other",
        b"hunter2\xff",
    ],
)
def test_what_is_no_address_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match="has no address of a database") as refused:
        read_database(written(tmp_path / "database", content))

    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__  # nor in a traceback


def test_a_file_that_is_too_large_for_an_address_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is larger than") as refused:
        read_database(written(tmp_path / "database", b"postgresql://relay:hunter2@db.example/" + b"d" * 5_000))

    assert "hunter2" not in str(refused.value)


def test_a_port_that_is_not_named_is_the_usual_one() -> None:
    assert str(parse_database("postgres://relay@db.example/dispatch")) == "db.example:5432/dispatch"
