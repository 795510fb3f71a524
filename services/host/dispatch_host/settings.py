"""What `run` reads from the environment, once. docs/operations.md lists each by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from dispatch import errors

from dispatch_host.limits import Limits

_NAMES = {field.name: f"DISPATCH_HOST_{field.name.upper()}" for field in fields(Limits)}
_MOST_SECONDS, _MOST_BYTES = 1e9, 10**15


def limits(environment: Mapping[str, str]) -> Limits:
    """Read the limits; what is not set keeps its default. Raises BadRequest that names every mistake at once."""
    given: dict[str, Any] = {}
    wrong: list[str] = []
    for field, name in _NAMES.items():
        text = environment.get(name)
        if text is None:
            continue
        unit = field.rpartition("_")[2]
        value = _bytes(text) if unit == "bytes" else _seconds(text)
        if value is None:
            wrong.append(f"{name}={text!r} is not a number of {'bytes' if unit == 'bytes' else 'seconds'} above 0")
        else:
            given[field] = value
    if wrong:
        raise errors.BadRequest("\n".join(wrong), metadata={"field": "environment"})
    return Limits(**given)


def _bytes(text: str) -> int | None:
    value = int(text) if text.isascii() and text.isdecimal() and len(text) < len(str(_MOST_BYTES)) else 0
    return value or None


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < _MOST_SECONDS else None
