"""The files that an agent asks the host for: read within the scope, written by a plan that a person says yes to.

Called by client.py. The paths are whatever an agent sent: each is met by the scope, and nothing is told of one outside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dispatch.endings import to_its_end

from dispatch_host.agents.acp.asked import change_rule
from dispatch_host.agents.agent import Gate, NotDoneReason, Task
from dispatch_host.agents.asking import Approval, Ask, Denied, NobodyAnswered
from dispatch_host.changes import (
    MOST_TEXT_BYTES,
    BadPlan,
    MakeFolder,
    Plan,
    Records,
    Rewrite,
    Step,
    Write,
    apply,
    label,
    preview,
    touched,
)
from dispatch_host.permissions.permission import Kind, Permission
from dispatch_host.scope import Folder, Hands, KeptOut, Refusal, Refused, Scope, around, shown

_TITLED = 200  # characters of a path in a plan's title; its steps have all of it
READ_BYTES = 4 * 1024 * 1024
_APPROVED = 100  # writes that were approved in a tool call and not made yet


class FileRefused(Exception):
    """A file that is not read or not written. The message is for the agent: it names nothing that the agent did not."""

    def __init__(self, text: str, reason: NotDoneReason | None = None) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(slots=True)
class Files:
    """One task's files, as the agent may have them."""

    task: Task
    gate: Gate
    ask: Ask
    agent: str  # as a person reads it
    home: Path
    keep_out: Sequence[KeptOut]
    records: Path | None
    """Where it is kept what was changed, for undoing it; without it nothing is written."""
    _approved: dict[tuple[str, bytes], bytes] = field(default_factory=dict)  # with what was said to be there

    async def read(self, path: str, first_line: int | None, lines: int | None) -> str:
        """Give a text file, or some lines of it. Raises FileRefused, NotPermitted."""
        folders = self.gate.folders
        text = await asyncio.to_thread(self._read, path, folders)
        if (folder := around(Path(path), folders)) is not None:
            await self.gate.use(Permission(Kind.FOLDER, str(folder.path)), "read for an external agent")
        if first_line is None and lines is None:
            return text
        start = max((first_line or 1) - 1, 0)
        cut = text.splitlines(keepends=True)[start : None if lines is None else start + max(lines, 0)]
        return "".join(cut)

    def approved(self, writes: Sequence[tuple[str, str, str]]) -> None:
        """Hear that a person said yes to these words in these files: each may be written once without another question.

        They saw what differs from the words that the agent said are there, and no more: it is a yes only where they are.
        """
        for path, old, content in writes:
            self._approved[path, _digest(content)] = _digest(old)
        while len(self._approved) > _APPROVED:
            del self._approved[next(iter(self._approved))]

    async def write(self, path: str, content: str) -> None:
        """Write a text file as a change that can be undone, after a yes. Raises FileRefused, NotPermitted."""
        if self.records is None:
            raise FileRefused("files can't be written by this host")
        folders = self.gate.folders
        plan = await asyncio.to_thread(self._plan, path, content, folders)
        asked = (path, _digest(content))
        if self._approved.pop(asked, None) != _digest(_old(plan)):
            await self._may(plan, folders)
        folders = self.gate.folders  # as they are now: while the question was open, one may have been taken back
        for folder in touched(plan, folders):
            await self.gate.use(Permission(Kind.FOLDER, str(folder.path), write=True), "changed")
        why = await to_its_end(asyncio.to_thread(self._apply, plan, folders, self.records))
        if why:
            raise FileRefused(why)

    async def _may(self, plan: Plan, folders: Sequence[Folder]) -> None:
        rule, of, permission = change_rule(self.agent, "edit", touched(plan, folders)[0], self.home)
        question = Approval(
            text=f"May {self.agent} change files?",
            action=plan.to_bytes(),
            preview=preview(plan, folders),
            rule=rule,
            permission=permission if rule else None,
            of=of,
        )
        match await self.ask.may(question):
            case Denied():
                raise FileRefused("the person said no", NotDoneReason.PERSON_DENIED)
            case NobodyAnswered():
                raise FileRefused("nobody answered whether it may be written", NotDoneReason.NOBODY_ANSWERED)
            case _:
                pass

    def _read(self, path: str, folders: Sequence[Folder]) -> str:
        with Scope(folders, keep_out=self.keep_out, inbox=self.task.inbox) as scope:
            located = scope.locate(path) if _is_spelled_out(path) else None
            if located is None:
                raise FileRefused(f"it is {Refusal.OUTSIDE}")
            try:
                with scope.open_file(*located) as file:
                    data = file.read(READ_BYTES + 1)
            except Refused as refused:
                raise FileRefused(f"it is {refused.reason}") from None
        if len(data) > READ_BYTES:
            raise FileRefused("it is larger than 4 MiB")
        return data.decode("utf-8", "replace")

    def _plan(self, path: str, content: str, folders: Sequence[Folder]) -> Plan:
        """Plan to write a file, with the folders that are not there yet."""
        if not _is_spelled_out(path):
            raise FileRefused(f"it is {Refusal.OUTSIDE}")
        with Scope(folders, keep_out=self.keep_out) as scope:
            hands = Hands(scope)
            try:
                steps: list[Step] = []
                above = os.path.dirname(path)
                while hands.may(above) and _is_missing(above, hands):
                    steps.insert(0, MakeFolder(above))
                    above = os.path.dirname(above)
                if steps or hands.is_free(path):
                    steps.append(Write(path, content))
                else:
                    steps.append(_rewrite(path, content, scope, hands))
            except Refused as refused:
                raise FileRefused(f"it is {refused.reason}") from None
        plan = Plan(f"Write {shown(label(path, folders))[:_TITLED]}".rstrip(), tuple(steps))
        try:
            return Plan.from_bytes(plan.to_bytes())
        except BadPlan as bad:
            raise FileRefused(f"it can't be written: {bad}") from None

    def _apply(self, plan: Plan, folders: Sequence[Folder], records: Path) -> str:
        with Scope(folders, keep_out=self.keep_out) as scope:
            return apply(plan, scope, Records(records), self.task.task_id, {}, lambda *_: None).why


def _old(plan: Plan) -> str:
    """Give the words that a write takes the place of."""
    last = plan.steps[-1]
    return last.old if isinstance(last, Rewrite) else ""


def _rewrite(path: str, content: str, scope: Scope, hands: Hands) -> Rewrite:
    """Plan other words for a file that is there. Raises Refused, FileRefused."""
    expected = hands.facts(path)
    located = scope.locate(path)
    if located is None:
        raise Refused(Refusal.OUTSIDE, path)
    with scope.open_file(*located) as file:
        old = file.read(MOST_TEXT_BYTES + 1)
    if max(len(old), len(content.encode("utf-8", "replace"))) > MOST_TEXT_BYTES:
        raise FileRefused("it is larger than a person can be shown: 128 KiB")
    try:
        return Rewrite(path, expected, old.decode(), content)
    except UnicodeDecodeError:
        raise FileRefused("it is no text") from None


def _is_missing(folder: str, hands: Hands) -> bool:
    """Tell whether a folder is to be made. Raises Refused for what is in its place."""
    try:
        return hands.is_free(folder)
    except Refused as refused:
        if refused.reason is Refusal.NOT_THERE:
            return True
        raise


def _is_spelled_out(path: str) -> bool:
    return path.startswith("/") and os.path.normpath(path) == path and "\0" not in path


def _digest(content: str) -> bytes:
    return hashlib.sha256(content.encode("utf-8", "replace")).digest()
