"""What `--database` and `--bus` of a relay say together, and that no mistake shows what is in the files."""

from __future__ import annotations

from pathlib import Path

from dispatch.mistakes import Mistakes
from dispatch_relay.cli import _shared_with


def a_file(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def test_one_relay_has_neither_and_several_have_both(tmp_path: Path) -> None:
    database = a_file(tmp_path / "database", "postgresql://ada:hunter2@db/dispatch")
    bus = a_file(tmp_path / "bus", "nats://ada:hunter2@one")
    wrong = Mistakes()

    assert _shared_with(wrong, None, None, ca=None, keys=None) is None
    shared = _shared_with(wrong, database, bus, ca=None, keys=None)
    assert str(shared.database) == "db:5432/dispatch"
    assert "hunter2" not in repr(shared)
    assert not wrong.said
    for given in ((database, None), (None, bus)):
        alone = Mistakes()
        assert _shared_with(alone, *given, ca=None, keys=None) is None
        assert alone.said == ("--database and --bus go together",)


def test_every_mistake_is_said_and_no_password(tmp_path: Path) -> None:
    database = a_file(tmp_path / "database", "mysql://ada:hunter2@db/dispatch")
    bus = a_file(tmp_path / "bus", "redis://ada:hunter2@one")
    wrong = Mistakes()

    assert _shared_with(wrong, database, bus, ca=None, keys=None) is None
    assert _shared_with(wrong, tmp_path / "none", bus, ca=None, keys=None) is None

    said = "\n".join(wrong.said)
    assert "postgresql://" in said
    assert "nats://" in said
    assert f"{tmp_path / 'none'} can't be read" in said
    assert "hunter2" not in said
