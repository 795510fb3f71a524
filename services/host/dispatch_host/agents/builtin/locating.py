"""Where a request looks: the folders and the file that its words name, in the scope. Runs in the worker; called by program.py."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import about
from dispatch_host.agents.builtin.bench import Bench, CannotDo, NothingThere
from dispatch_host.agents.builtin.markdown import code
from dispatch_host.agents.builtin.query import Action, Query
from dispatch_host.agents.builtin.request import Request
from dispatch_host.agents.builtin.sentence import is_path
from dispatch_host.scope import FolderNotApproved, NoSuchFolder, Place, Refusal, Refused, Scope, find_folder


def check_folders(request: Request, scope: Scope) -> None:
    """See that there is anything to look into. Raises CannotDo."""
    if scope.inbox is not None:
        return
    if not request.folders:
        raise CannotDo(NotDoneReason.FOLDER_NOT_APPROVED, about.none_approved())
    if not scope.roots:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, missing_folders(scope))


def missing_folders(scope: Scope) -> str:
    """Name the folders that are approved and not there."""
    listed = "; ".join(f"{code(str(folder.path))} ({reason})" for folder, reason in scope.missing)
    return f"Approved, but can't be opened now: {listed}."


_LISTS = (Action.FIND, Action.COUNT, Action.LARGEST, Action.CHANGED)


def _attached(query: Query, request: Request, scope: Scope) -> Query:
    """Take "the attached file" for what came with these words, if something did; a list is of all attachments of the thread."""
    if not query.attached:
        return query
    if scope.inbox is None:
        raise NothingThere("Nothing was attached in this thread.")
    if query.paths or query.action in _LISTS or not request.attachments:
        return query
    return replace(query, paths=tuple(str(path) for path in request.attachments))


def _looked_at(query: Query, request: Request, scope: Scope) -> list[Place]:
    """Say where to look when the person did not: all approved folders, and the attachments if they may be meant."""
    places = [Place(root, "") for root in scope.outermost]
    if scope.inbox is None:
        return places
    inbox = Place(scope.inbox, "")
    if query.attached:
        return [inbox]
    return [inbox, *places] if request.attachments or not places else places


def locate(query: Query, request: Request, bench: Bench) -> Query:
    """Find the folders a request names; set them on the bench. A path to a file becomes that file.

    Raises NothingThere, CannotDo, NoSuchFolder, SeveralFolders and FolderNotApproved.
    """
    scope = bench.scope
    query = _attached(query, request, scope)
    if query.file is not None and (is_path(query.file) or query.file.startswith("..")):
        query = _exact(query, query.file, bench)
    places: list[Place] = []
    for said in query.places:
        try:
            places.append(find_folder(scope, said, home=bench.home))
        except NoSuchFolder:
            if not is_path(said):
                raise
            query = _exact(query, said, bench, otherwise_folder=True)
    if query.paths and query.places and not places:
        query = replace(query, places=())
    bench.places = _apart(places) or _looked_at(query, request, scope)
    return query


def _apart(places: Sequence[Place]) -> list[Place]:
    """Drop places inside others, so that no file is met twice."""
    paths = {os.path.join(place.root.folder.path, place.path).rstrip("/") + "/": place for place in places}
    return [
        place for path, place in paths.items() if not any(path != other and path.startswith(other) for other in paths)
    ]


def _exact(query: Query, said: str, bench: Bench, *, otherwise_folder: bool = False) -> Query:
    """Take a path to one file."""
    if said.startswith(".."):
        raise FolderNotApproved(said)
    absolute = os.path.join(bench.home, said[2:]) if said.startswith("~/") else said
    if not absolute.startswith("/"):
        return replace(query, file=said.removeprefix("./"))
    located = bench.scope.locate(absolute)
    if located is None:
        raise FolderNotApproved(said)
    root, path = located
    try:
        root.stat(path)
    except Refused as refused:
        if refused.reason is Refusal.NOT_THERE:
            if otherwise_folder:
                raise NoSuchFolder(said) from refused
            raise NothingThere(f"There is no file {code(said)}.") from refused
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE, f"{code(said)} was not read: it is {refused.reason}."
        ) from refused
    action = (
        Action.READ
        if query.action is Action.FIND
        else Action.SUMMARISE
        if query.action is Action.USAGE
        else query.action
    )
    return replace(query, action=action, file=None, paths=(root.absolute(path),))
