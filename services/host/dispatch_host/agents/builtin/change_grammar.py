"""What a person wants changed: zip, unzip, rename, sort into folders, convert, undo. Cuts it out; what is left says which files.

Deleting, moving and the like are in file_grammar.py.

Pure. Called by parse.py before anything else is understood, for the verb that begins a request decides. Data first, then
the few rules that make it a `Change`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from dispatch_host.agents.builtin import file_grammar
from dispatch_host.agents.builtin.query import Action
from dispatch_host.agents.builtin.sentence import CUT, KIND_WORDS, LITERAL, Words

_FIRST = r"^(?:and |now |then |also |but |please |just |so )*"
_ARCHIVE = r"(?:zip(?:ped)?|archive)(?: ?(?:file|archive|folder))?"
_NAME = rf"(?P<name>{LITERAL}|[\w][\w.&+-]*(?: [\w.&+-]+){{0,4}})"
_WHAT = r"(?P<what>.+?)"
_NAMES = r"(?:the |their |its |all )*(?:file ?)?(?:names?|titles?)"
_FOLDERS = r"(?:their own |own |different |separate |new |sub[- ]?)*(?:folders?|subfolders?|directories|subdirectories)"
_BY = r"(?P<by>types?|kinds?|categor(?:y|ies)|extensions?|endings?|formats?|dates?|months?|years?|days?)"

UNDO = (
    rf"{_FIRST}(?:undo|revert|reverse|roll back|rollback|take back|cancel out)"
    r"(?: (?:it|that|this|them|those|everything|all(?: of (?:it|that|them))?|the (?:last|latest|previous) (?:one"
    r"|thing|step|change|changes|action)"
    r"|(?:the|that|those|my|your) (?:last |latest )?(?:changes?|zip(?:ping)?|rename|renaming|renames|sort|sorting|move|moves"
    r"|conversion|archive|step|action|extraction|unzip(?:ping)?)|what you (?:just )?(?:did|changed)|the last "
    r"(?:rename|zip|sort|move)))?(?: again| now)?$",
    rf"{_FIRST}(?:roll|take|turn) (?:it|that|this|them|those|everything) back(?: again| now)?$",
    rf"{_FIRST}(?:put|move|change|bring|set|get|give) (?:it|that|this|them|those|everything|the files|my files)(?: all)? back"
    r"(?: (?:the way (?:it|they|things) (?:was|were)|as (?:it|they) (?:was|were)(?: before)?|where (?:it|they) (?:was"
    r"|were|came from|belong)"
    r"|how (?:it|they) (?:was|were)|again|now))?$",
    rf"{_FIRST}(?:restore|recover) (?:it|that|them|everything|the files|what you changed|the old names|the original names"
    r"|(?:it|them) (?:as|how) (?:it|they) (?:was|were))$",
    rf"{_FIRST}(?:i )?(?:want|need) (?:it|that|this|them) (?:undone|reverted|back(?: as (?:it|they) (?:was|were))?)$",
    r"^(?:no[, ]+)?(?:that was wrong|that was a mistake|oops)[, ]+(?:undo|revert)(?: (?:it|that))?$",
)

ZIP = (
    rf"{_FIRST}(?:zip|compress|archive|pack|bundle)(?: up)?(?: together)?\s+{_WHAT}(?:\s+(?:up|together))?$",
    rf"{_FIRST}(?:make|create|build|give me|put together|prepare|generate)(?: me)? (?:an? |one )?(?:new )?{_ARCHIVE}"
    rf"(?: (?:called|named) (?P<called>{LITERAL}|[\w.-]+))? (?:of|from|with|out of|containing|for) {_WHAT}$",
    rf"{_FIRST}(?:put|pack|bundle|turn|combine|pull|collect|wrap|gather)(?: up)?\s+{_WHAT}(?:\s+up)?(?: together)?"
    rf"\s+(?:in|into|in to|to|as)\s+(?:an? |one |a single )?(?:new )?{_ARCHIVE}(?: (?:called|named) "
    rf"(?P<called>{LITERAL}|[\w.-]+))?$",
)
_ZIP_NAME = (
    rf"\s+(?:(?:in|into|in to|to|as)\s+)?(?:an? |one |a single )?(?:new )?{_ARCHIVE}\s+(?:called|named)\s+{_NAME}$",
    rf"[\s,]+and (?:call|name) (?:it|the (?:zip|archive|file))\s+{_NAME}$",
    rf"\s+as\s+(?!an? )(?:the file )?{_NAME}$",
    rf"\s+(?:in|into|in to|to)\s+(?P<name>{LITERAL})$",
    rf"\s+(?:in|into|in to|to|as)\s+(?:an? |one |a single )?(?:new )?{_ARCHIVE}(?P<name>)$",
)
_FOLDER_IN = (
    r"(?:the )?(?:sub)?folder (?:called |named )?(?P<inner>[\w-]+) (?:in|inside) (?:my |the )?(?P<outer>[\w-]+)(?:"
    r" folder)?(?=$|\s+as\s)"
)

UNZIP = (
    rf"{_FIRST}(?:unzip|unpack|decompress|uncompress|unarchive)\s+{_WHAT}(?:\s+(?:into|to) (?:an? |its own )?(?:new"
    rf" )?folder)?$",
    rf"{_FIRST}extract\s+(?:(?:all |everything |the )*(?:files |contents )?(?:from|of|in|out of)\s+)?"
    rf"(?=.*(?:\bzips?\b|\barchives?\b|{LITERAL})){_WHAT}(?:\s+(?:into|to) (?:an? |its own )?(?:new )?folder)?$",
)

SORT = (
    # "sort … by date" orders a list; it takes the word folders to move anything
    rf"{_FIRST}(?:sort|organi[sz]e|group|arrange|file|put|split|separate|tidy(?: up)?|clean(?: up)?)\s+{_WHAT}"
    rf"\s+(?:by|per|based on|according to)\s+(?:the |their |its |file )*{_BY}\s+(?:in|into|in to|to)\s+{_FOLDERS}$",
    rf"{_FIRST}(?:sort|organi[sz]e|group|arrange|file|put|move|split|separate|distribute|divide|tidy(?: up)?|clean(?:"
    rf" up)?)\s+{_WHAT}"
    rf"\s+(?:in|into|in to|to)\s+{_FOLDERS}(?:,? (?:by|per|based on|according to|for each|for every|one (?:for each"
    rf"|per)|named after)"
    rf" (?:the |their |its |each |file |modification |modified |last )*{_BY})?$",
    rf"{_FIRST}(?:put|move|sort)\s+{_WHAT}\s+(?:in|into|in to)\s+(?:an? |one )?(?:folder|subfolder)s? (?:for|per) "
    rf"(?:each|every) {_BY}$",
    rf"{_FIRST}(?:organi[sz]e|tidy(?: up)?|clean up)\s+{_WHAT}\s+(?:by|per|based on|according to)\s+(?:the |their "
    rf"|its |file )*{_BY}$",
    rf"{_FIRST}(?:sort|group|arrange)\s+{_WHAT}\s+(?:by|per)\s+(?:the |their |its |file )*"
    rf"(?P<by>types?|kinds?|extensions?|endings?|month|year)$",
    rf"{_FIRST}(?:make|create)\s+{_FOLDERS} (?:by|per|for each) {_BY} (?:in|for) {_WHAT}(?: and (?:move|put|sort) .*)?$",
    rf"{_FIRST}(?:organi[sz]e|tidy(?: up)?|clean up)\s+{_WHAT}(?P<by>)$",
)
_BYS = {"t": "type", "k": "type", "c": "type", "e": "ending", "f": "ending", "m": "month", "y": "year", "d": "month"}

_TEXT = r"(?:plain )?(?:text|txt|\.txt)(?: ?files?| format| documents?)?"
_CSV = r"(?:csvs?|\.csv|comma[- ]separated)(?: ?files?| format)?"
_AS_NAME = (
    r"(?:\s*,?\s+(?:and (?:call|name) it|(?:(?:in|into|to) (?:an? )?(?:new )?(?:text )?file )?"
    rf"(?:called|named|as|to|in|into))\s+{_NAME})"
)
CONVERT = (
    rf"{_FIRST}(?:convert|turn|export|save|transform|change)\s+{_WHAT}\s+(?:in|into|to|as)\s+(?:an? |the )*(?:"
    rf"(?P<text>{_TEXT})|(?P<csv>{_CSV}))"
    rf"{_AS_NAME}?$",
    rf"{_FIRST}(?:extract|save|export|pull|write|copy)(?: out)?\s+(?:all |the |its |their |whole |full |plain )*"
    rf"(?P<text>text|words)\s+(?:from|of|out of|in)\s+{_WHAT}(?:\s+(?:in|into|to) (?:an? )?(?:new )?(?:text |txt"
    rf" )?files?)?{_AS_NAME}?$",
    rf"{_FIRST}(?:make|create|write)(?: me)? (?:an? )?(?:(?P<text>{_TEXT})|(?P<csv>{_CSV}))\s+(?:from|of|out"
    rf" of)\s+{_WHAT}{_AS_NAME}?$",
    rf"{_FIRST}(?:convert|turn|change|export|save)\s+{_WHAT}\s+(?:to|into|as)\s+(?P<to>{LITERAL})$",
)
_SHEET = (
    rf"\b(?:the )?(?:sheet|tab|worksheet)\s+(?:called |named )?(?P<sheet>{LITERAL}|[\w-]+)\s+(?:of|from|in)\b",
    rf"\b(?:the )?(?P<sheet>{LITERAL}|[\w-]+)\s+(?:sheet|tab|worksheet)\s+(?:of|from|in)\b",
    r"\b(?:the )?(?:sheet|tab|worksheet)s?\s+(?:of|from|in)\b(?P<sheet>)",
)

_SIGNS = {
    "underscore": "_",
    "space": " ",
    "dash": "-",
    "hyphen": "-",
    "dot": ".",
    "period": ".",
    "comma": ",",
    "minus": "-",
}
_PIECE = rf"(?:the )?(?:words? |text |phrase |letters? |characters? )?(?P<{{0}}>{LITERAL}|[^\s·]+)"
_OLD, _NEW = _PIECE.format("old"), _PIECE.format("new")
_OF = rf"(?:of|in|for|from|on)\s+{_WHAT}"
_LOWER = r"(?:all |to )*(?:(?P<lower>lower[- ]?case|small letters)|(?P<upper>upper[- ]?case|capitals?|capital letters))"
RENAME = (
    rf"{_FIRST}(?:replace|change|swap|turn)\s+{_OLD}\s+(?:with|by|for|to|into)\s+{_NEW}\s+in {_NAMES} {_OF}$",
    rf"{_FIRST}in {_NAMES} {_OF}[, ]+(?:replace|change)\s+{_OLD}\s+(?:with|by|to)\s+{_NEW}$",
    rf"{_FIRST}rename\s+{_WHAT}[, ]+(?:by )?(?:replacing|changing|replace|change)\s+{_OLD}\s+(?:with|by|to"
    rf"|into)\s+{_NEW}(?: in {_NAMES})?$",
    rf"{_FIRST}rename\s+{_WHAT}[, ]+(?:so that |by )?(?:removing|dropping|without|remove)\s+{_OLD}(?: from"
    rf" {_NAMES})?(?P<new>)$",
    rf"{_FIRST}(?:remove|strip|drop|delete|take)\s+{_OLD}\s+(?:from|in|out of) {_NAMES} {_OF}(?P<new>)$",
    rf"{_FIRST}(?:add|put|prepend|insert)\s+(?:the )?(?:prefix )?(?P<prefix>{LITERAL}|[^\s·]+)\s+(?:to|at|in"
    rf"|before)?\s*(?:the )?"
    rf"(?:beginning|start|front|in front|before)?(?: of)?\s*{_NAMES} {_OF}$",
    rf"{_FIRST}(?:add|append|put)\s+(?:the )?(?:suffix )?(?P<suffix>{LITERAL}|[^\s·]+)\s+(?:to|at|after)\s+(?:the"
    rf" )?(?:end of )?{_NAMES} {_OF}$",
    rf"{_FIRST}prefix\s+{_WHAT}\s+with\s+(?P<prefix>{LITERAL}|[^\s·]+)$",
    rf"{_FIRST}rename\s+{_WHAT}[, ]+(?:by )?(?:adding|prefixing|putting|add)\s+(?P<prefix>{LITERAL}|[^\s·]+)"
    rf"(?: (?:to|at|before|in)(?: the)?(?: start| beginning| front)?(?: of)?(?: {_NAMES})?)?$",
    rf"{_FIRST}(?:make|turn|change|convert|put|write)\s+{_NAMES} {_OF}\s+(?:in |into |to )*{_LOWER}$",
    rf"{_FIRST}(?:make|turn|change|convert|rename|put)\s+{_WHAT}\s+(?:in |into |to )*{_LOWER}(?: {_NAMES})?$",
    rf"{_FIRST}(?:lower[- ]?case|(?P<upper>upper[- ]?case))\s+{_NAMES} {_OF}(?P<lower>)$",
    rf"{_FIRST}change (?:the )?(?:file )?(?:extensions?|endings?) of\s+{_WHAT}\s+(?:from \S+"
    rf" )?to\s+\.?(?P<ending>[\w]{{1,8}})$",
    rf"{_FIRST}rename\s+{_WHAT}\s+to\s+(?:\*?\.)(?P<ending>[A-Za-z0-9]{{1,8}})$",
    rf"{_FIRST}(?:number|enumerate)\s+(?=the |my |all |those|these|them|files|photos|pictures){_WHAT}(?P<number>)$",
    rf"{_FIRST}(?:rename|name|call)\s+{_WHAT}\s+(?:to|as|into)\s+(?P<template>.+)$",
    rf"{_FIRST}rename\s+(?P<what>{LITERAL}|it|that|this|the (?:first|second|third|fourth|fifth|last)(?: one)?)\s+"
    rf"(?P<template>{LITERAL})$",
)
_COUNTER = re.compile(r"\{n+\}|#+|(?<!\d)0*1(?!\d)(?=\W*$)")
_SEVERAL = re.compile(r"\s*(?:,|\band\b|…|\.\.\.|\betc\b|\band so on\b).*$")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed; the words that are left say which files."""

    action: Action
    slots: dict[str, Any]


