"""One task from text to answer: understand, complete, find the folders, let a tool do it. Synchronous; runs in the worker.

Called by worker.py with a Request; gives exactly one Result or NotDone and emits what happens before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dispatch_host.agents.agent import AgentEvent, NotDone, NotDoneReason, Result
from dispatch_host.agents.builtin import about, changing, errand, followup, matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings, NothingThere, WhichOne
from dispatch_host.agents.builtin.locating import check_folders, locate, missing_folders
from dispatch_host.agents.builtin.markdown import code, moment, plural, size
from dispatch_host.agents.builtin.memory import Memory
from dispatch_host.agents.builtin.parse import FILE_CHANGES, parse
from dispatch_host.agents.builtin.query import Action, Query
from dispatch_host.agents.builtin.request import Outcome, Request
from dispatch_host.changes import Plan, keeps, writes
from dispatch_host.scope import (
    Entry,
    FolderNotApproved,
    NoSuchFolder,
    Refused,
    Scope,
    SeveralFolders,
)

Tool = Callable[[Query, Bench], Findings]
_CHOICES = 20
_REMEMBERED = 500  # files that a follow-up may refer to


def run(
    request: Request, emit: Callable[[AgentEvent], None], *, bound: Callable[[int], None] = lambda most_bytes: None
) -> Outcome:
    """Do one task. Raises only what is a defect. `bound` hears how long any file that is written now may become."""
    if (found := errand.understand(request.text, request.parts)) is not None:
        return Outcome(Result(""), errand=found)
    with Scope(request.folders, keep_out=request.keep_out, inbox=request.inbox) as scope:
        try:
            if request.records is not None and (request.plan is not None or request.undo):
                return Outcome(_change(request, request.records, scope, emit, bound))
            return _run(request, scope, emit)
        except CannotDo as cannot:
            return Outcome(NotDone(cannot.reason, cannot.text))
        except Refused as refused:  # what was there when it was looked for, and is not when it is used
            text = f"{code(refused.path)} is {refused.reason}. Nothing was changed."
            return Outcome(NotDone(NotDoneReason.INPUT_UNREADABLE, text))


def _change(
    request: Request,
    records: Path,
    scope: Scope,
    emit: Callable[[AgentEvent], None],
    bound: Callable[[int], None],
) -> Result | NotDone:
    """Change files, now that it may be done."""
    if request.plan is not None:
        plan = Plan.from_bytes(request.plan)
        bound(max(max(writes(step), getattr(keeps(step), "size", 0)) for step in plan.steps))
        return changing.carry_out(plan, scope, records, request.task_id, emit)
    if (record := changing.last_change(records, request.earlier)) is not None:
        bound(max(getattr(keeps(step), "size", 0) for step in record.plan.steps))
    return changing.take_back(records, request.earlier, scope, emit)


def _undo(request: Request) -> Outcome:
    """Find what is to be undone."""
    record = None if request.records is None else changing.last_change(request.records, request.earlier)
    if record is None:
        return Outcome(Result(about.nothing_to_undo()))
    done = changing.already(record)
    return Outcome(done) if done is not None else Outcome(Result("…"), plan=record.plan.to_bytes(), undo=True)


def _run(request: Request, scope: Scope, emit: Callable[[AgentEvent], None]) -> Outcome:
    if request.query is not None:
        return _consulted(request, request.query, scope, emit)
    names = [root.folder.path.name for root in scope.roots]
    parsed = parse(request.text, now=request.now, folders=names)
    if parsed.action is Action.HELP:
        return Outcome(Result(about.about([root.label for root in scope.roots])))
    if parsed.action is Action.UNDO:
        return _undo(request)
    if parsed.wants is not None:
        raise CannotDo(NotDoneReason.NEEDS_AGENT, about.needs_agent(parsed.wants == FILE_CHANGES))
    memories = [memory for said in request.memories if (memory := Memory.from_json(said)) is not None]
    if request.attachments:
        # As if they had just been listed: "summarise it", "the second one" mean what came with the words.
        paths = tuple(str(path) for path in request.attachments)
        memories.append(Memory(Query(action=Action.FIND, attached=True), paths, paths[0] if len(paths) == 1 else None))
    try:
        complete = followup.complete(parsed, request.text, memories)
    except followup.NothingEarlier:
        raise CannotDo(NotDoneReason.NOT_UNDERSTOOD, about.nothing_earlier()) from None
    except followup.NoSuchItem as few:
        return Outcome(
            Result(
                f"The earlier answer has only {plural(few.count, 'item')}.", memories[-1].to_json() if memories else {}
            )
        )
    if complete is None:
        raise CannotDo(NotDoneReason.NOT_UNDERSTOOD, about.not_understood(parsed.left))
    bench = Bench(scope, request.now, request.home, emit, [])
    try:
        return _do(request, complete, bench)
    except CannotDo as cannot:
        # Understood, and not possible: "and the next one?" goes on from here all the same.
        understood = cannot.reason is not NotDoneReason.NOT_UNDERSTOOD
        left = _remember_failed(complete, bench).to_json() if understood else {}
        return Outcome(NotDone(cannot.reason, cannot.text, left))
    except FolderNotApproved as missing:
        text = about.not_approved(missing.said, [root.label for root in scope.roots])
        return Outcome(NotDone(NotDoneReason.FOLDER_NOT_APPROVED, text, _remember_failed(complete, bench).to_json()))


def _consulted(request: Request, query: Query, scope: Scope, emit: Callable[[AgentEvent], None]) -> Outcome:
    """Do what a language model asks for. Raises CannotDo."""
    if query.action is Action.UNDO:
        return _undo(request)
    try:
        return _do(request, followup.Complete(query), Bench(scope, request.now, request.home, emit, []))
    except FolderNotApproved as missing:
        text = about.not_approved(missing.said, [root.label for root in scope.roots])
        raise CannotDo(NotDoneReason.FOLDER_NOT_APPROVED, text) from None


def _do(request: Request, complete: followup.Complete, bench: Bench) -> Outcome:
    """Do a whole request. Raises CannotDo and FolderNotApproved."""
    check_folders(request, bench.scope)
    query = complete.query
    try:
        query = locate(query, request, bench)
    except NothingThere as nothing:
        return Outcome(Result(nothing.text, Memory(query).to_json()))
    except (NoSuchFolder, SeveralFolders) as problem:
        return _folder_problem(problem, query)
    try:
        findings = tool_of(query)(query, bench)
    except WhichOne as which:
        return _ask_back(which, bench)
    except NothingThere as nothing:
        return Outcome(Result(nothing.text, Memory(query).to_json()))
    except Refused as refused:  # it was looked at before, and is another since: somebody is at the same files
        text = f"A file or a folder was changed while I looked at it: it is {refused.reason}. Nothing was changed."
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, text) from refused
    if findings.plan is not None:
        if request.records is None:
            raise CannotDo(NotDoneReason.NEEDS_AGENT, about.needs_agent(changes_files=True))
        memory = _remember(query, findings, complete).to_json()
        return Outcome(Result(findings.text, memory), plan=findings.plan.to_bytes())
    if query.loose and not findings.items:
        raise CannotDo(NotDoneReason.NOT_UNDERSTOOD, about.not_understood([query.name or ""]))
    return Outcome(Result(_with_missing(findings.text, bench.scope), _remember(query, findings, complete).to_json()))


def _with_missing(text: str, scope: Scope) -> str:
    return f"{text}\n\n{missing_folders(scope)}" if scope.missing else text


def tool_of(query: Query) -> Tool:
    """Choose the tool. Imported when needed: the worker starts faster without what a task does not use."""
    # ruff: noqa: PLC0415
    from dispatch_host.agents.builtin.tools import (
        convert,
        duplicates,
        editing,
        excerpt,
        listing,
        measure,
        placing,
        rename,
        rows,
        search,
        send,
        sorting,
        summarise,
        usage,
        zipping,
    )

    tools: dict[Action, Tool] = {
        Action.LARGEST: listing.largest,
        Action.FIND: summarise.find_and_summarise if query.summarise else listing.find,
        Action.COUNT: listing.count,
        Action.CHANGED: listing.changed,
        Action.HEAD: rows.head,
        Action.ROWS: rows.rows,
        Action.SUMMARISE: summarise.summarise,
        Action.READ: summarise.read,
        Action.SEARCH: search.search,
        Action.DUPLICATES: duplicates.duplicates,
        Action.USAGE: usage.usage,
        Action.MEASURE: measure.measure,
        Action.SEND: send.send,
        Action.ZIP: zipping.pack,
        Action.UNZIP: zipping.unpack,
        Action.RENAME: rename.rename,
        Action.SORT: sorting.sort,
        Action.CONVERT: convert.convert,
        Action.DELETE: placing.delete,
        Action.MOVE: placing.move,
        Action.COPY: placing.copy,
        Action.MAKE_FOLDER: placing.make_folder,
        Action.EDIT: editing.edit,
        Action.LIST: excerpt.contents,
        Action.EXCERPT: excerpt.excerpt,
    }
    return tools[query.action]


def _folder_problem(problem: NoSuchFolder | SeveralFolders, query: Query) -> Outcome:
    if isinstance(problem, NoSuchFolder):
        return Outcome(Result(f"There is no folder {code(problem.said)}.", Memory(query).to_json()))
    listed = "\n".join(
        f"{index}. {code(str(place.root.absolute(place.path)))}" for index, place in enumerate(problem.places, 1)
    )
    return Outcome(
        Result(
            f"Several folders are called {code(problem.said)}. Name one by its path:\n\n{listed}",
            Memory(query).to_json(),
        )
    )


def _ask_back(which: WhichOne, bench: Bench) -> Outcome:
    """Ask which file is meant. The task was understood and is done with a question; the next one may answer it."""
    entries = which.entries[:_CHOICES]
    listed = "\n".join(
        f"{index}. {code(bench.show(entry))} — {size(entry.size)}, modified {moment(bench.modified(entry))}"
        for index, entry in enumerate(entries, start=1)
    )
    more = f"\n\n… and {len(which.entries) - _CHOICES} more." if len(which.entries) > _CHOICES else ""
    what = matching.described(which.query)
    question = "Which one do you mean? Answer with its number or name."
    text = f"**{plural(len(which.entries), 'file')}** fit ({what}). {question}\n\n{listed}{more}"
    memory = Memory(which.query, _paths(entries), asked=True)
    return Outcome(Result(text, memory.to_json()), [bench.show(entry) for entry in entries])


def _remember(query: Query, findings: Findings, complete: followup.Complete) -> Memory:
    items = _paths(findings.items[:_REMEMBERED])
    focus = items[0] if len(items) == 1 else None
    if complete.picked_from and len(complete.picked_from) > 1:
        return Memory(query, complete.picked_from, focus, replace(query, paths=()))
    if query.summarise and items:
        index = query.summarise - 1 if query.summarise > 0 else len(items) - 1
        focus = items[index] if index < len(items) else focus
    return Memory(query, items, focus, findings.follow)


def _remember_failed(complete: followup.Complete, bench: Bench) -> Memory:
    """Remember what was asked, and the file that it failed on."""
    query = complete.query
    items = query.paths if bench.meant is None else _paths([bench.meant])
    focus = items[0] if len(items) == 1 else None
    if complete.picked_from and len(complete.picked_from) > 1:
        return Memory(query, complete.picked_from, focus, replace(query, paths=()))
    return Memory(query, items, focus)


def _paths(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(entry.root.absolute(entry.path) for entry in entries)
