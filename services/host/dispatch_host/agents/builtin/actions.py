"""Which action a request is, by its words and by what was cut out of them. Pure. Called by parse.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dispatch_host.agents.builtin.action_grammar import ADJECTIVES, RULES, WHATS_IN
from dispatch_host.agents.builtin.query import Action, Sort
from dispatch_host.agents.builtin.sentence import Words, is_path

_SIZES = frozenset({"minimum_bytes", "maximum_bytes"})
_TARGETS = _SIZES | {"kind", "name", "file", "attached", "places", "since", "until"}
_OF_ONE = ("csv", "pdf", "spreadsheet", "text")  # kinds of which people mean one file
_OF_LARGEST = (
    r"\bfiles?\b|\bdisk\b|\bspace\b|\bthings?\b|\bstuff\b|\bwhat(?:'s| is)\b"
    r"|^(?:show |list )?(?:me )?(?:the |my )?(?:\d+ )?(?:largest|biggest)$"
)
_OF_CHANGED = (
    r"\bfiles?\b|\bwhat\b|\bwhat's\b|\bdocuments?\b|\bfolders?\b|\banything\b"
    r"|^(?:show |list )?(?:me )?(?:the )?(?:newest|latest|recent)"
)


_NAMED = r"(?<!\S)[\w&-]+(?:\.[\w-]+)*\.[A-Za-z]\w{0,7}(?!\S)"
"""A file's name by its form: an ending that is not known is one all the same. Where no file is called so, nobody meant one."""


@dataclass(frozen=True, slots=True)
class Said:
    """A request, and what was cut out of it."""

    whole: str  # before most was cut out
    words: Words  # what is left
    given: dict[str, Any]  # the fields of Query that were said; choosing may find more of them
    picked: int | None  # an item of the earlier answer
    joins: bool  # as a follow-up

    def has(self, pattern: str) -> bool:
        """Tell whether the whole request holds the pattern."""
        return re.search(pattern, self.whole, re.IGNORECASE) is not None

    def gives(self, *names: str) -> bool:
        """Tell whether one of these was said."""
        return not self.given.keys().isdisjoint(names)

    @property
    def targets(self) -> bool:
        """Tell whether anything says which files are meant."""
        return self.gives(*_TARGETS)

    @property
    def one_file(self) -> bool:
        """Tell whether one file is meant."""
        return self.gives("file", "attached", "name") or self.picked is not None or self.given.get("kind") in _OF_ONE


def choose(said: Said) -> Action | None:
    """Tell the action: the first rule that fits, and what it means beside the rest of what was said."""
    if said.gives("measures"):
        return Action.MEASURE
    if said.gives("phrase"):
        return Action.SEARCH
    if said.gives("summarise"):
        return Action.FIND if said.gives("kind", "name", "places", "since") else Action.SUMMARISE
    by_size = said.given.get("sort") in (Sort.LARGEST, Sort.SMALLEST)
    ranked = f"{said.whole} size_sort" if by_size else said.whole
    for action, pattern in RULES:
        if re.search(pattern, ranked, re.IGNORECASE) and _fits(action, pattern, said):
            return _meant(action, said)
    if said.gives("since", "until") and not said.joins:
        return Action.CHANGED
    if said.gives(*_SIZES) or (said.gives("kind", "name") and not said.joins):
        return Action.FIND
    if said.gives("file") and not said.given.keys() - {"file", "places", "style"}:
        return Action.READ
    return None


def _fits(action: Action, pattern: str, said: Said) -> bool:
    """Tell whether what a rule's words say is what they say here; else a later rule may fit."""
    match action:
        case Action.SUMMARISE:
            return pattern is not WHATS_IN or not (said.gives("places") or said.has(r"\bfolders?\b"))
        case Action.LARGEST:
            if said.gives(*_SIZES) and not said.words.has(r"\b(?:largest|biggest|smallest)\b"):
                return False
            return said.targets or said.has(_OF_LARGEST)
        case Action.CHANGED:
            return said.targets or said.has(_OF_CHANGED)
        case Action.READ:
            paths = any(is_path(place) for place in said.given.get("places", ()))
            return said.picked is not None or said.gives("file", "name", "attached") or paths or said.words.has(_NAMED)
        case Action.HEAD:
            return said.one_file or said.gives("count")
        case Action.COUNT:
            return said.targets or said.has(r"\b(?:files?|folders?|documents?)\b")
        case _:
            return True


def _meant(action: Action, said: Said) -> Action | None:
    """Tell what a rule's action comes to, for the same words mean one thing of a file and another of a folder."""
    match action:
        case Action.SUMMARISE:
            if said.picked and said.gives("name", "places", "since"):
                said.given["summarise"] = said.picked
                return Action.FIND
            of_folder = not said.one_file and (said.has(r"\b(?:files?|folders?)\b") or said.gives("places"))
            return Action.USAGE if of_folder else action
        case Action.USAGE:
            one = said.gives("file") or (said.picked is not None and not said.targets)
            return Action.FIND if one else action
        case Action.FIND:
            return _found(said)
        case _:
            return action


def _found(said: Said) -> Action | None:
    """Tell what is meant by "find" and "show", which are said of anything."""
    if said.gives("attached") and said.has(r"\b(?:in|inside) (?:it|(?:the |this |my )?file)\b"):
        return Action.SUMMARISE
    if said.gives("file") or said.picked is not None:
        if said.has(r"\b(?:where|find|locate|search|is there|do i have)\b"):
            return Action.FIND
        return Action.READ if said.has(r"\b(?:show|see|display|read|open|get|give|list|print)\b") else None
    if not said.targets and not said.has(r"\b(?:files|documents|everything|folders?)\b"):
        return _bare_find(said)
    return Action.FIND


def _bare_find(said: Said) -> Action | None:
    """`find invoices`, `where is my passport scan`: one or two words after a verb of finding are a name."""
    match = said.words.take(
        r"^(?:find|locate|where(?:'s| is| are)|do i have|look for|search for)(?: me)?(?: my| the"
        r"| an?| any| all)?\s+(?P<name>[\w&-]+(?: [\w&-]+)?(?:\.[\w-]+)*)$"
    )
    if match is None or re.search(rf"\b(?:{ADJECTIVES})\b", match["name"], re.IGNORECASE):
        return None
    said.given["name"] = match["name"]
    said.given["loose"] = True
    return Action.FIND