def take(words: Words) -> Change | None:
    """Cut out what is to be changed. None when nothing is."""
    text = words.text.rstrip(" ,;.!")
    if any(re.match(pattern, text, re.IGNORECASE) for pattern in UNDO):
        words.text = ""
        return Change(Action.UNDO, {})
    for action, patterns in (
        (Action.CONVERT, CONVERT),
        (Action.SORT, SORT),
        (Action.RENAME, RENAME),
        (Action.ZIP, ZIP),
        (Action.UNZIP, UNZIP),
        *file_grammar.FORMS,
    ):
        for pattern in patterns:
            match = re.match(pattern, text, re.IGNORECASE)
            if match is None:
                continue
            rule = _RULES.get(action) or partial(file_grammar.read, action)
            what, found = rule(match, words)
            if found is not None:
                words.text = f"{CUT}{what}"
                return Change(action, found)
    return None


def _groups(match: re.Match[str]) -> dict[str, str | None]:
    return {"what": "", **match.groupdict()}


def _zip(match: re.Match[str], words: Words) -> tuple[str, dict[str, Any] | None]:
    groups = _groups(match)
    what, name = (
        re.sub(_FOLDER_IN, r"\g<outer>/\g<inner> folder", groups["what"] or "", flags=re.IGNORECASE),
        groups.get("called"),
    )
    for pattern in _ZIP_NAME:
        named = re.search(pattern, what, re.IGNORECASE)
        if named is None or (named["name"] and not _may_name(named["name"], words, pattern)):
            continue
        what, name = what[: named.start()], named["name"] or name
        break
    return what, {"target": words.plain(name)} if name else {}


