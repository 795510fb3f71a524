"""What only the host can do is understood in the worker all the same: no pattern over a phone's words runs there."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from dispatch_host.agents import Allowed, Approval, NotDone, NotDoneReason, Reach, Result
from dispatch_host.agents.builtin import commands, desk_grammar, page_grammar
from dispatch_host.agents.builtin.commands import Wanted
from dispatch_host.agents.builtin.desk import Desk
from dispatch_host.agents.builtin.desk_grammar import WantedOfDesktop
from dispatch_host.agents.builtin.driver import BuiltIn
from dispatch_host.agents.builtin.errand import Errand, Part, understand
from dispatch_host.agents.builtin.page_grammar import WantedPage
from dispatch_host.agents.builtin.request import Outcome
from dispatch_host.agents.builtin.wire import OutOfBounds, decode, encode_outcome
from dispatch_host.agents.terminal import Terminal
from dispatch_host.permissions.permission import TERMINAL
from dispatch_host.sandbox.probe import Found
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.scope import Folder

from tests.support.agents import Nobody, OpenGate, last, leaves_nothing, run
from tests.support.desktop_end import RecordedDesktop, planted

ERRANDS: list[Errand] = [
    Wanted(kind=commands.Kind.COMMAND, words=("git", "log"), folder="code"),
    Wanted(kind=commands.Kind.OUTPUT, lines=20),
    Wanted(kind=commands.Kind.COMMIT, message="It's “done”"),
    WantedPage(page_grammar.Kind.PICTURE, "https://example.org"),
    WantedOfDesktop(desk_grammar.Kind.FOCUS, "Firefox"),
]


def terminal(home: Path) -> Terminal:
    """Make one that needs no sandbox."""

    async def none() -> Found:
        return Found(None, "bubblewrap is not installed.", "Install it.")

    return Terminal(none, unconfined=Unconfined(home=home))


def assistant(home: Path, *script: str) -> BuiltIn:
    """Make the assistant with a terminal; with a script, one whose worker is that program instead."""
    if not script:
        desk = Desk(RecordedDesktop(), home=home, keep_out=[], planted=planted(home))
        return BuiltIn(home=home, terminal=terminal(home), desktop=desk)
    return BuiltIn(home=home, terminal=terminal(home), command=(sys.executable, "-c", "\n".join(script)))


def says(errand: Errand) -> tuple[str, ...]:
    """Give a worker that understands one thing, whatever it hears."""
    return (
        "import sys",
        "sys.stdin.readline()",
        f"sys.stdout.write({encode_outcome(Outcome(Result(''), errand=errand)).decode()!r})",
    )


def gate_of(home: Path) -> OpenGate:
    return OpenGate([Folder(home / "Documents", writable=True)], TERMINAL, without_sandbox=True)


async def test_what_is_carried_out_is_what_the_worker_understood(home: Path) -> None:
    """The host had its own patterns over the words: `commit` and two thousand spaces held up every phone."""
    agent = assistant(home, *says(Wanted(kind=commands.Kind.COMMAND, words=("touch", "made"))))
    person = Nobody(Allowed(Reach.ONCE, "pocket"))

    async with leaves_nothing():
        end = last(await run(agent, "commit" + " " * 2000, gate=gate_of(home), ask=person))

    assert isinstance(end, Result), end
    (question,) = person.asked
    assert isinstance(question, Approval)
    assert "touch made" in question.preview
    assert (home / "Documents" / "made").exists()


async def test_a_worker_that_never_understands_is_ended_and_the_host_has_not_waited_for_it(home: Path) -> None:
    agent = BuiltIn(
        home=home,
        terminal=terminal(home),
        command=(sys.executable, "-c", "while True: pass"),
        limit_seconds=0.2,
    )

    async with leaves_nothing():
        end = last(await run(agent, "run git log", gate=gate_of(home)))

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.AGENT_FAILED


async def test_an_errand_that_nobody_offered_to_carry_out_is_a_failure(home: Path) -> None:
    agent = assistant(home, *says(WantedPage(page_grammar.Kind.SUMMARY, "https://example.org")))

    end = last(await run(agent, "hello", gate=gate_of(home)))

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.AGENT_FAILED


@pytest.mark.big
async def test_what_means_something_else_here_is_looked_at_again(home: Path) -> None:
    """“Again” without a program before, and “open report.pdf” without the permission for the desktop, are for the files."""
    (home / "Documents" / "report.txt").write_text("The needle lies in this haystack today.")

    opened = last(await run(assistant(home), "open report.txt", gate=gate_of(home)))
    again = last(await run(assistant(home), "again", gate=gate_of(home)))

    assert "needle lies" in opened.text
    assert isinstance(again, NotDone)
    assert again.reason is NotDoneReason.NOT_UNDERSTOOD


@pytest.mark.parametrize("errand", ERRANDS, ids=lambda errand: str(errand.kind))
def test_an_errand_comes_over_the_wire_as_it_was(errand: Errand) -> None:
    outcome = decode(encode_outcome(Outcome(Result(""), errand=errand)))

    assert isinstance(outcome, Outcome)
    assert outcome.errand == errand


@pytest.mark.parametrize(
    ("errand", "wrong"),
    [
        (0, {"words": "git log"}),
        (0, {"words": []}),
        (0, {"words": ["git", 7]}),
        (0, {"words": ["git", "a\0b"]}),
        (0, {"words": ["x" * 1001, "y" * 1000]}),
        (0, {"words": ["\ud800"]}),
        (0, {"folder": 7}),
        (0, {"folder": "x" * 2001}),
        (0, {"kind": "rm"}),
        (0, {"part": "desktop"}),
        (0, {"part": "root"}),
        (0, {"more": 1}),
        (1, {"lines": 10_000}),
        (1, {"lines": True}),
        (1, {"words": ["ls"]}),
        (2, {"message": ["a"]}),
        (3, {"url": "x" * 5001}),
        (3, {"url": None}),
        (4, {"name": "x" * 501}),
        (4, {"kind": "picture"}),
    ],
)
def test_a_worker_that_says_anything_else_is_not_believed(errand: int, wrong: dict[str, Any]) -> None:
    said = json.loads(encode_outcome(Outcome(Result(""), errand=ERRANDS[errand])))

    with pytest.raises(OutOfBounds):
        decode(json.dumps(said | wrong).encode() + b"\n")


_WORDS = """
    in the my folder at a with message commit all changes run git tests x.py -m as project of and it that again open https://a.b
    www. screenshot focus window on desktop please now take picture summarise page show last 5 lines
"""
_PIECES = (*" \t\n`'\"“”‘’.,:;-=~/", *_WORDS.split())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.timeout(60)
def test_no_words_at_all_keep_the_worker_for_ever(seed: int) -> None:
    """What grows with the square of two thousand characters is borne, for it is the worker's own time; what doubles is not."""
    rng = random.Random(seed)
    for _ in range(12):
        piece = "".join(rng.choice(_PIECES) + rng.choice((" ", "")) for _ in range(rng.randint(1, 4)))
        text = (rng.choice(("commit ", "run ", "open ", "focus ", "")) + piece * 500)[
            : rng.choice((250, 499))
        ] + rng.choice(_PIECES)
        understand(text, tuple(Part))


def test_the_host_s_process_has_no_phrasings_of_its_own() -> None:
    """They are in errand.py, which program.py calls in the worker; driver.py and those that carry errands out call none."""
    from dispatch_host.agents.builtin import browsing, desk, driver, running, workers

    for module in (browsing, desk, driver, running, workers):
        source = Path(str(module.__file__)).read_text()
        assert "understand(" not in source
        assert "parse(" not in source
        assert "impolite(" not in source
