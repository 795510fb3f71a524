"""What "the tests", "script.py" and "commit" mean in a folder: an argument list, found by looking into it.

Called by running.py, in a thread: it lists folders and reads the heads of few files, all through the scope. Starts nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dispatch_host.agents.builtin.commands import Kind, Wanted
from dispatch_host.scope import NoSuchFolder, Place, Refused, Scope, SeveralFolders, Tally, find_folder

_HEAD_BYTES = 64 * 1024
_LOOKED_AT = 50_000  # files, for a script by its name
_FOLDERS = 500  # of one approved folder, for repositories
_OF_GIT = frozenset({Kind.STATUS, Kind.COMMIT})
_INTERPRETERS = {
    ".py": "python3",
    ".sh": "sh",
    ".bash": "bash",
    ".js": "node",
    ".mjs": "node",
    ".cjs": "node",
    ".rb": "ruby",
    ".pl": "perl",
    ".php": "php",
    ".lua": "lua",
    ".r": "Rscript",
}


class NoRepository(Exception):
    """Nobody said in which folder, and none of those that come to mind is a git repository."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to start, one after the other, in one folder."""

    steps: Sequence[Sequence[str]] = field(repr=False)
    folder: Path = field(repr=False)
    commits: bool = False  # what it holds is shown before, and no yes to it counts for another time


@dataclass(frozen=True, slots=True)
class Several:
    """What is not clear: which folder, or which file."""

    question: str
    paths: Sequence[str] = field(repr=False)


def order(wanted: Wanted, scope: Scope, *, said: str | None, home: str, last: Path | None) -> Order | Several:
    """Make a request into an order. `said` names the folder, or was the answer to an earlier Several.

    `last` is where a program ran before in the thread. Raises FolderNotApproved, NoSuchFolder and NoRepository.
    """
    if wanted.kind is Kind.SCRIPT and (said is None or _is_script(said, wanted)):
        return _script(wanted, scope, said=said, home=home)
    if said is None:
        place = _usual(scope, last)
        if wanted.kind in _OF_GIT and (place is None or not _is_in_repository(place)):
            found = _repositories(scope)
            if not found:
                raise NoRepository
            if len(found) > 1:
                return Several("In which repository?", [one.root.absolute(one.path) for one in found])
            place = found[0]
        if place is None:
            return Several("In which folder?", [str(root.folder.path) for root in scope.roots])
    else:
        try:
            place = find_folder(scope, said, home=home)
        except SeveralFolders as several:
            return Several("Which folder?", [one.root.absolute(one.path) for one in several.places])
    folder = Path(place.root.absolute(place.path))
    match wanted.kind:
        case Kind.TESTS:
            return Order([_tests(scope, place)], folder)
        case Kind.STATUS:
            return Order([("git", "status")], folder)
        case Kind.COMMIT:
            return Order([("git", "add", "--all"), ("git", "commit", "-m", wanted.message or "")], folder, commits=True)
        case Kind.SCRIPT:
            return Order([_interpreted(wanted.words)], folder)
        case _:
            return Order([wanted.words], folder)


def _usual(scope: Scope, last: Path | None) -> Place | None:
    """Choose where to work when nobody said: where the last program ran, else the only folder there is."""
    if last is not None and (located := scope.locate(str(last))) is not None:
        return Place(*located)
    return Place(scope.roots[0], "") if len(scope.roots) == 1 else None


def _is_in_repository(place: Place) -> bool:
    """Tell whether git would find a repository there, without leaving the approved folder."""
    path = PurePosixPath(place.path)
    return any(_has_git(Place(place.root, "" if str(one) == "." else str(one))) for one in (path, *path.parents))


def _repositories(scope: Scope) -> list[Place]:
    """Find the repositories among the approved folders and the folders directly in them."""
    found = []
    for root in scope.outermost:
        folders = [entry.path for entry in root.list("", Tally()) if entry.is_dir][:_FOLDERS]
        found += [place for path in ("", *folders) if _has_git(place := Place(root, path))]
    return found


def _has_git(place: Place) -> bool:
    return any(entry.name == ".git" for entry in place.root.list(place.path, Tally()))


def _is_script(said: str, wanted: Wanted) -> bool:
    """Tell whether an answer is one of the scripts that were offered, and no folder."""
    return said.startswith("/") and PurePosixPath(said).name == PurePosixPath(wanted.words[0]).name


def _script(wanted: Wanted, scope: Scope, *, said: str | None, home: str) -> Order | Several:
    """Find a script by its path or its name. It runs where it is."""
    name = said or wanted.words[0]
    if name.startswith("~/"):
        name = os.path.join(home, name[2:])
    found = [name] if name.startswith("/") else list(_named(scope, name))
    if not found:
        raise NoSuchFolder(name)
    if len(found) > 1:
        return Several("Which one?", found)
    located = scope.locate(found[0])
    folder = PurePosixPath(found[0]).parent
    if located is None:
        find_folder(scope, str(folder), home=home)  # raises: it is not approved
        raise NoSuchFolder(name)
    try:
        scope.open_file(*located).close()
    except Refused as refused:
        raise NoSuchFolder(name) from refused
    return Order([_interpreted((PurePosixPath(found[0]).name, *wanted.words[1:]))], Path(folder))


def _named(scope: Scope, name: str) -> Iterator[str]:
    """Give every file of that name, or whose path ends so."""
    ending = f"/{name.removeprefix('./')}"
    for root in scope.outermost:
        for seen, entry in enumerate(root.walk("", Tally())):
            if seen > _LOOKED_AT:
                break
            if not entry.is_dir and f"/{entry.path}".endswith(ending):
                yield root.absolute(entry.path)


def _interpreted(words: Sequence[str]) -> tuple[str, ...]:
    script = words[0] if words[0].startswith(("/", "./")) else f"./{words[0]}"
    interpreter = _INTERPRETERS.get(PurePosixPath(script).suffix.casefold())
    return (*((interpreter,) if interpreter else ()), script, *words[1:])


def _tests(scope: Scope, place: Place) -> tuple[str, ...]:
    """Choose how a project runs its tests by what lies in its folder; what it says itself comes first."""
    names = {entry.name for entry in place.root.list(place.path, Tally())}

    def says(name: str, pattern: str) -> bool:
        return name in names and re.search(pattern, _head(scope, place, name), re.MULTILINE) is not None

    for makefile in ("GNUmakefile", "makefile", "Makefile"):
        if says(makefile, r"^test\s*:"):
            return ("make", "test")
    if says("package.json", r"\"test\"\s*:"):
        return ("npm", "test")
    for name, words in (
        ("Cargo.toml", ("cargo", "test")),
        ("go.mod", ("go", "test", "./...")),
        ("gradlew", ("./gradlew", "test")),
        ("pom.xml", ("mvn", "test")),
    ):
        if name in names:
            return words
    if names & {"pytest.ini", "conftest.py"} or says("pyproject.toml", "pytest") or says("setup.cfg", "pytest"):
        return ("python3", "-m", "pytest", "-q")
    return ("python3", "-m", "unittest")


def _head(scope: Scope, place: Place, name: str) -> str:
    path = f"{place.path}/{name}" if place.path else name
    try:
        with scope.open_file(place.root, path) as file:
            return file.read(_HEAD_BYTES).decode(errors="replace")
    except Refused:
        return ""