def _may_name(said: str, words: Words, pattern: str) -> bool:
    """Take "into X" for the archive's name only where X is one: else it is a place."""
    return pattern is not _ZIP_NAME[3] or words.plain(said).casefold().endswith(".zip")


def _unzip(match: re.Match[str], words: Words) -> tuple[str, dict[str, Any] | None]:
    del words
    return match["what"], {}


def _sort(match: re.Match[str], words: Words) -> tuple[str, dict[str, Any] | None]:
    del words
    by = (match["by"] or "type").casefold()
    return match["what"], {"how": ("day" if by.startswith("day") else _BYS[by[0]],)}


def _convert(match: re.Match[str], words: Words) -> tuple[str, dict[str, Any] | None]:
    groups = _groups(match)
    what, name = groups["what"] or "", groups.get("name")
    if groups.get("to"):
        name = groups["to"]
        ending = words.plain(name or "").rpartition(".")[2].casefold()
        if ending not in ("txt", "csv"):
            return what, None
        into = "text" if ending == "txt" else "csv"
    else:
        into = "text" if groups.get("text") else "csv"
    sheet = ""
    for pattern in _SHEET:
        said = re.search(pattern, what, re.IGNORECASE)
        if said:
            sheet = words.plain(said["sheet"])
            sheet = "" if sheet.casefold() in ("the", "a", "that", "this", "first") else sheet
            what = f"{what[: said.start()]} {what[said.end() :]}"
            break
    return what, {"how": (into, sheet), **({"target": words.plain(name)} if name else {})}


