"""What an operator may set, read once from the environment. Every mistake is reported, not only the first.

docs/operations.md lists each by its name. Called by cli.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatch_pairing.limits import GRANT_MS_MOST
from dispatch_pairing.model import Plan
from dispatch_pairing.oidc import settings as of_provider
from dispatch_pairing.oidc.settings import ProviderSettings
from dispatch_pairing.policy import Policy, SignUp, numbers

PREFIX = "DISPATCH_PAIRING_"


class BadSettings(ValueError):
    """The environment is wrong; the text names each mistake on a line of its own."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's word, where it is not on the command line."""

    policy: Policy = field(default_factory=Policy)
    grant_ms: int = GRANT_MS_MOST
    """How long a grant is good: a device that is signed out stays in for at most so long."""
    provider: ProviderSettings | None = None
    """Where people may sign in besides here; None: nowhere."""


def _sign_up(text: str) -> SignUp:
    try:
        return SignUp(text)
    except ValueError:
        raise ValueError(f"not one of {', '.join(SignUp)}") from None


def _plans(text: str) -> frozenset[Plan]:
    words = [word for part in text.split(",") if (word := part.strip())]
    if not words or any(word not in set(Plan) for word in words):
        raise ValueError(f"not some of {', '.join(Plan)}, separated by commas")
    return frozenset(Plan(word) for word in words)


def _version(text: str) -> str:
    if numbers(text) is None:
        raise ValueError("not a version like 1.4.0")
    return text


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:20]) <= most):
            raise ValueError(f"not a whole number from {least} to {most}")
        return int(text)

    return read


_OF_POLICY: dict[str, Callable[[str], Any]] = {
    "sign_up": _sign_up,
    "plans": _plans,
    "min_phone_version": _version,
    "min_host_version": _version,
    "devices": _number(2, 1_000_000),
}
_OF_OPERATOR: dict[str, Callable[[str], Any]] = {"grant_ms": _number(1_000, GRANT_MS_MOST)}


def read(environment: Mapping[str, str]) -> Operator:
    """Read the settings; what is not set keeps its default. Raises BadSettings."""
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    readers = _OF_POLICY | _OF_OPERATOR
    ours = (name for name in environment if name.startswith(PREFIX) and not name.startswith(of_provider.PREFIX))
    for name in sorted(ours):
        reader = readers.get(setting := name.removeprefix(PREFIX).lower())
        if reader is None or name != name.upper():
            mistakes.append(f"{name} is not a setting")
            continue
        try:
            values[setting] = reader(environment[name])
        except ValueError as failure:
            mistakes.append(f"{name} is {environment[name]!r}, {failure}")
    provider = None
    try:
        provider = of_provider.read(environment)
    except of_provider.BadSettings as more:
        mistakes += str(more).splitlines()
    if mistakes:
        raise BadSettings("\n".join(mistakes))
    policy = Policy(**{name: value for name, value in values.items() if name in _OF_POLICY})
    return Operator(
        policy=policy, provider=provider, **{name: value for name, value in values.items() if name in _OF_OPERATOR}
    )
