"""Each language says the same, to people, and nothing is missing or left over. docs/words.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.words import ENGLISH, Language, Words, file_of, filled
from mobile_sim.task_view import State

ROOT = Path(__file__).resolve().parents[3]
WEB = ROOT / "clients" / "web_phone"

JARGON = {
    Language.ENGLISH: (
        r"ack\w*|abort\w*|attach\w*|attest\w*|cipher\w*|client|cursor|daemon|deadline|digest|epoch|error|exception|fatal|grants?"
        r"|grpc|handshakes?|hash\w*|hosts?|illegal|internal|invalid|json|keys?|lease|nonce|null|payload|peer|process\w*|protocol"
        r"|queue|relays?|resume|rpc|sandbox\w*|server|session|socket|streams?|superseded|tls|time-?out|token|trust|watchdog|websocket"
    ),
    Language.GERMAN: (
        r"abort\w*|client|daemon|deadline|epoche?|error|exception|fatal|grants?|grpc|handshakes?|hash\w*|hosts?|illegal|intern\w*"
        r"|json|lease|nonce|null|payload|peer|protokollverletzung|prozess\w*|queue|relays?|rpc|sandbox\w*|server|session|sitzung"
        r"|schlüssel|sockets?|streams?|strom|tls|timeout|token|ungültig\w*|websocket"
    ),
}
BLAME = {
    Language.ENGLISH: r"you (?:failed|forgot|should have|must)|your fault|wrong|stupid",
    Language.GERMAN: r"du hast (?:vergessen|falsch)|dein fehler|falsch\w*|du musst|sie haben|ihr(?:e|en)? konto",
}
OWN_WORDS = {
    "compose.attach": "what every mail program calls it",
    "settings.digest": "what is compared with the one that was published under that name",
    "settings.reset_sure": "keys are what is deleted, and they do not come back",
    "app.no_keys": "it is what the browser lacks",
}
"""Where a screen of the web phone has one of these words all the same, and why."""
TEXT_OF_SCREEN = re.compile(r'^  "([a-z_.]+)": "((?:[^"\\]|\\.)*)",$', re.MULTILINE)
TEXT_OF_NOTICE = re.compile(r'\b([a-z_]+): "((?:[^"\\]|\\.)*)"')
PLACES = re.compile(r"\{(\w+)\}")
COMMANDS = re.compile(r"dispatch-(?:host|phone)(?: [a-z-]+)*|\((?:[^()]*--)[^()]*\)")


def entries(language: Language) -> dict[str, str]:
    """Every text of a language by the way to it."""

    def walk(at: str, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            yield at, value
        else:
            for name, below in value.items():
                yield from walk(f"{at}.{name}".lstrip("."), below)

    return dict(walk("", json.loads(file_of(language).read_text("utf-8"))))


def screens(language: Language) -> dict[str, str]:
    """Every text that the web phone's own screens have, by its key."""
    written = (WEB / "src" / "app" / "words" / f"{language.value}.ts").read_text("utf-8")
    found = dict(TEXT_OF_SCREEN.findall(written))
    assert len(found) == written.count('\n  "'), "a text that this does not read"
    return found


def notices(language: Language) -> dict[str, str]:
    """Every text of the web phone's notifications."""
    written = (WEB / "src" / "worker" / "notice.ts").read_text("utf-8").partition("const WORDS = {")[2]
    return dict(TEXT_OF_NOTICE.findall(written.partition(f"\n  {language.value}: {{")[2].partition("\n  },")[0]))


def of_the_web_phone(language: Language) -> dict[str, str]:
    return {**screens(language), **{f"notice.{key}": text for key, text in notices(language).items()}}


def test_every_reason_state_and_outcome_has_its_words_and_no_other_has() -> None:
    words = [Words.of(language) for language in Language]

    for one in words:
        assert set(one.reasons) == {errors.word(reason) for reason in errors.all_reasons()}
        assert set(one.states) == {state.value for state in State}
        assert set(one.ended) == {
            Outcome.Name(outcome).removeprefix("OUTCOME_").lower() for outcome in Outcome.values() if outcome
        }


def test_every_language_has_the_same_keys_and_the_same_placeholders() -> None:
    english = entries(Language.ENGLISH)

    for language in Language:
        told = entries(language)
        assert list(told) == list(english), language
        for key, text in told.items():
            assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(english[key])), f"{language}: {key}"


def forbidden(texts: dict[str, str], language: Language) -> dict[str, str]:
    """What must not be in a text that a person reads, by its key."""
    words = re.compile(rf"\b(?:{JARGON[language]}|{BLAME[language]})\b", re.IGNORECASE)
    bare = {key: COMMANDS.sub("", PLACES.sub("", text)) for key, text in texts.items()}
    return {key: hit[0] for key, text in bare.items() if (hit := words.search(text))}


