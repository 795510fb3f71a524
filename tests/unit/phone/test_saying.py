"""Each event is said in one place."""

from __future__ import annotations

from itertools import combinations

import pytest
from mobile_sim.saying import accounts, hosts, lists, proofs
from mobile_sim.saying.sayer import Sayer

TABLES = {module.__name__: module.SAYS for module in (accounts, hosts, lists, proofs)}


@pytest.mark.parametrize(("one", "other"), [*combinations(TABLES, 2)])
def test_no_event_stands_in_two_tables(one: str, other: str) -> None:
    assert not TABLES[one].keys() & TABLES[other].keys()


@pytest.mark.parametrize("table", TABLES)
def test_no_event_of_a_table_is_the_sayers_own(table: str) -> None:
    assert not [name for name in TABLES[table] if hasattr(Sayer, f"_on_{name}")]
