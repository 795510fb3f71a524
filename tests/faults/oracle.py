"""The one oracle: what must hold of a task in every cell, whatever was broken. Pure; called by `trial` and `soak`.

Exactly one terminal state, the same on phone and host; executed at most once; nothing lost; the cause right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from tests.faults.cells import NEVER_RAN, OUTCOMES, OVER, End, Known
from tests.support.processes import Event


def end_of(last: Event) -> End:
    """Read state and reason from a last line."""
    return last.get("state", ""), last.get("reason", "")


def judge(
    task: Known, *, runs: int, on_host: Sequence[Event], on_phone: Sequence[Event], ends: Collection[End]
) -> list[str]:
    """Say what is wrong with a task on which an agent was started so many times; nothing when all is right."""
    wrong: list[str] = []
    state, reason = end_of(task.last)
    there, here = _of(task.task_id, on_host), _of(task.task_id, on_phone)
    outcomes = [event["outcome"] for event in there if event["event"] == "ended"]
    accepted = [event for event in there if event["event"] == "accepted"]
    started = [event for event in there if event["event"] == "started"]

    if state not in OVER:
        wrong.append(f"its fate is not known: {task.last}")
    if len(outcomes) > 1 or len(outcomes) != len(accepted):
        wrong.append(f"accepted {len(accepted)} times on the host, {len(outcomes)} outcomes there")
    if outcomes != [event["outcome"] for event in here if event["event"] == "ended"]:
        wrong.append("the outcome differs between phone and host")
    if state in OUTCOMES and outcomes != [state]:
        wrong.append(f"the phone said {state}, the host has {outcomes}")
    if state in NEVER_RAN and accepted:
        wrong.append(f"the phone said {state}, and the host has accepted it")
    if len(started) > 1 or runs > 1:
        wrong.append(f"started {len(started)} times, {runs} agents")
    if runs > len(started):
        wrong.append("an agent ran that the thread knows nothing of")
    if state == "done" and runs != 1:
        wrong.append(f"done, with {runs} agents")
    wrong += end_differs((state, reason), ends)
    if task.last.get("tampering"):
        wrong.append("the phone takes it for tampering, and nobody lied")
    return wrong


def end_differs(end: End, ends: Collection[End]) -> list[str]:
    """Say that it is none of the ends that are right; any is where there are none."""
    return [f"ended as {end}, right were {sorted(ends)}"] if ends and end not in ends else []


def compare(on_host: Sequence[Event], on_phone: Sequence[Event]) -> list[str]:
    """Say what is wrong with the threads as a whole: every event of the host is on the phone, once and in order."""
    wrong: list[str] = []
    theirs, ours = [_bare(event) for event in on_host], [_bare(event) for event in on_phone if "number" in event]
    if theirs != ours:
        at = next(
            (n for n, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), min(len(theirs), len(ours))
        )
        wrong.append(f"the threads differ from event {at + 1} of {len(theirs)} and {len(ours)} on")
    numbers = [event["number"] for event in theirs]
    if numbers != list(range(1, len(numbers) + 1)):
        wrong.append("the host's thread has gaps")
    return wrong


def history_differs(tasks: Iterable[Known], history: Sequence[Event], *, directly: Collection[str] = ()) -> list[str]:
    """Say which tasks the account's history tells otherwise.

    Of what was never sent no relay can tell it, nor of what the phone itself refused: `directly` are those that it decided last.
    """

    def untold(task: Known) -> bool:
        state = task.last.get("state")
        return state == "not_sent" or (state == "refused" and task.task_id in directly)

    told = {event["task_id"]: event["outcome"] for event in history if event.get("event") == "task"}
    return [
        f"of {task.cell}: ended as {end_of(task.last)}, the history says {told.get(task.task_id)}"
        for task in tasks
        if told.get(task.task_id) != task.last.get("state") and not (task.task_id not in told and untold(task))
    ]


def _of(task_id: str, thread: Sequence[Event]) -> list[Event]:
    return [event for event in thread if event.get("task_id") == task_id]


def _bare(event: Event) -> Event:
    return {key: value for key, value in event.items() if key != "host"}
