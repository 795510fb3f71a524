"""What one task leaves for the next ones of the thread, as JSON in the host's journal, and how it is read back.

Read leniently: a memory that another version wrote is no memory, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dispatch_host.agents.asking import JSON
from dispatch_host.agents.builtin.query import Query

_ITEMS_BYTES = 24 * 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """The last request and the files of its answer."""

    query: Query
    items: tuple[str, ...] = ()  # absolute paths, in the order of the answer: "the second one"
    focus: str | None = None  # the one spoken of last: "it"
    follow: Query | None = None  # what "the second one" asks for
    asked: bool = False  # the answer was the question which of the items is meant

    def to_json(self) -> dict[str, JSON]:
        """Write it, with as many items as a journal row should hold."""
        kept: list[str] = []
        room = _ITEMS_BYTES
        for item in self.items:
            room -= len(item.encode(errors="surrogatepass")) + 4
            if room < 0:
                break
            kept.append(item)
        return {
            "query": self.query.to_json(),
            "items": kept,
            "focus": self.focus,
            "follow": self.follow.to_json() if self.follow else None,
            "asked": self.asked,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, JSON]) -> Memory | None:
        """Read it back; None for what is no memory of this version."""
        try:
            query, follow, items = said["query"], said.get("follow"), said.get("items")
            if not isinstance(query, Mapping) or not isinstance(items, Sequence) or isinstance(items, str):
                return None
            focus = said.get("focus")
            return cls(
                Query.from_json(query),
                tuple(str(item) for item in items),
                str(focus) if focus is not None else None,
                Query.from_json(follow) if isinstance(follow, Mapping) else None,
                bool(said.get("asked")),
            )
        except (KeyError, TypeError, ValueError):
            return None
