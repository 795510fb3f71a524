"""The questions that the assistant asks a person before it changes files. Pure. Called by driver.py, aside: a plan may be long."""

from __future__ import annotations

from collections.abc import Sequence

from dispatch_host.agents.asking import RULE_BYTES, Approval, canonical
from dispatch_host.changes import Plan, preview, touched
from dispatch_host.permissions.permission import Kind, Permission
from dispatch_host.scope import Folder, names


def approval(plan: Plan, remarks: str, folders: Sequence[Folder]) -> Approval:
    """Write the question whether a plan may be carried out. A rule stands on one folder, or there is none."""
    where = touched(plan, folders)
    shown = preview(plan, folders)
    rule = f"change files in {names.exact(str(where[0].path))}" if len(where) == 1 else ""
    needed = [Permission(Kind.FOLDER, str(folder.path), write=True) for folder in where]
    ruled = len(rule.encode()) <= RULE_BYTES and rule != ""
    return Approval(
        text=f"{plan.title}?",
        action=plan.to_bytes(),
        preview=f"{shown}\n\n{_remarked(remarks)}" if remarks else shown,
        rule=rule if ruled else "",
        permission=needed[0] if needed else None,
        also=needed[1:],
        of={"change files in": [str(folder.path) for folder in where]},
    )


def _remarked(remarks: str) -> str:
    """Quote what the worker says of a plan, below the plan: whatever it is, it is seen to be no part of it."""
    lines = "\n".join(f"> {names.visible(line)}" for line in remarks.split("\n"))
    return f"Remarks, which are no part of this:\n\n{lines}"


def undoing(plan: Plan, folders: Sequence[Folder]) -> Approval:
    """Write the question whether a change may be taken back, which no yes to another one covers."""
    return Approval(
        text=f"Undo: {plan.title}?",
        action=canonical({"tool": "undo", "plan": plan.digest.hex()}),
        preview=f"Take this back:\n\n{preview(plan, folders)}",
    )
