"""What an agent may ask a person, and what it hears back. Typed, so that no agent has to guess at words. docs/questions.md.

Pure values. The runner brings an `Ask`; tests bring their own.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Protocol, TypeAlias

from dispatch_host.permissions.permission import Permission

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

CHOICES_LIMIT = 64
CHOICES_BYTES = 8 * 1024
TEXT_BYTES = 4 * 1024
RULE_BYTES = 1024


def canonical(action: JSON) -> bytes:
    """Write an action in the one way in which it is shown, approved and carried out. Raises ValueError for NaN and infinities.

    Pure ASCII: names that are no UTF-8 stay what they are, as escaped lone surrogates.
    """
    return json.dumps(action, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """May I do exactly this? What is carried out must be read from `action`, the bytes that the answer is bound to."""

    text: str = field(repr=False)
    """One sentence, without a path that a person can't see the whole of in the preview."""
    action: bytes = field(repr=False)
    """By `canonical`: the whole of what would be done."""
    preview: str = field(repr=False)
    """Markdown: all of the action, as a person reads it. However long; it is never cut."""
    rule: str = field(default="", repr=False)
    """Under which `task` and `always` are remembered, never wider than what the person can read here: `change files in
    ~/Downloads`. Empty: every action asks anew, and the only answers are yes and no."""
    permission: Permission | None = None
    """What the action takes and the rule stands on: when that is taken back, the rule goes too. A rule needs one."""
    also: Sequence[Permission] = ()
    """What else it takes, and the rule stands on."""
    of: JSON = None
    """What the rule is about, exactly, for its words may be those of another: one rule is one of these under one wording. A
    rule needs one."""

    def __post_init__(self) -> None:
        """Refuse what could not be bound to or remembered. Raises ValueError."""
        if canonical(json.loads(self.action)) != self.action:
            raise ValueError("the action is not canonical JSON")
        if self.rule and self.permission is None:
            raise ValueError("a rule stands on a permission")
        if self.rule and self.of is None:
            raise ValueError("a rule says exactly what it is about")
        _fits("text", self.text, TEXT_BYTES)
        _fits("rule", self.rule, RULE_BYTES)

    @property
    def digest(self) -> bytes:
        """Give what the answer is bound to: SHA-256 of the action."""
        return sha256(self.action).digest()

    @property
    def stands_on(self) -> frozenset[Permission]:
        """Give every permission that it takes."""
        return frozenset(() if self.permission is None else (self.permission, *self.also))

    @property
    def rule_digest(self) -> bytes:
        """Give what `task` and `always` are remembered by: the words, what they are about, and what they stand on."""
        stands_on: Sequence[str] = sorted(one.words for one in self.stands_on)
        return sha256(canonical([self.rule, self.of, stands_on])).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which one? With `choices` the answer is one of them; without, it is the person's own words."""

    text: str = field(repr=False)
    choices: Sequence[str] = field(default=(), repr=False)
    preview: str = field(default="", repr=False)
    """Markdown: what there is to know for the answer. However long."""

    def __post_init__(self) -> None:
        """Refuse what no question can hold. Raises ValueError."""
        _fits("text", self.text, TEXT_BYTES)
        if len(self.choices) > CHOICES_LIMIT or len(set(self.choices)) < len(self.choices) or "" in self.choices:
            raise ValueError(f"choices are at most {CHOICES_LIMIT}, different, and not empty")
        _fits("choices", "".join(self.choices), CHOICES_BYTES)


Question: TypeAlias = Approval | Choice


def _fits(name: str, text: str, most: int) -> None:
    if len(text.encode("utf-8", "replace")) > most:
        raise ValueError(f"the {name} of a question is longer than {most} bytes")


class Reach(StrEnum):
    """How far a yes goes. The words are those of the command line."""

    ONCE = "once"
    TASK = "task"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Somebody said yes, now or when the same rule was asked for. `by` is a device's name."""

    reach: Reach
    by: str


@dataclass(frozen=True, slots=True)
class Denied:
    """Somebody said no."""

    by: str


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody chose, or said something in words."""

    text: str = field(repr=False)
    by: str


@dataclass(frozen=True, slots=True)
class NobodyAnswered:
    """The time was over. That is not a no: the step is not done, and the agent may go on without it."""


class Ask(Protocol):
    """Puts a question to the person, on the phone and here at once, and waits. One at a time."""

    def may(self, question: Approval) -> Awaitable[Allowed | Denied | NobodyAnswered]:
        """Ask for leave to do exactly one action; answered at once where a rule says yes already."""
        ...

    def which(self, question: Choice) -> Awaitable[Said | NobodyAnswered]:
        """Ask for a choice, or for words."""
        ...
