"""What `run` reads from the environment, once. docs/operations.md lists each by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from dispatch import errors

from dispatch_host.limits import Limits

_NAMES = {field.name: f"DISPATCH_HOST_{field.name.upper()}" for field in fields(Limits)}


def limits(environment: Mapping[str, str]) -> Limits:
    """Read the limits; what is not set keeps its default. Raises BadRequest that names every mistake at once."""
    given: dict[str, Any] = {}
    wrong: list[str] = []
    for field, name in _NAMES.items():
        text = environment.get(name)
        if text is None:
            continue
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        unit, most = ("bytes", 1e15) if field.endswith("_bytes") else ("seconds", 1e9)
        if 0 < value < most and (unit == "seconds" or value >= 1):
            given[field] = value if unit == "seconds" else int(value)
        else:
            wrong.append(f"{name}={text!r} is not a number of {unit} above 0")
    if wrong:
        raise errors.BadRequest("; ".join(wrong), metadata={"field": "environment"})
    return Limits(**given)
