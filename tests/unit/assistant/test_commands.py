"""What people write to have a program run, and what is understood. A phrasing that somebody misses is a line more here."""

from __future__ import annotations

import pytest
from dispatch_host.agents.builtin.commands import Kind, Wanted, understand

X = "~/code/x"


def wanted(
    kind: Kind, *words: str, folder: str | None = None, message: str | None = None, lines: int | None = None
) -> Wanted:
    return Wanted(kind=kind, words=words, folder=folder, message=message, lines=lines)


UNDERSTOOD: list[tuple[str, Wanted]] = [
    ("run the tests in ~/code/x", wanted(Kind.TESTS, folder=X)),
    ("Run the tests in ~/code/x.", wanted(Kind.TESTS, folder=X)),
    ("run the tests", wanted(Kind.TESTS)),
    ("run tests", wanted(Kind.TESTS)),
    ("run all the tests of x", wanted(Kind.TESTS, folder="x")),
    ("Please run the unit tests in the x project", wanted(Kind.TESTS, folder="x")),
    ("can you run the test suite for my project x?", wanted(Kind.TESTS, folder="x")),
    ("execute the tests in /home/ann/code/x", wanted(Kind.TESTS, folder="/home/ann/code/x")),
    ('run the tests in "my project"', wanted(Kind.TESTS, folder="my project")),
    ("do the tests pass in x?", wanted(Kind.TESTS, folder="x")),
    ("are the tests green?", wanted(Kind.TESTS)),
    ("check if the tests pass", wanted(Kind.TESTS)),
    ("test ~/code/x", wanted(Kind.TESTS, folder=X)),
    ("run the tests again", wanted(Kind.TESTS)),
    ("run script.py", wanted(Kind.SCRIPT, "script.py")),
    ("run the script build.sh in ~/code/x", wanted(Kind.SCRIPT, "build.sh", folder=X)),
    ("Could you execute my script ~/code/x/clean.py please?", wanted(Kind.SCRIPT, "~/code/x/clean.py")),
    ("run `script.py`", wanted(Kind.SCRIPT, "script.py")),
    ("run script.py with --fast --n 3 in x", wanted(Kind.SCRIPT, "script.py", "--fast", "--n", "3", folder="x")),
    ("git status", wanted(Kind.STATUS)),
    ("git status in ~/code/x", wanted(Kind.STATUS, folder=X)),
    ("what's the git status of x?", wanted(Kind.STATUS, folder="x")),
    ("show me the git status", wanted(Kind.STATUS)),
    ("run git status in x", wanted(Kind.STATUS, folder="x")),
    ("are there uncommitted changes in the x repo?", wanted(Kind.STATUS, folder="x")),
    ("commit this with message 'fix the parser'", wanted(Kind.COMMIT, message="fix the parser")),
    ('commit this with the message "fix" in ~/code/x', wanted(Kind.COMMIT, message="fix", folder=X)),
    ("commit everything in x with message Fix the parser", wanted(Kind.COMMIT, message="Fix the parser", folder="x")),
    ("commit my changes with message: it's done", wanted(Kind.COMMIT, message="it's done")),
    ("commit it as `wip`", wanted(Kind.COMMIT, message="wip")),
    ('git commit -am "two words"', wanted(Kind.COMMIT, message="two words")),
    ("commit all changes in x", wanted(Kind.COMMIT, folder="x")),
    ("commit this", wanted(Kind.COMMIT)),
    ("run `make build` in ~/code/x", wanted(Kind.COMMAND, "make", "build", folder=X)),
    ("run the command 'npm run build' in x", wanted(Kind.COMMAND, "npm", "run", "build", folder="x")),
    ("run make build in ~/code/x", wanted(Kind.COMMAND, "make", "build", folder=X)),
    ("run pytest -q in x", wanted(Kind.COMMAND, "pytest", "-q", folder="x")),
    ("git log --oneline in x", wanted(Kind.COMMAND, "git", "log", "--oneline", folder="x")),
    ("npm install", wanted(Kind.COMMAND, "npm", "install")),
    ("run `ls | wc -l` in x", wanted(Kind.COMMAND, "sh", "-c", "ls | wc -l", folder="x")),
    ("run `echo $HOME`", wanted(Kind.COMMAND, "sh", "-c", "echo $HOME")),
    ('run `grep "two words" notes.txt`', wanted(Kind.COMMAND, "grep", "two words", "notes.txt")),
    ("run it again", wanted(Kind.AGAIN)),
    ("again", wanted(Kind.AGAIN)),
    ("show the end of the output", wanted(Kind.OUTPUT)),
    ("show me the last 100 lines of the output", wanted(Kind.OUTPUT, lines=100)),
    ("show the last 100 lines", wanted(Kind.OUTPUT, lines=100)),
    ("show the full output", wanted(Kind.OUTPUT)),
]

LEFT = [
    "which files in my Downloads are largest?",
    "run",
    "run along",
    "run for president",
    "run the numbers in budget.csv",
    "test",
    "make me a table",
    "commit",
    "commit to the plan",
    "go to example.com",
    "find scripts in Downloads",
    "show the last 5 rows of orders.csv",
    "search for 'run the tests' in Documents",
    "what changed since yesterday?",
    'run `unbalanced " quote`',
    "run the tests\0",
    "run " + "x" * 5000,
    "sudo reboot",
    "",
]


@pytest.mark.parametrize(("text", "said"), UNDERSTOOD, ids=[text for text, _ in UNDERSTOOD])
def test_it_is_understood(text: str, said: Wanted) -> None:
    assert understand(text) == said


@pytest.mark.parametrize("text", LEFT)
def test_it_is_left_to_others(text: str) -> None:
    assert understand(text) is None


@pytest.mark.parametrize(
    "text", ["commit this with message " + "'\"" * 900, "run the tests in " + "a " * 900, "a`" * 900]
)
def test_no_words_keep_the_patterns_busy(text: str) -> None:
    understand(text)


def test_a_word_that_is_said_again_and_again_does_not_double_the_time() -> None:
    """Two places where a space could match made the host stand still: twenty more of these took a million times as long."""
    assert understand("run " + "please " * 250 + "x") is None
