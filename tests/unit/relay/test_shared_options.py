"""What `--database` and `--bus` of a relay say together, and that no mistake shows what is in the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch_relay.cli import _shared_with


def a_file(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def test_one_relay_has_neither_and_several_have_both(tmp_path: Path) -> None:
    database = a_file(tmp_path / "database", "postgresql://ada:hunter2@db/dispatch")
    bus = a_file(tmp_path / "bus", "nats://ada:hunter2@one")

    assert _shared_with(None, None, ca=None, cert=None, key=None) is None
    shared = _shared_with(database, bus, ca=None, cert=None, key=None)
    assert str(shared.database) == "db:5432/dispatch"
    assert "hunter2" not in repr(shared)
    for given in ((database, None), (None, bus)):
        with pytest.raises(ValueError, match="go together"):
            _shared_with(*given, ca=None, cert=None, key=None)


def test_every_mistake_is_said_and_no_password(tmp_path: Path) -> None:
    database = a_file(tmp_path / "database", "mysql://ada:hunter2@db/dispatch")
    bus = a_file(tmp_path / "bus", "redis://ada:hunter2@one")

    with pytest.raises(ValueError, match="postgresql://") as said:
        _shared_with(database, bus, ca=None, cert=None, key=None)
    assert "nats://" in str(said.value)
    assert "hunter2" not in str(said.value)
    with pytest.raises(ValueError, match=r"none can't be read.*"):
        _shared_with(tmp_path / "none", bus, ca=None, cert=None, key=None)
