"""Says tasks and files one by one, where they are listed."""

from __future__ import annotations

from collections.abc import Iterator

from dispatch.device import question_words
from dispatch.plain import one_line, plain
from dispatch.words import Words

from mobile_sim.saying.phrases import beside, day, file_state, hour, size, state_word, waits_for
from mobile_sim.saying.said import Event, Said, Says, line


def _listed(event: Event, words: Words) -> Iterator[Said]:
    reason = f": {event['reason']}" if event.get("reason") else ""
    state = state_word(event["state"], words) + reason
    yield line(f"{hour(event['asked_at'])}  {state:<28} {one_line(event['text'], 80)}{beside(event, words)}")
    yield line(f"       {event['task_id']}", dim=True)
    yield from asks(event, words, indent="       ")
    if event.get("advice") and "asks" not in event:
        yield line(f"       {event.get('resend') or event['advice']}")


def _file(event: Event, words: Words) -> Iterator[Said]:
    way = "↓" if event["kind"] == "artifact" else "↑"
    where = f"  {plain(event['path'])}" if event["state"] == "fetched" else ""
    yield line(
        f"{way} {event['file_id'][:8]}  {one_line(event['name'], 60):<40} {size(event['size']):>9}"
        f"  {file_state(event, words):<16} {day(event['at'])}{where}"
    )


def _dropped(_: Event, words: Words) -> Iterator[Said]:
    yield line(words.states["dropped"].sentence)


def _dismissed(_: Event, words: Words) -> Iterator[Said]:
    said = words.reasons["DISMISSED"]
    yield line(f"{said.sentence} {said.advice}")


def asks(task: Event, words: Words, *, indent: str) -> Iterator[Said]:
    """Say what a task of a list waits for, with the command that answers."""
    if waits := waits_for(task, words):
        yield line(f"{indent}{waits}", fg="yellow")
    if "asks" in task:
        is_approval, choices = task["is_approval"], task["choices"]
        asked = question_words.asked(one_line(task["asks"], 200), is_approval=is_approval, words=words)
        yield line(f"{indent}? {asked} ({_open_for(task['asked_for_ms'], words)})", fg="yellow")
        if not is_approval:
            for number, choice in enumerate(choices, start=1):
                yield line(f"{indent}  {number}. {one_line(choice, 200)}")
        command = question_words.answer_command(task["task_id"], choices, is_approval=is_approval)
        yield line(f"{indent}{one_line(words.line('answer_it', command=command), 400)}")


def _open_for(since_ms: int, words: Words) -> str:
    minutes = since_ms // 60_000
    return words.line("open_for", minutes=str(minutes)) if minutes else words.line("open_now")


SAYS: Says = {
    "listed": _listed,
    "file": _file,
    "dropped": _dropped,
    "dismissed": _dismissed,
    "unsent": _listed,
}
"""What is said of an event, by its name."""
