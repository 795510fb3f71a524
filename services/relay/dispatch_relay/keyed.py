"""Enums whose members are keys of tables that every message is looked up in."""

from __future__ import annotations

from enum import Enum


class Keyed(Enum):
    """An enum that hashes as any object does, each member being the only one: `Enum` has a function of Python's for it."""

    __hash__ = object.__hash__