@pytest.mark.parametrize("language", Language)
def test_what_a_person_reads_has_no_jargon_and_no_blame(language: Language) -> None:
    assert forbidden(entries(language), language) == {}


@pytest.mark.parametrize("language", Language)
def test_what_the_web_phone_says_by_itself_has_no_jargon_and_no_blame(language: Language) -> None:
    own = of_the_web_phone(language)

    assert forbidden({key: text for key, text in own.items() if key not in OWN_WORDS}, language) == {}
    assert set(OWN_WORDS) <= set(own)


def test_the_web_phones_own_words_have_the_same_keys_and_placeholders_in_every_language() -> None:
    english = of_the_web_phone(Language.ENGLISH)

    assert "notice.question" in english
    for language in Language:
        told = of_the_web_phone(language)
        assert list(told) == list(english), language
        for key, text in told.items():
            assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(english[key])), f"{language}: {key}"


@pytest.mark.parametrize("language", Language)
def test_what_happened_and_what_to_do_are_one_or_two_whole_sentences(language: Language) -> None:
    words = Words.of(language)
    sayings = [part for one in (*words.reasons.values(), *words.cases.values()) for part in (one.sentence, one.advice)]
    for text in (*sayings, *(one.sentence for one in (*words.states.values(), *words.reachability.values()))):
        assert text.endswith("."), text
        assert 1 <= len(re.findall(r"[.!?](?:\s|$)", text)) <= 2, text
        assert len(text) <= 140, text
        assert text == text.strip()


@pytest.mark.parametrize("language", Language)
def test_every_state_says_what_it_means_and_then_what_to_do(language: Language) -> None:
    words = Words.of(language)

    for name, one in {**words.states, **words.reachability}.items():
        assert len(re.findall(r"[.!?](?:\s|$)", one.sentence)) == 2, f"{name}: {one.sentence}"
        assert not one.word.endswith("."), name


def test_no_two_languages_say_the_same() -> None:
    english, german = entries(Language.ENGLISH), entries(Language.GERMAN)

    assert [key for key, text in english.items() if german[key] == text] == []


def test_no_key_is_left_over() -> None:
    sources = [
        path.read_text("utf-8")
        for part in ("sdk/dispatch", "clients/mobile_sim", "services/host", "services/relay", "clients/web_phone/src")
        for end in ("py", "ts")
        for path in (ROOT / part).rglob(f"*.{end}")
        if path.name != "keys.ts"
    ]

    sources.append((ROOT / "services/host/dispatch_host/page/assets/page.js").read_text("utf-8"))
    sources.append((ROOT / "services/host/dispatch_host/page/assets/index.html").read_text("utf-8"))
    shown = (name for name in ENGLISH.page if not name.startswith("may_"))
    names = {*ENGLISH.cases, *ENGLISH.lines, *shown, *ENGLISH.windows}
    said = {word for source in sources for word in re.findall(r"(?<=['\"])\w+(?=['\"])", source)}

    assert names - said == set()


def test_a_value_is_text_and_is_not_read_for_placeholders() -> None:
    assert filled("{host} has it, {position}.", host="{position}", position="2") == "{position} has it, 2."
    assert filled("{host.name} {missing}", host="x") == "{host.name} {missing}"
    assert ENGLISH.line("steered", text="{text}") == "was told: {text}"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, Language.ENGLISH),
        ({"LANG": "de_DE.UTF-8"}, Language.GERMAN),
        ({"LANG": "de_AT@euro", "LC_ALL": ""}, Language.GERMAN),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, Language.ENGLISH),
        ({"LANG": "en_GB", "LC_MESSAGES": "de"}, Language.GERMAN),
        ({"LANG": "fr_FR.UTF-8"}, Language.ENGLISH),
        ({"LANG": "deutsch"}, Language.ENGLISH),
        ({"LANG": "en_GB", "DISPATCH_LANGUAGE": "de"}, Language.GERMAN),
    ],
)
def test_the_language_is_the_one_of_whoever_started_the_program(
    environment: dict[str, str], language: Language
) -> None:
    assert Language.of_environment(environment) is language


def test_an_error_says_its_words_in_any_language() -> None:
    german = Words.of(Language.GERMAN)

    assert errors.HostAsleep.words_in(german).sentence == "Der Computer schläft."
    assert errors.NotPairedYet("x").words_in(german) == german.cases["NOT_PAIRED_YET"]
    assert errors.NotPairedYet.sentence == ENGLISH.cases["NOT_PAIRED_YET"].sentence


def test_the_web_phone_has_the_words_of_the_catalogue(tmp_path: Path) -> None:
    subprocess.run([sys.executable, WEB / "generate_words.py", tmp_path], check=True)

    fresh = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text("utf-8") for path in (WEB / "src" / "words").iterdir() if path.name in fresh}

    assert len(fresh) == len(Language) + 1
    assert fresh == kept, "the words of the web phone are stale: run `make gen-words`"
