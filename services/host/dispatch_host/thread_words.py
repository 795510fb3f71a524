"""Says an event of the thread to the person at this computer, in their language. Pure; called by `telling` and by the page.

Whatever came from outside goes through `plain` or `one_line`, and of an agent's own words only its answer has no sign before it:
whoever shows it keeps it from standing where a sign does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dispatch import errors
from dispatch.device import question_words
from dispatch.plain import one_line, plain
from dispatch.words import Words, filled

_LONGEST = 400


def said(event: Mapping[str, Any], words: Words) -> str:
    """Say it; `event` is as programs see it, with the catalogue's sentences in the person's language (`spoken`)."""
    match event["event"]:
        case "scheduled":
            late = words.line("by_schedule_late" if event["late"] else "by_schedule")
            return f"{plain(event['text'])} ({late})"
        case "waiting":
            return words.line("waiting", position=str(event["position"]))
        case "started":
            return f"▸ {words.line('started', agent=one_line(event['agent'], 80))}"
        case "step":
            return f"· {one_line(question_words.part_title_in(event['title'], words), _LONGEST)}"
        case "asking":
            return f"? {question_words.asked(event['text'], is_approval='digest' in event, words=words)}"
        case "answered":
            return f"» {question_words.closed(event, words)}"
        case "steered":
            return f"» {words.line('steered', text=one_line(event['text'], _LONGEST))}"
        case "steer_refused":
            return f"! {words.line('steered_too_late', text=one_line(event['text'], _LONGEST))}"
        case "artifact":
            return f"↓ {one_line(event['name'], _LONGEST)}"
        case "ended":
            return _ended(event, words)
        case "paired":
            return f"— {filled(words.page['paired'], phone=one_line(event['phone'], _LONGEST))} —"
        case "missed":
            return _missed(event, words)
        case "restored":
            return f"— {words.line('restored')} —"
        case "accepted" | "text":
            return plain(event["text"])
        case _:
            return words.window("not_shown")


def _ended(event: Mapping[str, Any], words: Words) -> str:
    outcome, reason = event["outcome"], event.get("reason", "")
    standing = words.states.get(outcome)
    how = standing.word if standing is not None else one_line(outcome, _LONGEST)
    why = plain(event["text"]) or (errors.of_word(reason).words_in(words).sentence if reason else "")
    return f"{'✓' if outcome == 'done' else '✗'} {how}{f': {why}' if why else ''}"


def _missed(event: Mapping[str, Any], words: Words) -> str:
    first, last, text = _time(event["from"]), _time(event["to"]), one_line(event["text"], _LONGEST)
    missed = words.line("missed", at=first, text=text)
    if event["count"] > 1:
        missed = words.line("missed_often", count=str(event["count"]), first=first, last=last, text=text)
    why = errors.of_word(event["reason"]).words_in(words).sentence if event.get("reason") else ""
    return f"— {missed} — {why}".rstrip()


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
