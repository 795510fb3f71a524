"""What a person wants done with files themselves: delete, move, copy, make a folder, change words in a text file.

Pure. Called by change_grammar.py, after what it knows itself; cuts out what is to be done, and what is left says with which
files. Data first, then the few rules.
"""

from __future__ import annotations

import re
from typing import Any

from dispatch_host.agents.builtin.query import Action
from dispatch_host.agents.builtin.sentence import LITERAL, Words, is_file

_FIRST = r"^(?:and |now |then |also |but |please |just |so )*"
_WHAT = r"(?P<what>.+?)"
_WHAT_FIRST = r"(?P<what>.+)"  # up to the last word that says where to
_FOLDER = r"(?:sub[- ]?)?(?:folder|directory|dir)"
_PLACE = rf"(?P<to>{LITERAL}|[\w.&+-]+(?:[ /][\w.&+-]+){{0,5}}?)"
_NEW_FOLDER = rf"(?:an? |the )?(?:new )?{_FOLDER} (?:called |named )(?P<made>{LITERAL}|[\w.&+-]+(?: [\w.&+-]+){{0,4}}?)"
_INTO = (
    rf"(?:over )?(?:to|into|in to|in|inside|onto)\s+(?:{_NEW_FOLDER}"
    rf"|(?:the |my |our )?(?:{_FOLDER} )?{_PLACE}(?:\s+{_FOLDER})?)"
)
_NOT_A_PLACE = re.compile(
    r"(?:me|us|it|them|(?:the |my |this )?(?:phone|mobile|clipboard|usb.*|cloud|desktop computer|front|back|end|top|bottom))$",
    re.IGNORECASE,
)
_TRASH = r"(?:the |my )?(?:trash(?: ?can)?|bin|recycle bin|rubbish)"

DELETE = (
    rf"{_FIRST}(?:move|put|throw|send|toss)\s+{_WHAT}\s+(?:to|in|into)\s+{_TRASH}$",
    rf"{_FIRST}(?:throw|toss)\s+(?:away|out)\s+{_WHAT}$",
    rf"{_FIRST}(?:throw|toss)\s+{_WHAT}\s+(?:away|out)$",
    rf"{_FIRST}(?:delete|remove|erase|trash|bin|get rid of|rm|rmdir)\s+{_WHAT}$",
)
# Parts of a file or of its name are no files.
_NO_FILES = re.compile(
    r"\b(?:rows?|columns?|lines?|pages?|words?|duplicat\w*|spaces?|names? of|passwords?|metadata)\b"
    r"|\b(?:extensions?|prefix|suffix)\b",
    re.IGNORECASE,
)
MOVE = (rf"{_FIRST}(?:move|put|shift|transfer|mv)\s+{_WHAT_FIRST}\s+{_INTO}$",)
COPY = (
    rf"{_FIRST}(?:copy|cp|back ?up)\s+{_WHAT_FIRST}\s+{_INTO}$",
    rf"{_FIRST}(?:make|create|put)\s+(?:an? |the )?(?:copy|copies|duplicate|backup)\s+of\s+{_WHAT_FIRST}\s+{_INTO}$",
    rf"{_FIRST}copy\s+{_WHAT}\s+(?:as|and (?:call|name) it)\s+(?P<to>{LITERAL}|[\w.-]+)$",
    rf"{_FIRST}(?:make|create)\s+(?:an? |the )?(?:copy|duplicate|backup)\s+of\s+{_WHAT}"
    rf"(?:\s+(?:called|named|as)\s+(?P<to>{LITERAL}|[\w.-]+))?$",
)
_MAKE = rf"{_FIRST}(?:make|create|add)(?: me)?\s+(?:an? |the )?(?:new |empty )*{_FOLDER}"
_MADE = rf"(?P<made>{LITERAL}|[\w.&+][\w.&+/-]*(?: [\w.&+/-]+){{0,4}}?)"
MAKE_FOLDER = (
    rf"{_MAKE}\s+(?=in\b|inside\b|under\b){_WHAT}\s+(?:called|named)\s+{_MADE}$",
    rf"{_MAKE}\s+at\s+(?P<made>{LITERAL})$",
    rf"{_MAKE}\s+(?:called |named )?{_MADE}(?:\s+(?=in\b|inside\b|under\b){_WHAT})?$",
    rf"{_FIRST}mkdir\s+(?:(?:-p|-v|-pv|--parents)\s+)*(?P<made>{LITERAL}|(?!-)[^\s·]+)(?:\s+(?=in\b|inside\b|under\b){_WHAT})?$",
)

