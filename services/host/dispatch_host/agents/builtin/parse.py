"""From what a person wrote to a Query: the slots are cut out one after the other, and the action is chosen by them.

Pure. Understands nothing rather than half: a word that no slot, no action and no filler explains makes the whole request
not understood, so that "the largest planets" never lists files. Called by program.py; followup.py completes a request
that only makes sense after another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dispatch_host.agents.builtin import change_grammar, file_slots, grammar, search_grammar, slots, when
from dispatch_host.agents.builtin.action_grammar import ADJECTIVES, EXPLAINED, RULES
from dispatch_host.agents.builtin.actions import Said, choose
from dispatch_host.agents.builtin.mending import impolite, mended, with_longer_names
from dispatch_host.agents.builtin.query import CHANGES, Action, Sort
from dispatch_host.agents.builtin.sentence import Words, literals

FILE_CHANGES = "change files"  # what a refused request wanted, for the answer
ANOTHER_AGENT = "another agent"
_LONGEST = 1000  # characters: nobody asks for a list of files in more, and patterns must not be kept busy


@dataclass(frozen=True, slots=True)
class Parsed:
    """A request taken apart. Without an action it may complete an earlier one."""

    action: Action | None = None
    slots: dict[str, Any] = field(default_factory=dict)  # the fields of Query that were said
    pick: int | None = None  # an item of the earlier answer, as slots.pick has it
    joins: bool = False  # "and …", "what about …": said as a follow-up
    left: tuple[str, ...] = ()  # words nothing explains
    more: bool = False  # more of the same list
    reverse: bool = False  # the same list from its other end
    onward: bool = False  # what comes next of the same list
    wants: str | None = None  # FILE_CHANGES or ANOTHER_AGENT: clearly not for this assistant

    @property
    def understood(self) -> bool:
        """Tell whether every word was explained."""
        return not self.left and self.wants is None


def parse(text: str, *, now: datetime, folders: Sequence[str]) -> Parsed:
    """Understand a request. `folders` are the names of the approved folders; small slips of the keyboard are mended."""
    if len(text) > _LONGEST:
        return Parsed()
    parsed = _parse(text, now=now, folders=folders)
    if parsed.understood and (parsed.action is not None or parsed.slots or parsed.pick is not None):
        return parsed
    if parsed.wants is None:
        if (better := mended(text, folders)) != text:
            again = _parse(better, now=now, folders=folders)
            if again.understood and again.action is not None:
                return again
        for quoted in with_longer_names(text) if "file" in parsed.slots else ():
            again = _parse(quoted, now=now, folders=folders)
            if again.understood and again.action is not None and again.slots.keys() <= parsed.slots.keys():
                return again
    return parsed


def _parse(text: str, *, now: datetime, folders: Sequence[str]) -> Parsed:
    words = literals(text)
    words.text = impolite(words.text)
    if re.fullmatch(RULES[0][1], words.text, re.IGNORECASE):
        return Parsed(Action.HELP)
    if not words.text:
        return Parsed(Action.HELP) if text.strip() else Parsed()  # a greeting, or thanks
    joins = words.has(grammar.JOINS)
    for pattern, instead in grammar.SYNONYMS:
        words.text = re.sub(pattern, instead, words.text, flags=re.IGNORECASE)
    said: dict[str, Any] = {}
    change = change_grammar.take(words)
    if change is not None:
        return _changing(words, change, now, folders)
    said["summarise"] = _then_summarise(words)
    said["style"] = slots.style(words)
    said["attached"] = _attached(words)
    _sends(words)
    wants = _wants(words)
    if wants is not None:
        return Parsed(wants=wants)
    if (count := slots.onward(words)) is not None:
        return Parsed(slots={"count": count}, joins=True, onward=True, left=tuple(words.left()))
    said["column"], said["measures"] = slots.measure(words)
    said["name"] = file_slots.name(words)  # before the text that tells the action: a name may hold any word
    whole = re.sub(
        r"^(?:and |now |then |also |but |or )*(?:(?:what|how) about|same for)?\b", "", words.text, flags=re.IGNORECASE
    )
    said["minimum_bytes"], said["maximum_bytes"] = slots.sizes(words)
    said["phrase"] = search_grammar.take(words)
    picked = _which(words, said, now, folders)
    if picked == slots.IT and said["attached"]:
        picked = None
    request = Said(whole, words, _given(said), picked, joins)
    return _finish(request, choose(request))


def _changing(words: Words, change: change_grammar.Change, now: datetime, folders: Sequence[str]) -> Parsed:
    """Understand which files are to be changed, from what is left when it was cut out what is to be done with them."""
    said: dict[str, Any] = dict(change.slots)
    said["attached"] = _attached(words)
    said["name"] = file_slots.name(words)
    whole = words.text
    said["minimum_bytes"], said["maximum_bytes"] = slots.sizes(words)
    picked = _which(words, said, now, folders)
    return _finish(Said(whole, words, _given(said), picked, joins=False), change.action)


def _which(words: Words, said: dict[str, Any], now: datetime, folders: Sequence[str]) -> int | None:
    """Cut out which files are meant, and in which order; gives the item of the earlier answer that was picked."""
    said["sort"] = slots.sort(words)
    found = when.find(words.text, now)
    if found is not None:
        span, words.text = found
        said["since"], said["until"] = span.since, span.until
    said["count"], said["tail"] = slots.count(words)
    said["file"] = file_slots.file(words)
    picked = slots.pick(words)
    said["places"] = file_slots.places(words, folders)
    if said["name"] is None:
        said["name"] = file_slots.name_by_noun(words)
    if said["name"] is None:
        said["name"] = file_slots.name_before(words)
    said["kind"] = file_slots.kind(words)
    return picked


def _given(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value not in (None, False, ())}


def _wants(words: Words) -> str | None:
    """Tell what this assistant does not do by the verb that begins a clause."""
    if words.has(
        rf"{grammar.CLAUSE}(?:{grammar.CHANGING_VERBS})\b(?! (?:in|since|by|from|of)\b)(?=\s)"
    ) and not words.has(r"^(?:make (?:it|that|them) (?:a )?(?:table|list)|sort (?:it|them)? ?by|archives?\b.*\?)"):
        return (
            FILE_CHANGES
            if not words.has(
                rf"{grammar.CLAUSE}(?:write|create|make|fix|change|add|update|correct"
                rf"|edit)\b(?!.*\b(?:files?|folders?|csv|pdf|names?)\b)"
            )
            else ANOTHER_AGENT
        )
    if words.has(rf"{grammar.CLAUSE}(?:{grammar.DESKTOP_VERBS})\b(?=\s|$)"):
        return ANOTHER_AGENT
    return None


def _attached(words: Words) -> bool:
    """Cut out what says that a file was attached."""
    before = words.text
    for pattern, instead in grammar.ATTACHED:
        words.text = re.sub(pattern, instead, words.text, flags=re.IGNORECASE)
    return words.text != before


def _sends(words: Words) -> None:
    """Mark that a file is to be sent to the phone, and cut out to whom."""
    if any(words.take(pattern, to=" send_file ") for pattern in grammar.SENDS):
        words.text = re.sub(grammar.SENT_TO, "", words.text.strip(), flags=re.IGNORECASE)


def _then_summarise(words: Words) -> int | None:
    match = words.take(grammar.THEN_SUMMARISE)
    if match is None:
        return None
    said = (match["ordinal"] or "first").casefold()
    return {"first": 1, "top": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}[said]


def _finish(request: Said, action: Action | None) -> Parsed:
    """Tell which words nothing explains; a few of them after a verb that takes files are a file's name."""
    given, picked = request.given, request.picked
    explained = (
        {**EXPLAINED, **change_grammar.EXPLAINED}.get(action, "")
        if action
        else (
            r"also|what|about|same|again|only|just|instead|sort\w*|reverse|order|more|filter|limit"
            r"|repeat|narrow|restrict|now|change|show|without|first|largest|biggest|newest|latest"
            r"|oldest|smallest"
        )
    )
    left = [word for word in request.words.left() if not re.fullmatch(f"{explained}|{ADJECTIVES}", word, re.IGNORECASE)]
    if (
        action is Action.FIND
        and "name" not in given
        and 0 < len(left) <= 3
        and request.has(r"\b(?:find|locate|where|search|look(?:ing)? for|do i have|is there|are there|any)\b")
        and request.gives("places", "since", "until", "minimum_bytes", "maximum_bytes", "kind")
    ):
        given["name"] = " ".join(left)
        if not request.gives("places", "kind"):
            given["loose"] = True
        left = []
    if (
        action in (Action.SUMMARISE, Action.HEAD, Action.ROWS, Action.READ, Action.SEND, *CHANGES)
        and not request.gives("name", "file")
        and picked is None
        and 0 < len(left) <= 3
    ):
        given["name"] = " ".join(left)
        if "places" not in given:
            given["loose"] = True
        left = []
    _order(action, request)
    more = action is None and request.has(r"\bmore\b")
    reverse = action is None and request.has(r"\breverse\b|\bother way (?:a)?round\b")
    return Parsed(action, given, picked, request.joins, tuple(left), more, reverse)


_ORDERED = (
    *(None, Action.LARGEST, Action.SUMMARISE, Action.HEAD, Action.ROWS, Action.READ),
    *(Action.CHANGED, Action.FIND, Action.SEND, *CHANGES),
)
_ORDERS = (
    (Sort.SMALLEST, r"\b(?:smallest|tiniest|small|tiny)\b"),
    (Sort.LARGEST, r"\b(?:largest|biggest|heaviest|big|huge|large|giant|massive)\b"),
    (Sort.OLDEST, r"\boldest\b"),
    (Sort.NEWEST, r"\b(?:newest|latest|most recent)\b"),
)


def _order(action: Action | None, request: Said) -> None:
    """Order by what the person called the files: `the newest csv`, `oldest files`, `the big one`."""
    if action in _ORDERED and not request.gives("sort"):
        order = next((order for order, pattern in _ORDERS if request.has(pattern)), None)
        if order is not None:
            request.given["sort"] = order
