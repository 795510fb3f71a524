"""What the owner wrote into `connectors.json`, as values; and every mistake in it, with its place. Pure; docs/connectors.md.

Values that may hold a secret stay templates here. They are filled in when a connector starts, by `Template.filled`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import urlsplit

START_SECONDS, CALL_SECONDS = 60.0, 120.0
MOST_SECONDS = 3600.0
TOP = "mcpServers"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_DIGEST = re.compile(r"[0-9a-f]{32}")
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_FOR_ALL = {"type", "disabled", "tools", "startSeconds", "callSeconds"}
_FOR_PROGRAMS = {"command", "args", "env", "cwd", "sandbox", "network", "ours"}
_FOR_SERVERS = {"url", "headers"}
_TYPES = {"stdio": "command", "http": "url", "streamable-http": "url"}


class Unfilled(Exception):
    """A variable is not set, or a file can't be read. The text names it, and not what is in it."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A value as its server gets it."""

    text: str = field(repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    """What its places were filled with: each is as secret as the whole."""


@dataclass(frozen=True, slots=True)
class Template:
    """A value with places for variables (`${NAME}`) and files (`${file:PATH}`)."""

    text: str = field(repr=False)

    @property
    def has_places(self) -> bool:
        """Tell whether something is filled in."""
        return _PLACEHOLDER.search(self.text) is not None

    def filled(self, environment: Mapping[str, str], read: Callable[[str], str]) -> Filled:
        """Fill in what is there now; `read` gives what is in a file. Raises Unfilled."""
        gave: list[str] = []

        def fill(place: re.Match[str]) -> str:
            kind, _, path = place[1].partition(":")
            if kind == "file":
                gave.append(read(path).removesuffix("\n").removesuffix("\r"))
                return gave[-1]
            name = path if kind == "env" else place[1]
            if name not in environment:
                raise Unfilled(f"the variable {name} is not set for dispatch-host run")
            gave.append(environment[name])
            return gave[-1]

        return Filled(_PLACEHOLDER.sub(fill, self.text), gave)

    def filled_openly(self, environment: Mapping[str, str]) -> str:
        """Fill in the variables that are set, and nothing for the rest: for looking at paths in it. Reads no file."""

        def fill(place: re.Match[str]) -> str:
            kind, _, name = place[1].partition(":")
            return "" if kind == "file" else environment.get(name if kind == "env" else place[1], "")

        return _PLACEHOLDER.sub(fill, self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByProgram:
    """A server that is started here and spoken to through its standard streams."""

    command: str
    args: Sequence[str] = ()
    env: Mapping[str, Template] = field(default_factory=dict)
    cwd: str = ""  # the home unless said
    sandbox: bool = False
    network: bool = False  # in the sandbox
    ours: bool = False  # by the owner's word, the code among its words leads nowhere where agents may write


@dataclass(frozen=True, slots=True, kw_only=True)
class ByUrl:
    """A server that runs elsewhere."""

    url: str
    headers: Mapping[str, Template] = field(default_factory=dict)


How: TypeAlias = ByProgram | ByUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One connector."""

    name: str
    how: How
    unasked: Mapping[str, str] = field(default_factory=dict)  # by tool that the owner need not be asked for, its digest
    start_seconds: float = START_SECONDS
    call_seconds: float = CALL_SECONDS

    @property
    def templates(self) -> Mapping[str, Template]:
        """Give what may hold secrets."""
        return self.how.env if isinstance(self.how, ByProgram) else self.how.headers


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that can't be meant."""

    connector: str  # empty for the file itself
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Definitions:
    """The whole file."""

    by_name: Mapping[str, Definition] = field(default_factory=dict)
    disabled: Sequence[str] = ()
    mistakes: Sequence[Mistake] = ()


def read(text: str) -> Definitions:
    """Read the file; one connector with a mistake takes no other with it."""
    try:
        content = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as failure:
        place = f"line {failure.lineno}" if isinstance(failure, json.JSONDecodeError) else "the file"
        return Definitions(mistakes=[Mistake("", place, "it is no JSON")])
    if not isinstance(content, _Object) or set(content) != {TOP} or not isinstance(content[TOP], _Object):
        return Definitions(mistakes=[Mistake("", "the file", f'it holds one object: {{"{TOP}": {{…}}}}')])
    servers: _Object = content[TOP]
    mistakes = [Mistake(name, f"{TOP}.{name}", "it is there twice") for name in servers.twice]
    found: dict[str, Definition] = {}
    disabled = []
    for name, said in servers.items():
        reader = _Reader(name, said)
        definition = reader.definition()
        if definition is None or reader.mistakes:
            mistakes += reader.mistakes
        elif said.get("disabled", False):
            disabled.append(name)
        elif name not in servers.twice:
            found[name] = definition
    return Definitions(found, disabled, mistakes)


class _Object(dict[str, Any]):
    """A JSON object that knows which of its keys came twice: Python would keep the last and say nothing."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice = sorted({name for name in names if names.count(name) > 1})


class _Reader:
    """Reads one connector, and goes on behind a mistake to find the next."""

    def __init__(self, name: str, said: Any) -> None:
        self.mistakes: list[Mistake] = []
        self._name = name
        self._said = said

    def definition(self) -> Definition | None:
        if not _NAME.fullmatch(self._name):
            self._wrong("", "a name has up to 32 letters, digits, - and _")
        if not isinstance(self._said, _Object):
            self._wrong("", "it is an object")
            return None
        for key in self._said.twice:
            self._wrong(key, "it is there twice")
        if ("command" in self._said) == ("url" in self._said):
            self._wrong("", "it has either a command or a url")
            return None
        by_program = "command" in self._said
        known = _FOR_ALL | (_FOR_PROGRAMS if by_program else _FOR_SERVERS)
        for key in sorted(set(self._said) - known):
            of = "command" if by_program else "url"
            self._wrong(key, f"nothing is known by this name for a {of}; there are {', '.join(sorted(known))}")
        self._type(by_program=by_program)
        self._flag("disabled")
        how = self._program() if by_program else self._server()
        return Definition(
            name=self._name,
            how=how,
            unasked=self._unasked(),
            start_seconds=self._seconds("startSeconds", START_SECONDS),
            call_seconds=self._seconds("callSeconds", CALL_SECONDS),
        )

    def _type(self, *, by_program: bool) -> None:
        said = self._said.get("type")
        if said is None:
            return
        if said == "sse":
            self._wrong("type", "sse is not spoken here: the protocol has left it behind for http")
        elif _TYPES.get(said if isinstance(said, str) else "") != ("command" if by_program else "url"):
            self._wrong("type", "stdio goes with a command, http with a url")

    def _program(self) -> ByProgram:
        args = self._said.get("args", [])
        if not isinstance(args, list):
            self._wrong("args", "it is a list")
            args = []
        if self._flag("network") and not self._flag("sandbox"):
            self._wrong("network", "it is for the sandbox: without, a program has it anyway")
        return ByProgram(
            command=self._open("command", self._said["command"], needed=True),
            args=[self._open(f"args[{index}]", arg) for index, arg in enumerate(args)],
            env=self._templates("env", _VARIABLE),
            cwd=self._open("cwd", self._said.get("cwd", "")),
            sandbox=self._flag("sandbox"),
            network=self._flag("network"),
            ours=self._flag("ours"),
        )

    def _server(self) -> ByUrl:
        url = self._open("url", self._said["url"], needed=True)
        if url and (wrong := _wrong_url(url)):
            self._wrong("url", wrong)
        return ByUrl(url=url, headers=self._templates("headers", _HEADER))

    def _open(self, key: str, said: Any, *, needed: bool = False) -> str:
        """Read a text that anybody may see."""
        if not isinstance(said, str) or "\0" in said or (needed and not said):
            self._wrong(key, "it is a text" + (", and not empty" if needed else ""))
            return ""
        if _PLACEHOLDER.search(said):
            self._wrong(key, "everybody can see this: a variable or a file goes into env or headers")
        return said

    def _templates(self, key: str, name_of: re.Pattern[str]) -> Mapping[str, Template]:
        said = self._said.get(key, {})
        if not isinstance(said, dict):
            self._wrong(key, "it is an object of texts")
            return {}
        for name, value in said.items():
            if not name_of.fullmatch(name):
                self._wrong(f"{key}.{name}", "that is no name for it")
            elif not isinstance(value, str) or any(sign in value for sign in "\0\r\n"):
                self._wrong(f"{key}.{name}", "its value is a text of one line")
            else:
                for wrong in _wrong_places(value):
                    self._wrong(f"{key}.{name}", wrong)
        return {name: Template(value) for name, value in said.items() if isinstance(value, str)}

    def _unasked(self) -> Mapping[str, str]:
        said = self._said.get("tools", {})
        if not isinstance(said, dict):
            self._wrong("tools", 'it is an object by tool: {"search": {"ask": false, "digest": "…"}}')
            return {}
        found: dict[str, str] = {}
        for name, about in said.items():
            match about:
                case {"ask": True, **rest} if not rest:
                    pass
                case {"ask": False, "digest": str(digest), **rest} if not rest and _DIGEST.fullmatch(digest):
                    found[name] = digest
                case _:
                    self._wrong(
                        f"tools.{name}",
                        'it is {"ask": true}, or {"ask": false, "digest": "…"} for the tool as connectors check tells it',
                    )
        return found

    def _flag(self, key: str) -> bool:
        said = self._said.get(key, False)
        if not isinstance(said, bool):
            self._wrong(key, "it is true or false")
            return False
        return said

    def _seconds(self, key: str, default: float) -> float:
        said = self._said.get(key, default)
        if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said <= MOST_SECONDS:
            self._wrong(key, f"it is a number of seconds above 0, at most {MOST_SECONDS:.0f}")
            return default
        return float(said)

    def _wrong(self, key: str, what: str) -> None:
        mistake = Mistake(self._name, ".".join(filter(None, (TOP, self._name, key))), what)
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)


def _wrong_places(value: str) -> Iterator[str]:
    for place in _PLACEHOLDER.finditer(value):
        kind, colon, rest = place[1].partition(":")
        if colon and kind == "file":
            if not rest.startswith(("/", "~/")):
                yield "the path of a file is absolute, or begins with ~/"
        elif not _VARIABLE.fullmatch(rest if colon and kind == "env" else place[1]):
            yield "between ${ and } stands the name of a variable, or file:PATH"
    if "${" in _PLACEHOLDER.sub("", value):
        yield "${ has no } behind it"


def _wrong_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is no URL"
    if parts.scheme not in {"http", "https"} or not host or not url.isascii() or not url.isprintable() or " " in url:
        return "it is a URL that begins with https://"
    if parts.username is not None or parts.password is not None:
        return "everybody can see this: who it is goes into headers"
    if parts.scheme == "http" and not _is_here(host):
        return "http is for this computer only: elsewhere it is https"
    return ""


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