def _rename(match: re.Match[str], words: Words) -> tuple[str, dict[str, Any] | None]:
    groups = _groups(match)
    what = groups["what"] or ""
    given = {name for name, value in groups.items() if value is not None}
    if "old" in given:
        how: tuple[str, ...] = ("replace", _sign(groups["old"], words), _sign(groups["new"] or "", words))
    elif "prefix" in given:
        prefix = _sign(groups["prefix"], words)
        how = ("prefix", "{date} " if prefix.casefold() == "date" else prefix)
    elif "suffix" in given:
        how = ("suffix", _sign(groups["suffix"], words))
    elif "ending" in given:
        how = ("ending", f".{groups['ending'] or ''}".casefold())
    elif groups.get("upper"):
        how = ("case", "upper")
    elif "lower" in given:
        how = ("case", "lower")
    elif "number" in given:
        how = ("prefix", "{n} ")
    else:
        return what, _template(groups["template"] or "", words)
    return what, {"how": how}


def _template(said: str, words: Words) -> dict[str, Any] | None:
    """Take a new name, which many files share with a number: "holiday 1, holiday 2 …", "trip-###", "trip {n}"."""
    several = _SEVERAL.search(said)
    first = words.plain(_SEVERAL.sub("", said) if several else said)
    if not first or re.fullmatch(r"(?:an? )?(?:table|list)", first, re.IGNORECASE):
        return None
    counter = _COUNTER.search(first)
    if counter is not None and (several or counter[0][0] in "{#" or counter[0][0] == "0"):
        width = len(counter[0].strip("{}")) if counter[0] != "{n}" else 1
        return {"how": ("template", f"{first[: counter.start()]}{{{'n' * width}}}{first[counter.end() :]}")}
    return {"how": ("name", first)}


