"""What a server offers: its tools as far as they can be used, the others with the reason. Pure; everything in it is a stranger's.

A tool is known to a model by a name that every provider takes, and to the owner's permissions and rules by its own.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from dispatch.plain import plain

from dispatch_host.scope import shown

MOST_TOOLS = 128
ABOUT_BYTES = 2 * 1024
SCHEMA_BYTES = 16 * 1024
_SCHEMA_DEPTH = 32
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_MODEL_NAME_CHARACTERS = 64
_DIGEST_CHARACTERS = 8
_WHOLE_DIGEST_CHARACTERS = 32
ALL_BYTES = 128 * 1024
"""Of names, descriptions and schemas, for all tools of all connectors that a task has: each request to a model has them."""
_LIKE_DIGEST = re.compile(r"_[0-9a-f]{8}$")


@dataclass(frozen=True, slots=True)
class Said:
    """A tool as the server says it."""

    name: str
    about: str = field(repr=False)
    schema: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool that can be used."""

    name: str  # the server's
    about: str = field(repr=False)
    schema: Mapping[str, Any] = field(repr=False)
    digest: str
    """Of all that the server says of it: one that says something else is another tool to a person's yes. Long enough that no
    server has two tools of one digest to exchange."""

    @property
    def size_bytes(self) -> int:
        """Give how much of a request to a model it takes."""
        return len(self.name) + len(self.about.encode()) + len(_written(self.schema))

    @property
    def mark(self) -> str:
        """Give the beginning of the digest, for people."""
        return self.digest[:_DIGEST_CHARACTERS]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tool that can't, and why; its name as it can be shown."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Offer:
    """All that a server offers."""

    tools: Mapping[str, Offered] = field(default_factory=dict)
    left_out: Sequence[LeftOut] = ()


def offer(said: Sequence[Said], *, more: bool = False, taken_out: Sequence[LeftOut] = ()) -> Offer:
    """Take what can be used. `more` tells that the list went on and was not read; `taken_out` is what never got so far."""
    names = Counter(tool.name for tool in said)
    tools: dict[str, Offered] = {}
    left_out = list(taken_out)
    for tool in said:
        if why := _why_not(tool, names):
            left_out.append(LeftOut(shown(tool.name)[:80], why))
        elif len(tools) == MOST_TOOLS:
            left_out.append(LeftOut(tool.name, f"only {MOST_TOOLS} tools are taken"))
        else:
            tools[tool.name] = Offered(tool.name, _about(tool.about), tool.schema, _digest(tool))
    if more:
        left_out.append(LeftOut("…", "the list goes on, and the rest was not read"))
    return Offer(tools, left_out[:MOST_TOOLS])


def fitting(
    permitted: Mapping[tuple[str, str], Offered], most_bytes: int = ALL_BYTES
) -> tuple[Mapping[tuple[str, str], Offered], Sequence[tuple[str, str]]]:
    """Take what fits, each tool known by its connector and its name; gives the rest, too. Each connector gets its turn."""
    turns = Counter[str]()
    order: list[tuple[int, tuple[str, str]]] = []
    for key in permitted:
        order.append((turns[key[0]], key))
        turns[key[0]] += 1
    taken, left = set(), most_bytes
    for _, key in sorted(order, key=lambda one: one[0]):
        if (size := permitted[key].size_bytes) <= left:
            left -= size
            taken.add(key)
    return {key: tool for key, tool in permitted.items() if key in taken}, [
        key for key in permitted if key not in taken
    ]


def model_names(tools: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """Name tools, each known by its connector and its own name, for a model: the same for the same tool, and all different."""
    joined = {tool: _joined(*tool) for tool in tools}
    faithful = Counter(name for tool, name in joined.items() if _is_faithful(name, *tool))
    return {
        tool: name if _is_faithful(name, *tool) and faithful[name] == 1 else _with_digest(name, *tool)
        for tool, name in joined.items()
    }


def _joined(connector: str, tool: str) -> str:
    name = re.sub(r"[^a-z0-9_]", "_", f"{connector}__{tool}".lower())
    return name if name[0].isalpha() else f"c_{name}"


def _is_faithful(name: str, connector: str, tool: str) -> bool:
    """Tell whether a name says all of it; one that ends like a digest could be taken for another tool's."""
    says_all = len(name) <= _MODEL_NAME_CHARACTERS and name == f"{connector}__{tool}".replace("-", "_")
    return says_all and not _LIKE_DIGEST.search(name)


def _with_digest(name: str, connector: str, tool: str) -> str:
    digest = sha256(f"{connector}\0{tool}".encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{name[: _MODEL_NAME_CHARACTERS - _DIGEST_CHARACTERS - 1]}_{digest}"


def _why_not(tool: Said, names: Counter[str]) -> str:
    if not _NAME.fullmatch(tool.name):
        return "its name has more than letters, digits, _, - and ."
    if names[tool.name] > 1:
        return "its name comes twice"
    if not isinstance(tool.schema, dict) or tool.schema.get("type") != "object":
        return "what it takes is no object"
    if _is_deeper(tool.schema, _SCHEMA_DEPTH) or len(_written(tool.schema)) > SCHEMA_BYTES:
        return "the schema of what it takes is too large"
    return ""


def _is_deeper(value: Any, most: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return most == 0 or any(_is_deeper(one, most - 1) for one in inner)


def _about(text: str) -> str:
    cut = plain(text).encode("utf-8", "replace")[:ABOUT_BYTES].decode("utf-8", "ignore")
    return cut.strip()


def _digest(tool: Said) -> str:
    return sha256(_written([tool.name, tool.about, tool.schema])).hexdigest()[:_WHOLE_DIGEST_CHARACTERS]


def _written(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
