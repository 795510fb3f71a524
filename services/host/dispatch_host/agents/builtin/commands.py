"""From what a person wrote to a program to run, if that is what they ask for. Pure; a phrasing more is a line more in a table.

Runs in the worker: patterns over whatever a phone wrote have no place in the host's process. Called by errand.py: what is no
program is everything else. Nothing is guessed: a request is one of these forms from its first word to its last, and what comes
of it is shown and asked before anything starts.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from enum import StrEnum

from dispatch_host.agents.builtin import grammar

LONGEST = 2000  # characters


class Kind(StrEnum):
    """What is asked for."""

    TESTS = "tests"
    SCRIPT = "script"
    COMMAND = "command"
    STATUS = "git status"
    COMMIT = "git commit"
    AGAIN = "again"
    OUTPUT = "output"


FOLLOWS = frozenset({Kind.AGAIN, Kind.OUTPUT})
"""Those that mean something only after a program has run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request for a program."""

    kind: Kind
    words: tuple[str, ...] = field(
        default=(), repr=False
    )  # of a command: what to start; of a script: it and its arguments
    folder: str | None = field(default=None, repr=False)  # as the person said it
    message: str | None = field(default=None, repr=False)  # of a commit
    lines: int | None = None  # of the output


_QUOTED = r"`[^`]+`|\"[^\"]+\"|“[^”]+”|'[^']+'|‘[^’]+’"
_NAMED = rf"(?P<folder>{_QUOTED}|[^\s`\"'“‘,;:]+(?: [^\s`\"'“‘,;:]+){{0,3}}?)"
_KIND_OF_FOLDER = r"(?:folder|directory|project|repo(?:sitory)?|code(?:base)?)"
_IN = (
    rf"(?:\s+(?:in|of|for|inside|from|at|on)\s+(?:the\s+|my\s+)?(?:{_KIND_OF_FOLDER}\s+(?:at\s+)?)?{_NAMED}"
    rf"(?:\s+{_KIND_OF_FOLDER})?)?"
)
_RUN = r"(?:re-?run|run|execute|start|launch)"
_TESTS = r"(?:(?:all|the|my|its|unit|project(?:'s)?)\s+)*(?:unit\s*)?test(?:s|\s*suite)?"
_ALL = (
    r"(?:this|it|that|them|everything|all(?:\s+of\s+(?:it|this|that))?"
    r"|(?:all\s+)?(?:(?:the|my|these|those)\s+)?(?:changes?|work|files))"
)
_MESSAGE = r"(?:(?:with|using|and|,)?\s*(?:the\s+|a\s+)?(?:commit\s+)?(?:message|msg)\s*(?:is|of|:|=)?|-a?m|:|as)"
_SCRIPT = r"[^\s`\"'“‘]+\.(?:py|sh|bash|js|mjs|cjs|rb|pl|php|lua|r)"
# What begins a command that is not quoted: elsewhere "run" may mean anything.
_KNOWN = (
    r"(?:git|make|npm|npx|yarn|pnpm|node|deno|bun|python3?|pytest|tox|nox|uv|ruff|mypy|cargo|rustc|go|gradle|mvn|java|javac|dotnet|ruby"
    r"|rake|bundle|perl|php|composer|cmake|ctest|ninja|gcc|cc|g\+\+|clang|sh|bash|ls|cat|head|tail|wc|grep|find|du|df|date|echo|uname"
    r"|sort|uniq|diff|tree|env|which|\./[^\s]+)"
)
_BARE = r"(?:git|npm|npx|yarn|pnpm|pytest|cargo|tox)"  # those that no sentence begins with

_FORMS: tuple[tuple[Kind, str], ...] = (
    (Kind.AGAIN, rf"(?:{_RUN}|do|try)\s+(?:it|that|this|them)\s+again|again|once more|re-?run(?:\s+(?:it|that|this))?"),
    (
        Kind.OUTPUT,
        (
            r"(?:show|give|print|see|get|display)?\s*(?:me\s+)?(?:the\s+)?"
            r"(?:last\s+(?P<lines>\d{1,4})\s+lines(?:\s+of\s+(?:the|its|that)\s+(?:output|log))?"
            r"|(?:end|tail|rest|last part)\s+of\s+(?:the|its|that)\s+(?:output|log)|(?:whole\s+|full\s+)?output)"
        ),
    ),
    (Kind.TESTS, rf"{_RUN}\s+{_TESTS}(?:\s+again)?{_IN}(?:\s+again)?"),
    (
        Kind.TESTS,
        rf"(?:check\s+(?:if|whether)|see\s+(?:if|whether)|do|are|did)?\s*{_TESTS}\s+(?:pass|passing|green|run){_IN}",
    ),
    (Kind.TESTS, r"test\s+(?P<folder>[~/.][^\s]*)"),
    (
        Kind.STATUS,
        rf"(?:{_RUN}\s+|(?:what(?:'s|’s| is)|show|check|get)\s+(?:me\s+)?(?:the\s+)?)?git\s+status{_IN}",
    ),
    (
        Kind.STATUS,
        rf"(?:are there|do i have|is there anything|any)\s+(?:any\s+)?uncommitted(?:\s+(?:changes|work|files))?{_IN}",
    ),
    (Kind.COMMIT, rf"(?:git\s+)?commit(?:\s+{_ALL})?{_IN}\s*{_MESSAGE}\s*(?P<message>{_QUOTED})(?P<after>\s+in\s+.+)?"),
    (Kind.COMMIT, rf"(?:git\s+)?commit(?:\s+{_ALL})?{_IN}\s*{_MESSAGE}\s+(?P<message>[^`\"“].*)"),
    (Kind.COMMIT, rf"(?:git\s+)?commit\s+{_ALL}{_IN}"),
    (Kind.COMMAND, rf"{_RUN}\s+(?:the\s+)?(?:shell\s+)?(?:command\s*:?\s+|program\s+)?(?P<quoted>{_QUOTED}){_IN}"),
    (
        Kind.SCRIPT,
        (
            rf"{_RUN}\s+(?:the\s+|my\s+)?(?:script\s+|file\s+|program\s+)?(?P<script>{_SCRIPT})"
            rf"(?:\s+(?:with\s+(?:the\s+)?(?:arguments?\s+|options?\s+)?)?(?P<arguments>-.+?))?{_IN}"
        ),
    ),
    (Kind.COMMAND, rf"{_RUN}\s+(?:the\s+)?(?:command\s*:?\s+)?(?P<command>{_KNOWN}(?:\s.+?)?){_IN}"),
    (Kind.COMMAND, rf"(?P<command>{_BARE}(?:\s.+?)?){_IN}"),
)
_FORMS_OF = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _FORMS)
_FILLERS = (r"(?<=[^.\s])[.!?]+$", r"[\s,]+(?:please|pls|thanks|thank you)$", r"^and\s+(?:then\s+)?|^now\s+")
_FOR_A_SHELL = re.compile(r"[|&;<>$*?(){}\[\]~#\n\\]|^\w+=")


def understand(text: str) -> Wanted | None:
    """Tell which program a person asks for; None when they ask for none of these forms."""
    if len(text) > LONGEST or "\0" in text:
        return None
    said = impolite(text)
    for kind, form in _FORMS_OF:
        match = form.fullmatch(said)
        if match is not None and (wanted := _wanted(kind, {k: v for k, v in match.groupdict().items() if v})):
            return wanted
    return None


def _wanted(kind: Kind, said: dict[str, str]) -> Wanted | None:
    folder = _plain(said["folder"]) if "folder" in said else None
    match kind:
        case Kind.COMMIT:
            after = re.fullmatch(_IN, said.get("after", ""), re.IGNORECASE)
            if after is None:
                return None
            folder = _plain(after["folder"]) if after["folder"] else folder
            return Wanted(kind=kind, folder=folder, message=_plain(said["message"]) if "message" in said else None)
        case Kind.OUTPUT:
            return Wanted(kind=kind, lines=int(said["lines"]) if "lines" in said else None)
        case Kind.SCRIPT:
            words = _split(said.get("arguments", ""))
            return None if words is None else Wanted(kind=kind, words=(said["script"], *words), folder=folder)
        case Kind.COMMAND:
            return _command(_plain(said.get("quoted", said.get("command", ""))), folder)
        case _:
            return Wanted(kind=kind, folder=folder)


def _command(line: str, folder: str | None) -> Wanted | None:
    """Take a line apart as a shell would; one that needs a shell gets one."""
    if re.fullmatch(_SCRIPT, line, re.IGNORECASE):
        return Wanted(kind=Kind.SCRIPT, words=(line,), folder=folder)
    words = ("sh", "-c", line) if _FOR_A_SHELL.search(line) else _split(line)
    return Wanted(kind=Kind.COMMAND, words=words, folder=folder) if words else None


def _split(line: str) -> tuple[str, ...] | None:
    try:
        return tuple(shlex.split(line))
    except ValueError:
        return None


def _plain(said: str) -> str:
    """Take the quotes off."""
    said = said.strip()
    return said[1:-1] if re.fullmatch(_QUOTED, said) else said


def impolite(text: str) -> str:
    """Take away what says nothing but please, and the point at the end."""
    before, text = "", text.strip()
    while text != before:
        before = text
        for pattern in (*grammar.POLITE, *_FILLERS):
            text = re.sub(pattern, "", text, flags=re.IGNORECASE).strip()
    return text
