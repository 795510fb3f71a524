"""Says in a person's language what an event took from the catalogue in English. Pure; called where events are shown.

Events are made once, for programs and people: in English, with the reason beside it. What a person or an agent wrote stays as it
is. docs/words.md "Who speaks which language".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dispatch.words import ENGLISH, Saying, Words

_FIELDS = ("text", "answer", "advice", "resend", "warning")
_PARAGRAPH = "\n\n"


def spoken(event: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """Give the event with its sentences in that language, where they are those of its reason or of a case."""
    told = dict(event)
    if words.language is ENGLISH.language:
        return told
    pairs = list(_pairs(str(event.get("reason", "")), words))
    for name in _FIELDS:
        if isinstance(text := told.get(name), str):
            told[name] = _PARAGRAPH.join(_said(paragraph, pairs) for paragraph in text.split(_PARAGRAPH))
    return told


def _pairs(reason: str, words: Words) -> Iterator[tuple[str, str]]:
    known: list[tuple[Saying, Saying]] = [(saying, words.cases[name]) for name, saying in ENGLISH.cases.items()]
    if reason in ENGLISH.reasons:
        known.insert(0, (ENGLISH.reasons[reason], words.reasons[reason]))
    for english, saying in known:
        yield english.sentence, saying.sentence
        yield english.advice, saying.advice


def _said(text: str, pairs: list[tuple[str, str]]) -> str:
    """Put each known sentence at the beginning of a text in its place, up to the first that is not known."""
    for english, translated in pairs:
        if text == english:
            return translated
        if text.startswith(f"{english} "):
            return f"{translated} {_said(text.removeprefix(f'{english} '), pairs)}"
    return text
