"""Parts of lines that several events and windows have in common. Pure, but for the person's time zone."""

from __future__ import annotations

from datetime import UTC, datetime

from dispatch.plain import one_line
from dispatch.words import ENGLISH, Words
from dispatch.words.spoken import spoken

from mobile_sim.saying.said import Event

OUTCOMES = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("✗", "yellow"),
    "interrupted": ("✗", "red"),
    "denied": ("✗", "red"),
    "timed_out": ("✗", "red"),
    "refused": ("✗", "red"),
    "not_sent": ("✗", "red"),
}
"""The sign and the colour of each way in which a task ends."""
CALLS = {"news": "call_news", "question": "call_question"}
"""Why a computer calls, as its relay says it, and the line that says so."""

_FILE_STATES = {"begun": "file_begun", "sent": "file_sent", "there": "file_there", "fetched": "file_fetched"}
_UNITS = ("B", "kB", "MB", "GB", "TB")
_BAR = 24


def file_state(file: Event, words: Words) -> str:
    """Say how a file of the list is."""
    return words.line(_FILE_STATES[file["state"]])


def size(count: int) -> str:
    """Write a number of bytes for people."""
    scaled, unit = float(count), 0
    while scaled >= 999.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{scaled:.0f} {_UNITS[unit]}" if unit == 0 or scaled >= 100 else f"{scaled:.3g} {_UNITS[unit]}"


def bar(event: Event, width: int) -> str:
    """Draw how far a transfer is."""
    whole, done = event["size"], event["done"]
    part = 1.0 if not whole else min(done / whole, 1.0)
    filled = round(_BAR * part)
    sign = "↑" if event["direction"] == "to_host" else "↓"
    drawn = f"[{'█' * filled}{'·' * (_BAR - filled)}] {part:.0%}, {size(done)} of {size(whole)}"
    name = one_line(event["name"], max(8, width - len(drawn) - 4))
    return f"{sign} {name} {drawn}"


def state_word(state: str, words: Words) -> str:
    """Write how a task stands; a state that this version does not know is written as it came."""
    standing = words.states.get(state)
    return standing.word if standing is not None else state.replace("_", " ")


def holds_for(rule: str, words: Words) -> str:
    """Say what the answers *task* and *always* hold for."""
    return words.line("holds_for", rule=one_line(rule, 2000))


def waits_for(task: Event, words: Words = ENGLISH) -> str:
    """Say that a task which waits does so for a person's answer to another; empty for one that does not."""
    if not task.get("asking"):
        return ""
    if not (known := task.get("asking_task_id")):
        return words.line("waits_for_another_phone")
    said = words.line("waits_for_answer")
    if text := task.get("asking_text"):
        said = words.line("waits_for_answer_to", text=repr(one_line(text.strip(), 80)))
    return f"{said} dispatch-phone answer {one_line(known, 40)} …"


def how_it_is(host: Event, spoken_words: Words = ENGLISH) -> str:
    """Say how a host is, in one line."""
    host = spoken(host, spoken_words)
    known = spoken_words.reachability.get(host.get("reachability", "unknown"))
    words = known.word if known is not None else str(host["reachability"])
    if host.get("heard_ms_ago") is not None:
        seconds = f"{host['heard_ms_ago'] / 1000:.0f}"
        words += f", {spoken_words.line('heard', seconds=seconds)}"
    elif host.get("since"):
        words += f", {spoken_words.line('since', hour=hour(host['since']))}"
    words += f": {host['text']}" if host.get("text") else ""
    words += f" ({host['warning']})" if host.get("warning") else ""
    if probe := host.get("probe"):
        if probe["answered"]:
            key = "answers_busy" if probe["busy"] else "answers_idle"
            said = {"ms": str(probe["round_trip_ms"]), "count": str(probe["waiting_tasks"])}
            words += f"; {spoken_words.window(key, **said)}"
        else:
            words += f"; {spoken_words.window('answers_not')}"
    return words


def beside(task: Event, words: Words) -> str:
    """Say what else a list tells of a task."""
    place = f", {words.line('in_line', position=str(task['position']))}" if task.get("position") else ""
    how = "by_schedule" if task.get("scheduled") else "answered_here" if task.get("answered") == "here" else ""
    return place + (f" ({words.line(how)})" if how else "")


def time_on(at_ms: int) -> str:
    """Write when something was, for people: day and hour."""
    return f"{day(at_ms)} {hour(at_ms)}"


def hour(at_ms: int) -> str:
    """Write when something was, for people: the hour."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%H:%M")


def day(at_ms: int) -> str:
    """Write when something was, for people: the day."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d")


def at_host(key: str, event: Event, words: Words) -> str:
    """Write a line that names the event's host."""
    return words.line(key, host=one_line(event["host"], 64))
