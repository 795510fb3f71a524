"""From what a person wrote to a Query: a table of actions over the slots that slots.py cuts out.

Pure. Understands nothing rather than half: a word that no slot, no action and no filler explains makes the whole request
not understood, so that "the largest planets" never lists files. Called by program.py; followup.py completes a request
that only makes sense after another one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from dispatch_host.agents.builtin import change_grammar, file_slots, grammar, slots, when
from dispatch_host.agents.builtin.query import CHANGES, Action, Query, Sort
from dispatch_host.agents.builtin.sentence import CUT, FILE_NAME, LITERAL, Words, is_file, is_path, literals

FILE_CHANGES = "change files"  # what a refused request wanted, for the answer
DESKTOP = "desktop"
_LONGEST = 1000  # characters: nobody asks for a list of files in more, and patterns must not be kept busy
_LONGEST_NAME = 8  # words of a file's name that is not quoted


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
    wants: str | None = None  # FILE_CHANGES or DESKTOP: clearly not for this assistant

    @property
    def understood(self) -> bool:
        """Tell whether every word was explained."""
        return not self.left and self.wants is None

    def query(self) -> Query | None:
        """Give the request as it stands alone, if it does."""
        if self.action is None or not self.understood:
            return None
        return Query(action=self.action, **self.slots)


def parse(text: str, *, now: datetime, folders: Sequence[str]) -> Parsed:
    """Understand a request. `folders` are the names of the approved folders; small slips of the keyboard are mended."""
    if len(text) > _LONGEST:
        return Parsed()
    parsed = _parse(text, now=now, folders=folders)
    if parsed.understood and (parsed.action is not None or parsed.slots or parsed.pick is not None):
        return parsed
    if parsed.wants is None:
        mended = _mend(text, folders)
        if mended != text:
            again = _parse(mended, now=now, folders=folders)
            if again.understood and again.action is not None:
                return again
        if "file" in parsed.slots:
            return _with_longer_name(text, parsed, now=now, folders=folders) or parsed
    return parsed


def _with_longer_name(text: str, parsed: Parsed, *, now: datetime, folders: Sequence[str]) -> Parsed | None:
    """Take words that nothing explains, just before a file's name, as its beginning: "summarise Lease agreement.pdf".

    People don't quote. The fewest words that leave nothing unexplained are the name. It reaches back over no preposition,
    else "the average amount in orders.csv" were one; nor over the whole request, which must still say what to do.
    """
    named = re.search(FILE_NAME, text, re.IGNORECASE)
    if named is None:
        return None
    at = named.start()
    for word in reversed(re.findall(r"[^\s\"'“”]+\s+$|[^\s\"'“”]+(?=\s)", text[:at])[-_LONGEST_NAME:]):
        at = text.rindex(word, 0, at)
        if re.fullmatch(grammar.NOT_IN_A_NAME, word.strip(), re.IGNORECASE) or not _impolite(text[:at]):
            return None
        quoted = f'{text[:at]}"{text[at : named.end()]}"{text[named.end() :]}'
        again = _parse(quoted, now=now, folders=folders)
        if again.understood and again.action is not None and again.slots.keys() <= parsed.slots.keys():
            return again
    return None


def _impolite(text: str) -> str:
    """Take away what says nothing but please."""
    before = None
    while text != before:
        before = text
        for pattern in grammar.POLITE:
            text = re.sub(pattern, "", text, flags=re.IGNORECASE).strip()
    return text


def _parse(text: str, *, now: datetime, folders: Sequence[str]) -> Parsed:
    words = literals(text)
    words.text = _impolite(words.text)
    if re.fullmatch(grammar.RULES[0][1], words.text, re.IGNORECASE):
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
    said["phrase"] = _phrase(words, folders)
    said["sort"] = slots.sort(words)
    found = when.find(words.text, now)
    if found is not None:
        span, words.text = found
        said["since"], said["until"] = span.since, span.until
    said["count"], said["tail"] = slots.count(words)
    said["file"] = file_slots.file(words)
    picked = slots.pick(words)
    if picked == slots.IT and said["attached"]:
        picked = None
    said["places"] = file_slots.places(words, folders)
    if said["name"] is None:
        said["name"] = file_slots.name_by_noun(words)
    if said["name"] is None:
        said["name"] = file_slots.name_before(words)
    said["kind"] = file_slots.kind(words)
    given = {name: value for name, value in said.items() if value not in (None, False, ())}
    action = _action(whole, words, given, picked, joins)
    return _finish(words, whole, action, given, picked, joins)


def _changing(words: Words, change: change_grammar.Change, now: datetime, folders: Sequence[str]) -> Parsed:
    """Understand which files are to be changed, from what is left when it was cut out what is to be done with them."""
    said: dict[str, Any] = dict(change.slots)
    said["attached"] = _attached(words)
    said["name"] = file_slots.name(words)
    whole = words.text
    said["minimum_bytes"], said["maximum_bytes"] = slots.sizes(words)
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
    given = {name: value for name, value in said.items() if value not in (None, False, ())}
    return _finish(words, whole, change.action, given, picked, joins=False)


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
            else DESKTOP
        )
    if words.has(rf"{grammar.CLAUSE}(?:{grammar.DESKTOP_VERBS})\b(?=\s|$)"):
        return DESKTOP
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


def _phrase(words: Words, folders: Sequence[str]) -> str | None:
    """Cut out what to search inside files. "search for pdfs named x" is no search inside files but for them."""
    for pattern in grammar.SEARCHES:
        match = re.search(pattern, words.text, re.IGNORECASE)
        if match is None:
            continue
        raw = match["value"].strip()
        value = words.plain(raw)
        quoted = re.fullmatch(LITERAL, raw) is not None
        if not value or (quoted and (is_file(value) or is_path(value))):
            continue
        if not quoted and re.search(
            rf"\b(?:{grammar.FILES}|folders?|duplicates?|dupes|director\w+|new|recent)\b",
            " ".join(raw.split()[:5]),
            re.IGNORECASE,
        ):
            continue
        if not quoted and re.fullmatch(r"(?:it|them|that|this|those|me|my|the)(?: .*)?", raw, re.IGNORECASE):
            continue
        groups = match.groupdict()
        keep = f"{groups.get('keep') or ''} {groups.get('where') or ''}"
        words.text = f"{words.text[: match.start()]}{CUT}{keep}{CUT}search_for_phrase {words.text[match.end() :]}"
        if not quoted and words.has(r"search_for_phrase\s+in (?:the )?(?:their |its )?(?:file ?)?(?:names?|titles?)\b"):
            return None
        return value
    return None


def _action(whole: str, words: Words, given: dict[str, Any], picked: int | None, joins: bool) -> Action | None:
    if "measures" in given:
        return Action.MEASURE
    if "phrase" in given:
        return Action.SEARCH
    ranked = (
        whole
        if "sort" not in given
        else f"{whole} size_sort"
        if given["sort"] in (Sort.LARGEST, Sort.SMALLEST)
        else whole
    )
    if "summarise" in given:
        return Action.FIND if given.keys() & {"kind", "name", "places", "since"} else Action.SUMMARISE
    targets = given.keys() & {
        "kind",
        "name",
        "file",
        "attached",
        "places",
        "since",
        "until",
        "minimum_bytes",
        "maximum_bytes",
    }
    one_file = (
        "file" in given
        or "attached" in given
        or picked is not None
        or given.get("kind") in ("csv", "pdf", "spreadsheet", "text")
        or "name" in given
    )
    for action, pattern in grammar.RULES:
        if not re.search(pattern, ranked, re.IGNORECASE):
            continue
        if pattern is grammar.WHATS_IN and ("places" in given or re.search(r"\bfolders?\b", whole, re.IGNORECASE)):
            continue
        if action is Action.LARGEST and not (
            targets
            or re.search(
                (
                    r"\bfiles?\b|\bdisk\b|\bspace\b|\bthings?\b|\bstuff\b|\bwhat(?:'s| is)\b"
                    r"|^(?:show |list )?(?:me )?(?:the |my )?(?:\d+ )?(?:largest|biggest)$"
                ),
                whole,
                re.IGNORECASE,
            )
        ):
            continue
        if (
            action is Action.LARGEST
            and (given.keys() & {"minimum_bytes", "maximum_bytes"})
            and not re.search(r"\b(?:largest|biggest|smallest)\b", words.text, re.IGNORECASE)
        ):
            continue
        if action is Action.CHANGED and not (
            targets
            or re.search(
                (
                    r"\bfiles?\b|\bwhat\b|\bwhat's\b|\bdocuments?\b|\bfolders?\b|\banything\b"
                    r"|^(?:show |list )?(?:me )?(?:the )?(?:newest|latest|recent)"
                ),
                whole,
                re.IGNORECASE,
            )
        ):
            continue
        if action is Action.SUMMARISE and picked and given.keys() & {"name", "places", "since"}:
            given["summarise"] = picked
            return Action.FIND
        if action is Action.SUMMARISE and not (one_file or picked is not None):
            if re.search(r"\b(?:files?|folders?)\b", whole, re.IGNORECASE) or "places" in given:
                return Action.USAGE if "file" not in given else action
            return action
        named = given.keys() & {"file", "name", "attached"} or any(is_path(place) for place in given.get("places", ()))
        if action is Action.READ and picked is None and not named:
            continue
        if action is Action.USAGE and "file" in given:
            return Action.FIND
        if action is Action.USAGE and picked is not None and not targets:
            return Action.FIND
        if action is Action.HEAD and not (one_file or "count" in given):
            continue
        if (
            action is Action.COUNT
            and not targets
            and not re.search(r"\b(?:files?|folders?|documents?)\b", whole, re.IGNORECASE)
        ):
            continue
        if action is Action.FIND:
            if "attached" in given and re.search(
                r"\b(?:in|inside) (?:it|(?:the |this |my )?file)\b", whole, re.IGNORECASE
            ):
                return Action.SUMMARISE
            if "file" in given or picked is not None:
                return (
                    Action.FIND
                    if re.search(r"\b(?:where|find|locate|search|is there|do i have)\b", whole, re.IGNORECASE)
                    else Action.READ
                    if not _only_fragment(whole)
                    else None
                )
            if not targets and not re.search(r"\b(?:files|documents|everything|folders?)\b", whole, re.IGNORECASE):
                return _bare_find(words, given)
        return action
    if given.keys() & {"since", "until"} and not joins:
        return Action.CHANGED
    if given.keys() & {"minimum_bytes", "maximum_bytes"} or (given.keys() & {"kind", "name"} and not joins):
        return Action.FIND
    if "file" in given and not given.keys() - {"file", "places", "style"}:
        return Action.READ
    return None


def _only_fragment(whole: str) -> bool:
    return re.search(r"\b(?:show|see|display|read|open|get|give|list|print)\b", whole, re.IGNORECASE) is None


def _bare_find(words: Words, given: dict[str, Any]) -> Action | None:
    """`find invoices`, `where is my passport scan`: one or two words after a verb of finding are a name."""
    match = words.take(
        r"^(?:find|locate|where(?:'s| is| are)|do i have|look for|search for)(?: me)?(?: my| the"
        r"| an?| any| all)?\s+(?P<name>[\w&-]+(?: [\w&-]+)?)$"
    )
    if match is None or re.search(rf"\b(?:{grammar.ADJECTIVES})\b", match["name"], re.IGNORECASE):
        return None
    given["name"] = match["name"]
    given["loose"] = True
    return Action.FIND


def _finish(
    words: Words, whole: str, action: Action | None, given: dict[str, Any], picked: int | None, joins: bool
) -> Parsed:
    explained = (
        {**grammar.EXPLAINED, **change_grammar.EXPLAINED}.get(action, "")
        if action
        else (
            r"also|what|about|same|again|only|just|instead|sort\w*|reverse|order|more|filter|limit"
            r"|repeat|narrow|restrict|now|change|show|without|first|largest|biggest|newest|latest"
            r"|oldest|smallest"
        )
    )
    left = [word for word in words.left() if not re.fullmatch(f"{explained}|{grammar.ADJECTIVES}", word, re.IGNORECASE)]
    if (
        action is Action.FIND
        and "name" not in given
        and 0 < len(left) <= 3
        and re.search(
            r"\b(?:find|locate|where|search|look(?:ing)? for|do i have|is there|are there|any)\b", whole, re.IGNORECASE
        )
        and given.keys() & {"places", "since", "until", "minimum_bytes", "maximum_bytes", "kind"}
    ):
        given["name"] = " ".join(left)
        if not given.keys() & {"places", "kind"}:
            given["loose"] = True
        left = []
    if (
        action in (Action.SUMMARISE, Action.HEAD, Action.ROWS, Action.READ, Action.SEND, *CHANGES)
        and "name" not in given
        and "file" not in given
        and picked is None
        and 0 < len(left) <= 3
    ):
        given["name"] = " ".join(left)
        if "places" not in given:
            given["loose"] = True
        left = []
    _adjectives(action, whole, given)
    more = action is None and re.search(r"\bmore\b", whole, re.IGNORECASE) is not None
    reverse = action is None and re.search(r"\breverse\b|\bother way (?:a)?round\b", whole, re.IGNORECASE) is not None
    return Parsed(action, given, picked, joins, tuple(left), more, reverse)


def _adjectives(action: Action | None, whole: str, given: dict[str, Any]) -> None:
    """Order by what the person called the files: `the newest csv`, `oldest files`, `the big one`."""
    if "sort" in given:
        return
    if action in (
        Action.LARGEST,
        None,
        Action.SUMMARISE,
        Action.HEAD,
        Action.ROWS,
        Action.READ,
        Action.CHANGED,
        Action.FIND,
        Action.SEND,
        *CHANGES,
    ):
        for order, pattern in (
            (Sort.SMALLEST, r"\b(?:smallest|tiniest|small|tiny)\b"),
            (Sort.LARGEST, r"\b(?:largest|biggest|heaviest|big|huge|large|giant|massive)\b"),
            (Sort.OLDEST, r"\boldest\b"),
            (Sort.NEWEST, r"\b(?:newest|latest|most recent)\b"),
        ):
            if re.search(pattern, whole, re.IGNORECASE):
                given["sort"] = order
                return


def _mend(text: str, folders: Sequence[str]) -> str:
    """Mend slips of the keyboard in words that matter, outside quotes. Only tried on what was not understood."""
    known = [*grammar.KEYWORDS, *(name.casefold() for name in folders if name.isalpha())]

    def better(match: re.Match[str]) -> str:
        word = match[0].casefold()
        if len(word) < 4 or word in known or match.string[match.start() - 1 : match.start()] in ("/", ".", "~"):
            return match[0]
        close = difflib.get_close_matches(word, known, n=1, cutoff=0.82)
        return close[0] if close else match[0]

    pieces = re.split(r"(\"[^\"]*\"|“[^”]*”|'[^']*')", text)
    return "".join(piece if index % 2 else re.sub(r"[A-Za-z]+", better, piece) for index, piece in enumerate(pieces))


def with_slots(query: Query, given: dict[str, Any]) -> Query:
    """Change an earlier request by what was said now."""
    return replace(query, **given)