def _sign(said: str | None, words: Words) -> str:
    """Take a piece of a name: quoted, or one word, or a sign that goes by its name."""
    plain = re.sub(rf"{LITERAL}", lambda match: words.plain(match[0]), said or "")
    word = plain.casefold()
    known = _SIGNS.get(word) or _SIGNS.get(word.removesuffix("s")) or _SIGNS.get(word.removesuffix("es"))
    return known or plain if plain == (said or "") else plain


_Rule = Callable[[re.Match[str], Words], tuple[str, dict[str, Any] | None]]
_RULES: dict[Action, _Rule] = {
    Action.ZIP: _zip,
    Action.UNZIP: _unzip,
    Action.SORT: _sort,
    Action.CONVERT: _convert,
    Action.RENAME: _rename,
}

EXPLAINED = {
    Action.ZIP: r"zip|archive|together|up|contents?|everything|stuff|first|last|top|whole|entire|listed|shown|found",
    Action.UNZIP: r"zips?|zipped|archives?|contents?|everything|up",
    Action.SORT: r"everything|stuff|mess|loose|contents?|all",
    Action.CONVERT: r"spread ?sheets?|excel|word|contents?|everything|sheets?|whole|entire|pages|documents?|workbook",
    Action.RENAME: rf"everything|called|{KIND_WORDS}",
    Action.UNDO: r".*",
    **file_grammar.EXPLAINED,
}
