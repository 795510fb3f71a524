"""docs/retention.md says of every table of every store how long its rows are kept."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
from dispatch_host.journal import schema
from dispatch_pairing import tables
from dispatch_relay import trust_store

RETENTION = Path(__file__).parents[2].joinpath("docs/retention.md").read_text()


def made(sql: str) -> set[str]:
    return set(re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(", sql))


STORES = {
    "The pairing service": set(tables.metadata.tables),
    "The relay": made(files("dispatch_relay.sqlite").joinpath("schema.sql").read_text())
    | made(trust_store._SCHEMA)
    | made(files("dispatch_relay.migrations.versions").joinpath("seats.py").read_text()),
    "The host": made("".join(schema._STEPS)),
}


@pytest.mark.parametrize("store", STORES)
def test_every_table_has_a_row_that_says_how_long_it_is_kept(store: str) -> None:
    section = RETENTION.partition(f"\n## {store}\n")[2].partition("\n## ")[0]
    first = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    listed = {name for cell in first for name in re.findall(r"`(\w+)`", cell)}

    assert STORES[store]
    assert STORES[store] - listed == set()
    if store != "The host":  # whose folders are listed, too
        assert listed == STORES[store]
