"""What `--database`, `--bus` and `--keys` say together, and that no mistake shows what is in the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch.mistakes import Mistakes
from dispatch_pairing.cli import _bus
from dispatch_pairing.storage import Storage


def a_file(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def test_without_any_all_is_in_the_data_folder(tmp_path: Path) -> None:
    storage = Storage.given(tmp_path)

    assert (storage.data, storage.keys, storage.database) == (tmp_path, tmp_path, None)


def test_the_password_of_the_database_is_not_shown(tmp_path: Path) -> None:
    storage = Storage.given(
        tmp_path, a_file(tmp_path / "database", "postgresql://ada:hunter2@db/dispatch"), tmp_path / "keys"
    )

    assert storage.keys == tmp_path / "keys"
    assert str(storage.database) == "db:5432/dispatch"
    assert "hunter2" not in repr(storage)
    with pytest.raises(ValueError, match="can't be read") as refused:
        Storage.given(tmp_path, tmp_path / "none")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"file": None}, "go together"),
        ({"database": None}, "go together"),
        ({"relay": None}, "--bus needs --relay"),
        ({"web_origin": ["https://phone.example"]}, "--bus needs --relay"),
    ],
)
def test_what_belongs_together_is_said(tmp_path: Path, given: dict[str, object], why: str) -> None:
    file = a_file(tmp_path / "bus", "nats://ada:hunter2@one")
    options: dict[str, object] = {
        "file": file,
        "database": file,
        "relay": "relay:1",
        "web_relay": None,
        "web_origin": [],
    }

    wrong = Mistakes()

    _bus(wrong, **{**options, **given}, ca=None, cert=None, key=None)  # type: ignore[arg-type] # as typer gives them

    assert why in "\n".join(wrong.said)
    all_right = Mistakes()
    assert _bus(all_right, **options, ca=None, cert=None, key=None).user == "ada"  # type: ignore[arg-type] # as above
    assert not all_right.said
