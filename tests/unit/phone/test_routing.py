"""Where a task is answered: here what stands by itself, on the computer everything else, and whatever the person says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mobile_sim.routing import Choice, Where, Why, decide

ALONE = [
    "hi",
    "Good morning!",
    "thanks",
    "What is the capital of Mongolia?",
    "what's the difference between TCP and UDP",
    "Who wrote Faust?",
    "Why is the sky blue?",
    "How many ounces are in a kilogram?",
    "Explain recursion to a child",
    "translate 'good luck' to French",
    "Write a haiku about rain",
    "tell me a joke",
    "give me three ideas for dinner",
    "17 * 23 + 4",
    "Is a tomato a fruit?",
]
COMPUTER = [
    "What are the largest files in Downloads?",
    "what is in report.pdf",
    "what is in ~/code/x",
    "show me C:\\Users",
    "run the tests",
    "git status",
    "open the browser and look for flights",
    "What does https://example.org say?",
    "is there a meeting in my calendar",
    "what did my boss write",
    "summarise the attached pdf",
    "undo the rename",
    "What is on the Desktop?",
    "write a script that counts words",
    "explain the error in main.py",
    "how big is the disk?",
    "remind me to call Ada",
]
BACK = [
    "and the second one?",
    "now as a table",
    "explain that",
    "why is it so slow",
    "what are those?",
    "do it again",
    "also for Berlin",
    "more",
    "what was the last one?",
    "as a list please",
    "what did you find earlier?",
    "undo that",
    "yes",
]
CURRENT = ["What is the weather in Oslo?", "what's the latest Python?", "Who is president now?", "is it raining today"]
UNSURE = ["make it so", "Kyoto", "Räum die Wohnung auf", "Was ist die Hauptstadt der Mongolei?", "please help"]


@pytest.mark.parametrize("text", ALONE)
def test_what_stands_by_itself_is_answered_here(text: str) -> None:
    route = decide(text, attached=False, choice=Choice.AUTO)

    assert (route.where, route.why) == (Where.HERE, Why.ALONE)


@pytest.mark.parametrize("text", [*COMPUTER, *BACK, *CURRENT, *UNSURE])
def test_everything_else_goes_to_the_computer(text: str) -> None:
    assert decide(text, attached=False, choice=Choice.AUTO).where is Where.HOST


@pytest.mark.parametrize(
    ("text", "why"),
    [(COMPUTER[0], Why.COMPUTER), (BACK[0], Why.BACK), (CURRENT[0], Why.CURRENT), ("Kyoto", Why.UNSURE)],
)
def test_and_it_says_why(text: str, why: Why) -> None:
    assert decide(text, attached=False, choice=Choice.AUTO).why is why


def test_what_has_files_and_what_is_long_goes_to_the_computer() -> None:
    assert decide("What is a cat?", attached=True, choice=Choice.AUTO).why is Why.ATTACHED
    assert decide("What is a cat? " * 100, attached=False, choice=Choice.AUTO).why is Why.LONG


def test_the_person_has_the_last_word() -> None:
    assert decide("What is a cat?", attached=False, choice=Choice.HOST).where is Where.HOST
    assert decide("rename my files", attached=False, choice=Choice.HERE).where is Where.HERE


@given(st.text(max_size=1000))
def test_any_words_have_a_place(text: str) -> None:
    assert decide(text, attached=False, choice=Choice.AUTO).where in Where


@pytest.mark.parametrize("text", ["a " * 500, "1" * 1000, "write " * 166, "~" * 1000, "w.a" * 333])
def test_no_words_take_long(text: str) -> None:
    """What backtracks without end never comes back."""
    assert decide(text, attached=False, choice=Choice.AUTO).where in Where
