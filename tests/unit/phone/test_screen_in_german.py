"""People read in their language; programs read English. docs/words.md."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.cli import Console
from dispatch.device import question_words
from dispatch.words import ENGLISH, Language, Words
from dispatch.words.spoken import spoken
from mobile_sim.screen import Screen

GERMAN = Words.of(Language.GERMAN)


def shown(*events: dict[str, Any], as_json: bool = False) -> str:
    out = io.StringIO()
    screen = Screen(Console(as_json=as_json, out=out, colour=False, words=GERMAN), terminal=False)
    for event in events:
        screen.say(event)
    return out.getvalue()


def refused(text: str) -> dict[str, Any]:
    said = ENGLISH.reasons["HOST_ASLEEP"]
    return {"event": "refused", "state": "refused", "task_id": "t", "reason": "HOST_ASLEEP", "text": text} | {
        "advice": said.advice
    }


def test_a_refusal_is_said_in_the_language_of_the_person() -> None:
    text = shown({"event": "sent", "host": "Laptop", "attempt": 2}, refused(ENGLISH.reasons["HOST_ASLEEP"].sentence))

    assert "gesendet an Laptop (Versuch 2)" in text
    assert "Der Computer schläft." in text
    assert "abgelehnt: HOST_ASLEEP" in text
    assert "Weck ihn auf und sende noch einmal." in text
    assert "asleep" not in text


def test_what_goes_on_is_said_in_the_language_of_the_person_and_what_the_agent_says_as_it_said_it() -> None:
    asks = {"event": "asking", "text": "May I?", "choices": ["once", "deny"], "detail": "", "answer_within_ms": 0}
    text = shown(
        {"event": "step", "title": question_words.part_title(1, 2), "detail": "rm -rf x"},
        {"event": "step", "title": "What I do next", "detail": ""},
        asks,
        asks | {"digest": "d", "rule": "delete"},
        {"event": "answered", "text": "once", "by": "Annas Telefon"},
        {"event": "answered", "text": "", "by": "", "reason": "NOBODY_ANSWERED"},
        {"event": "answered", "text": "", "by": "", "reason": "CANCELLED_BY_PERSON"},
        {"event": "answered", "text": "", "by": "", "reason": "QUESTION_CLOSED"},
        {"event": "steered", "text": "only {text}"},
        {"event": "waiting", "position": 2, "asking": True, "asking_task_id": "42", "asking_text": "tidy up"},
    )

    assert [line.strip() for line in text.splitlines()] == [
        "· Worum es geht, Teil 1 von 2",
        "rm -rf x",
        "· What I do next",
        "? Der Agent fragt: May I? (once / deny)",
        "? May I? (once / deny)",
        "task und always gelten für: delete",
        "» beantwortet: once, von Annas Telefon",
        "» beantwortet: von niemandem",
        f"» ohne Antwort geschlossen: {GERMAN.reasons['CANCELLED_BY_PERSON'].sentence}",
        "» ohne Antwort geschlossen: der Agent machte weiter",
        "» dazu gesagt: only {text}",
        "… wartet, an Stelle 2",
        "! Sie wartet auf eine Antwort: die Aufgabe davor, 'tidy up', fragt. dispatch-phone answer 42 …",
    ]


def test_a_list_says_how_a_task_is_answered_in_the_language_of_the_person() -> None:
    listed = {
        "event": "listed",
        "task_id": "42",
        "state": "asking",
        "asked_at": 0,
        "text": "look",
        "choices": ["a", "b"],
    }

    text = shown(listed | {"asks": "Which?", "asked_for_ms": 180_000, "is_approval": False, "advice": "Answer it."})

    assert "? Der Agent fragt: Which? (seit 3 min offen)" in text
    assert "Antworte: dispatch-phone answer 42 1|2" in text


def test_lists_and_marks_are_said_in_the_language_of_the_person() -> None:
    about = {"host": "Laptop", "task_id": "42", "number": 7, "at": 0}
    text = shown(
        about | {"event": "paired", "again": True},
        about | {"event": "scheduled", "text": "aufräumen", "late": True},
        about | {"event": "missed", "from": 0, "to": 60_000, "count": 2, "text": "x", "reason": "RUN_OVERTAKEN"},
        about | {"event": "lost"},
        {"event": "fetched", "name": "a.txt", "size": 3, "path": "/got/a.txt"},
        {"event": "dismissed", "task_id": "42"},
        {"event": "listed", "task_id": "42", "state": "waiting", "asked_at": 0, "text": "x", "position": 2},
    )

    for said in (
        "— neu gekoppelt —",
        "aufräumen (nach Zeitplan, verspätet)",
        "— nicht getan, 2 Mal, ",
        GERMAN.reasons["RUN_OVERTAKEN"].sentence,
        "— was hier bis 7 stand, ist auf dem Computer weg —",
        "✓ a.txt (3 B) liegt in /got/a.txt",
        GERMAN.reasons["DISMISSED"].sentence,
        "x, an Stelle 2",
    ):
        assert said in text, text


def test_what_opens_a_push_and_who_this_phone_is_is_said_in_the_language_of_the_person() -> None:
    host: dict[str, Any] = {"host": "Laptop", "reachability": "reachable", "tasks": []}
    host |= {"keep_awake": {"mode": "on", "held": False, "held_by": None, "reason": "KEEP_AWAKE_DENIED"}}
    host |= {"permissions": [{"permission": "folder", "name": "/papers", "write": True}], "always": [], "left_out": 2}
    status = {"event": "status", "account": "ada", "device": "pocket", "server": "x:1", "signed_in": False}

    text = shown(
        {"event": "notification", "host": "Laptop", "hint": "question", "text": "Laptop asks: dispatch-phone tasks"},
        status | {"key_store": "keyring", "clock_off_ms": None, "hosts": [host]},
    )

    for said in (
        "Laptop fragt: dispatch-phone tasks",
        "pocket, angemeldet als ada bei x:1 (die Anmeldung gilt nicht mehr)",
        "wach halten (on): nicht gehalten, weil das System es nicht erlaubt",
        "seine Agenten dürfen /papers lesen und ändern",
        "seine Agenten und 2 weitere",
    ):
        assert said in text, text


def test_a_full_disk_on_the_other_side_is_said_to_be_there() -> None:
    there = errors.StoreFailedThere()
    text = shown(refused(there.sentence) | {"reason": "STORE_FAILED", "advice": there.advice})

    assert GERMAN.cases["STORE_FAILED_THERE"].sentence in text
    assert GERMAN.cases["STORE_FAILED_THERE"].advice in text


def test_programs_read_english_whatever_the_person_speaks() -> None:
    event = refused("The computer is asleep.")

    assert json.loads(shown(event, as_json=True)) == event


def test_what_an_agent_wrote_stays_as_it_is() -> None:
    text = spoken(refused("Half of it.\n\nThe computer is asleep. It was: folder Papers."), GERMAN)["text"]

    assert text == "Half of it.\n\nDer Computer schläft. It was: folder Papers."
    assert spoken(refused("I think: The computer is asleep."), GERMAN)["text"] == "I think: The computer is asleep."


@pytest.mark.parametrize("error", [errors.HostAsleep(), errors.NotPairedYet()])
def test_a_command_that_is_refused_says_so_in_the_language_of_the_person(error: errors.DispatchError) -> None:
    out = io.StringIO()
    Console(as_json=False, out=out, colour=False, words=GERMAN).refusal(error)

    assert out.getvalue() == f"{error.words_in(GERMAN).sentence}\n  {error.words_in(GERMAN).advice}\n"


@pytest.mark.parametrize(
    ("environment", "option", "said"),
    [
        ({"LANG": "de_DE.UTF-8"}, [], "Dieses Gerät ist nicht angemeldet."),
        ({"LANG": "de_DE.UTF-8", "DISPATCH_LANGUAGE": "en"}, [], "This device is not signed in."),
        ({"DISPATCH_LANGUAGE": "en"}, ["--language", "de"], "Dieses Gerät ist nicht angemeldet."),
    ],
)
def test_a_program_takes_the_language_from_its_option_and_its_environment(
    tmp_path: Path, environment: dict[str, str], option: list[str], said: str
) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "DISPATCH_LANGUAGE" and name[:3] != "LC_"}
    done = subprocess.run(
        [sys.executable, "-m", "mobile_sim", "send", "--home", str(tmp_path), *option, "list my files"],
        env=kept | environment | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert said in done.stdout, done
