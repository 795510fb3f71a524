"""The words that a person reads, in the languages that are spoken here: one catalogue, as data beside this module. docs/words.md.

Pure but for reading the catalogue. Knows reasons and states by their names only, so that everything else may use it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_VARIABLES = ("DISPATCH_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # ours, then in the order of POSIX


class Language(StrEnum):
    """A language that is spoken here; the value is its code in BCP 47 and the name of its file."""

    ENGLISH = "en"
    GERMAN = "de"

    @classmethod
    def of(cls, tag: str) -> Language:
        """Read the beginning of a tag or a locale ("de-AT", "de_DE.UTF-8"); what is not spoken here is English."""
        code = re.split(r"[-_.@]", tag.strip(), maxsplit=1)[0].lower()
        return next((one for one in cls if one.value == code), cls.ENGLISH)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Language:
        """Find the language of whoever started a program."""
        said = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
        return cls.of(said)


@dataclass(frozen=True, slots=True)
class Saying:
    """What happened, and what to do."""

    sentence: str
    advice: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How something is: a label, and what it means for the person."""

    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Counted:
    """A part of a sentence about a number of things."""

    one: str
    other: str

    def of(self, count: int) -> str:
        """Say it of so many."""
        return filled(self.one if count == 1 else self.other, count=str(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The catalogue in one language. Keys that it does not have raise KeyError: it is total, and a test says so."""

    language: Language
    reasons: Mapping[str, Saying]
    cases: Mapping[str, Saying]
    states: Mapping[str, Standing]
    reachability: Mapping[str, Standing]
    ended: Mapping[str, Counted]
    question: Counted
    away: str
    news: str
    lines: Mapping[str, str]
    page: Mapping[str, str]
    windows: Mapping[str, str]

    @classmethod
    def of(cls, language: Language) -> Words:
        """Read the catalogue of a language."""
        read: Mapping[str, Mapping[str, Any]] = json.loads(file_of(language).read_text("utf-8"))
        push = read["push"]
        return cls(
            language=language,
            reasons={name: Saying(**entry) for name, entry in read["reason"].items()},
            cases={name: Saying(**entry) for name, entry in read["case"].items()},
            states={name: Standing(**entry) for name, entry in read["state"].items()},
            reachability={name: Standing(**entry) for name, entry in read["reachability"].items()},
            ended={name: Counted(**entry) for name, entry in push["ended"].items()},
            question=Counted(**push["question"]),
            away=push["away"],
            news=push["news"],
            lines=read["line"],
            page=read["page"],
            windows=read["window"],
        )

    def line(self, key: str, /, **values: str) -> str:
        """Give a short line about how a task goes, with its values."""
        return filled(self.lines[key], **values)

    def window(self, key: str, /, **values: str) -> str:
        """Give what stands in a window on a terminal: a key, a title, a field, a question; with its values."""
        return filled(self.windows[key], **values)


def filled(text: str, /, **values: str) -> str:
    """Put values in the place of `{names}`. What is put in is not read for placeholders; a name without a value stays."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def file_of(language: Language) -> Path:
    """Give the file of a language."""
    return Path(__file__).with_name(f"{language.value}.json")


ENGLISH = Words.of(Language.ENGLISH)
"""What logs and programs read, and what the exceptions carry. Read while this module is imported and never changed."""