_FILE = rf"(?P<what>(?:the |my )?(?:text )?(?:file )?(?:{LITERAL}|it|that|this)(?:\s+file)?(?:\s+(?:in|from|inside)\s+[^·]+)?)"
_END = r"(?:(?:the )?(?P<where>end|bottom|top|beginning|start|front) of )?"
_A_LINE = (
    r"(?:(?:an? |the |another |one )?(?:new |more )?(?:line|entry|item|note|text|words?|sentence|paragraph|reminder)s?"
    r"(?: (?:saying|with|that says|reading|of))?(?: the (?:text|words?))?\s*:?\s*)?"
)
_WORDS = rf"{LITERAL}|[^\s·]+(?: [^\s·]+){{0,8}}?"
EDIT = (
    rf"{_FIRST}(?:add|append|put|insert|write|prepend)\s+{_A_LINE}(?P<add>.+?)\s+(?:to|at|in|into|on)\s+{_END}{_FILE}$",
    rf"{_FIRST}(?:add|append|write|insert|prepend)\s+(?:an? |this )?(?:new )?(?:line )?(?:to|at|in|into)\s+{_END}"
    rf"(?P<what>(?:the |my )?(?:file )?{LITERAL})\s*[:,·]\s*(?P<add>.+)$",
    rf"{_FIRST}(?:replace|change|swap|substitute)\s+(?:the )?(?:words? |text |phrase )?"
    rf"(?P<old>{_WORDS})\s+(?:with|by|to|for|into)\s+(?P<new>{_WORDS})\s+(?:everywhere )?in\s+{_FILE}$",
    rf"{_FIRST}in\s+(?P<what>(?:the |my )?(?:file )?{LITERAL})[, ]+(?:replace|change|swap)\s+(?:the )?(?:words? |text |phrase )?"
    rf"(?P<old>{_WORDS})\s+(?:with|by|to|for|into)\s+(?P<new>{_WORDS})$",
    rf"{_FIRST}(?:delete|remove|drop)\s+(?:the |every |all )?lines?\s+"
    rf"(?:(?:with|containing|that (?:says?|contains?)|saying|of)\s+)?"
    rf"(?:the (?:words?|text) )?(?P<line>{_WORDS})\s+(?:from|in|out of)\s+{_FILE}$",
    rf"{_FIRST}(?:create|make|write|start)(?: me)?\s+(?:an? |the )?(?:new )?(?:text )?(?:file|note)\s+(?:called |named )?"
    rf"(?P<fresh>{LITERAL})(?:\s+(?P<what>in(?:side)?\s+[^·:]+?))?"
    rf"(?:\s*:|\s+(?:with|containing|saying|that says|and write))(?: (?:the |these )?(?:text|words?|lines?|contents?))?:?"
    rf"\s+(?P<content>.+)$",
    rf"{_FIRST}(?:create|make|touch)\s+(?:an? |the )?(?:new |empty )*(?:text )?(?:file )?(?:called |named )?"
    rf"(?P<fresh>{LITERAL})(?:\s+(?P<what>in(?:side)?\s+[^·]+))?$",
)

FORMS: tuple[tuple[Action, tuple[str, ...]], ...] = (
    (Action.EDIT, EDIT),
    (Action.DELETE, DELETE),
    (Action.COPY, COPY),
    (Action.MOVE, MOVE),
    (Action.MAKE_FOLDER, MAKE_FOLDER),
)
_ALL = re.compile(r"\b(?:all|every|everything|files?|contents?|both|stuff)\b", re.IGNORECASE)

EXPLAINED = {
    Action.DELETE: r"everything|stuff|contents?|all|every|listed|shown|found|whole|entire|permanently",
    Action.MOVE: r"everything|stuff|contents?|all|every|listed|shown|found|whole|entire",
    Action.COPY: r"everything|stuff|contents?|all|every|listed|shown|found|whole|entire",
    Action.MAKE_FOLDER: r"",
    Action.EDIT: r"text",
}


def read(action: Action, match: re.Match[str], words: Words) -> tuple[str, dict[str, Any] | None]:
    """Give what is left to be understood, and the fields of the query; None where it is no such request after all."""
    said = {name: value for name, value in match.groupdict().items() if value is not None}
    what = said.get("what", "")
    match action:
        case Action.EDIT:
            return what, _edit(said, words)
        case Action.DELETE:
            plain = re.sub(LITERAL, "", what)
            return what, None if _NO_FILES.search(plain) else {"how": (_whole(plain),)}
        case Action.MAKE_FOLDER:
            return what, {"target": words.plain(said["made"])}
        case _:
            if "made" in said:
                return what, {"how": (_whole(what), "new"), "target": words.plain(said["made"])}
            to = words.plain(said["to"]) if "to" in said else ""
            if _NOT_A_PLACE.match(to):
                return what, None
            return what, {"how": (_whole(what), ""), **({"target": to} if to else {})}


def _whole(what: str) -> str:
    """Tell files in a folder, which are meant by "all files in x", from the folder itself."""
    return "files" if _ALL.search(what) else ""


def _edit(said: dict[str, str], words: Words) -> dict[str, Any] | None:
    if "fresh" in said:
        name = words.plain(said["fresh"])
        return {"how": ("write", _verbatim(said.get("content", ""), words)), "target": name} if is_file(name) else None
    if "add" in said:
        at_top = said.get("where", "end") in ("top", "beginning", "start", "front")
        return {"how": ("prepend" if at_top else "append", _verbatim(said["add"], words))}
    if "line" in said:
        return {"how": ("drop", _verbatim(said["line"], words))}
    return {"how": ("replace", _verbatim(said["old"], words), _verbatim(said["new"], words))}


def _verbatim(said: str, words: Words) -> str:
    """Give words as the person wrote them, less the quotes."""
    while re.search(LITERAL, said):  # a quote may hold another
        said = re.sub(LITERAL, lambda found: words.plain(found[0]), said)
    return said.strip()
