"""The built-in assistant with a terminal: it shows the exact command, asks, and runs what was approved, in the real sandbox."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from dispatch import errors
from dispatch_host.agents import (
    AgentEvent,
    Allowed,
    Approval,
    Choice,
    Denied,
    NotDone,
    NotDoneReason,
    Reach,
    Result,
    Said,
    Text,
    Turn,
    canonical,
)
from dispatch_host.agents.builtin.driver import BuiltIn
from dispatch_host.agents.terminal import Terminal
from dispatch_host.permissions.permission import NETWORK, TERMINAL, Permission
from dispatch_host.sandbox.probe import Found, probe
from dispatch_host.sandbox.program import Exit, NoProgram
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.scope import Folder

from tests.support.agents import Nobody, OpenGate, last, leaves_nothing, run, turn

ONCE = Allowed(Reach.ONCE, "pocket")
NONE = Found(None, "bubblewrap is not installed.", "Install it.")


class Desk:
    """A person with one folder, who answers what is asked, in one thread."""

    def __init__(self, home: Path, *, found: Found | None = None, without_sandbox: bool = False) -> None:
        self.home = home
        self.code = home / "code"
        self.code.mkdir()
        self.folders = [Folder(self.code, writable=True)]
        self.permissions: list[Permission] = [TERMINAL]
        self.without_sandbox = without_sandbox
        self.history: list[Turn] = []
        self.asked: list[Approval | Choice] = []
        self.gate = OpenGate()
        self.events: Sequence[AgentEvent] = []
        self._found = found
        self.agent = BuiltIn(home=home, terminal=Terminal(self._probe, unconfined=Unconfined(home=home)))

    async def _probe(self) -> Found:
        return self._found or await probe(home=self.home)

    async def asks(self, text: str, *replies: Allowed | Denied | Said) -> Result | NotDone:
        """Send a task and give its end. Nothing is left of it."""
        person = Nobody(*replies)
        self.gate = OpenGate(self.folders, *self.permissions, without_sandbox=self.without_sandbox)
        async with leaves_nothing():
            self.events = await run(self.agent, text, gate=self.gate, ask=person, history=self.history)
        self.asked = person.asked
        end = last(self.events)
        self.history.append(turn(text, end))
        return end


@pytest.fixture(scope="module")
def found() -> Found:
    found = asyncio.run(probe(home=Path("/nowhere")))
    if found.programs is None:
        pytest.skip(f"no sandbox on this machine: {found.why}")
    return found


@pytest.fixture
def desk(found: Found, home: Path) -> Desk:
    del found
    return Desk(home)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def repository(desk: Desk) -> Path:
    if shutil.which("git", path="/usr/bin:/bin:/usr/local/bin") is None:
        pytest.skip("git is not installed")
    folder = desk.code / "x"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "config", "user.name", "Ann")
    git(folder, "config", "user.email", "ann@example.com")
    (folder / "notes.txt").write_text("one\n")
    return folder


async def test_the_exact_command_is_shown_and_runs_after_a_yes(desk: Desk) -> None:
    (desk.code / "hello.py").write_text("print('hello from', __file__)")

    end = await desk.asks("run hello.py", ONCE)

    (question,) = desk.asked
    assert isinstance(question, Approval)
    assert "python3 ./hello.py" in question.preview
    assert "`~/code`" in question.preview
    assert "in the sandbox, without the network" in question.preview
    assert json.loads(question.action)["steps"] == [["python3", "./hello.py"]]
    assert isinstance(end, Result)
    assert "hello from" in end.text
    assert "ended well" in end.text
    assert (TERMINAL, "python3") in desk.gate.used
    assert any(isinstance(event, Text) and "hello from" in event.delta for event in desk.events)


async def test_after_a_no_nothing_runs(desk: Desk) -> None:
    end = await desk.asks("run `touch ran`", Denied("pocket"))

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.PERSON_DENIED
    assert not (desk.code / "ran").exists()
    assert desk.gate.used[1:] == []  # but for the folder: a program that was not started is no use of the terminal


async def test_when_nobody_answers_nothing_runs_and_that_is_said(desk: Desk) -> None:
    end = await desk.asks("run `touch ran`")

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.NOBODY_ANSWERED
    assert not (desk.code / "ran").exists()


async def test_without_the_permission_nobody_is_even_asked(desk: Desk) -> None:
    desk.permissions = []

    with pytest.raises(errors.NotPermitted):
        await desk.asks("run `touch ran`", ONCE)

    assert not (desk.code / "ran").exists()


async def test_a_program_is_given_the_folder_it_starts_in_and_no_other(desk: Desk) -> None:
    papers = desk.home / "papers"
    papers.mkdir()
    (papers / "letter.txt").write_text("a private word")
    desk.folders.append(Folder(papers, writable=True))
    # Its own text names no folder: what the person reads is all that it gets.
    (desk.code / "look.py").write_text(
        "import os; print(os.path.exists(os.path.expanduser('~/papers')), os.listdir('.'))"
    )

    end = await desk.asks("run look.py", ONCE)

    (question,) = desk.asked
    assert isinstance(question, Approval)
    assert "may change `~/code`" in question.preview
    assert "papers" not in question.preview + question.rule
    assert json.loads(question.action)["folders"] == [[str(desk.code), True]]
    assert isinstance(end, Result)
    assert "False ['look.py']" in end.text


async def test_a_folder_that_the_command_names_is_given_and_shown_with_its_right(desk: Desk) -> None:
    papers = desk.home / "papers"
    papers.mkdir()
    (papers / "letter.txt").write_text("a private word")
    desk.folders.append(Folder(papers))

    end = await desk.asks(f"run `cp {papers}/letter.txt copy.txt` in code", ONCE)

    (question,) = desk.asked
    assert isinstance(question, Approval)
    assert "may change `~/code`" in question.preview
    assert "may only read `~/papers`" in question.preview
    assert question.rule.endswith("may change ~/code, may only read ~/papers")
    assert isinstance(end, Result)
    assert (desk.code / "copy.txt").read_text() == "a private word"


async def test_a_yes_gives_nothing_that_was_taken_back_or_approved_since(desk: Desk) -> None:
    inner = desk.code / "library"
    inner.mkdir()
    terminal = Terminal(desk._probe, unconfined=Unconfined(home=desk.home))
    shown = [Folder(desk.code, writable=True)]

    async def ends(*approved: Folder) -> int | None:
        gate = OpenGate(approved, TERMINAL)
        events = terminal.run_program(("touch", "library/new"), desk.code, gate=gate, folders=shown)
        (code,) = [event.code async for event in events if isinstance(event, Exit)]
        return code

    for approved in ([], [Folder(desk.code)], [Folder(inner, writable=True)]):
        with pytest.raises(NoProgram):
            await ends(*approved)
    assert await ends(*shown, Folder(inner)) != 0
    assert await ends(*shown) == 0


@pytest.mark.big
async def test_a_yes_counts_for_the_same_command_in_the_same_folder_only(desk: Desk) -> None:
    rules, digests = set(), set()
    for text in ("run `touch a`", "run `touch b`", "run `touch a` in code", "run `touch a`"):
        await desk.asks(text, ONCE)
        (question,) = desk.asked
        assert isinstance(question, Approval)
        rules.add(question.rule)
        digests.add(question.digest)

    assert rules == {
        "run touch a in ~/code, in the sandbox, without the network, may change ~/code",
        "run touch b in ~/code, in the sandbox, without the network, may change ~/code",
    }
    assert len(digests) == 2


async def test_the_network_is_part_of_what_is_asked(desk: Desk) -> None:
    desk.permissions = [TERMINAL, NETWORK]

    await desk.asks("run `true`", ONCE)

    (question,) = desk.asked
    assert isinstance(question, Approval)
    assert "with the network" in question.preview
    assert (NETWORK, "true") in desk.gate.used


async def test_a_project_s_tests_run_as_it_says_itself(desk: Desk) -> None:
    for name, files, command in (
        ("made", {"Makefile": "test:\n\t@echo made it\n"}, ["make", "test"]),
        ("node", {"package.json": '{"scripts": {"test": "echo"}}'}, ["npm", "test"]),
        ("rust", {"Cargo.toml": ""}, ["cargo", "test"]),
        ("snake", {"pyproject.toml": "[tool.pytest.ini_options]\n"}, ["python3", "-m", "pytest", "-q"]),
        ("plain", {"test_it.py": ""}, ["python3", "-m", "unittest"]),
    ):
        (desk.code / name).mkdir()
        for file, text in files.items():
            (desk.code / name / file).write_text(text)

        await desk.asks(f"run the tests in ~/code/{name}", Denied("pocket"))

        (question,) = desk.asked
        assert isinstance(question, Approval)
        said = json.loads(question.action)
        assert (said["steps"], said["folder"]) == ([command], str(desk.code / name))


async def test_tests_that_fail_fail_their_task_with_their_output(desk: Desk) -> None:
    (desk.code / "test_it.py").write_text(
        "import unittest\nclass T(unittest.TestCase):\n    def test_sum(self): self.assertEqual(1 + 1, 3)\n"
    )

    end = await desk.asks("run the tests", ONCE)

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.PROGRAM_FAILED
    assert "ended with code 1" in end.text
    assert "2 != 3" in end.text


async def test_git_status_and_commit(desk: Desk, repository: Path) -> None:
    status = await desk.asks("git status in ~/code/x", ONCE)
    end = await desk.asks("commit this with message 'first $(touch ran); \"words\"'", ONCE)

    assert "notes.txt" in status.text
    assert isinstance(end, Result), end
    assert git(repository, "log", "--format=%s") == 'first $(touch ran); "words"\n'
    assert git(repository, "status", "--short") == ""
    (question,) = desk.asked
    assert isinstance(question, Approval)
    assert question.rule == ""  # a commit asks each time


async def test_the_question_of_a_commit_lists_every_file_that_it_will_hold_and_its_title_says_what_is_run(
    desk: Desk, repository: Path
) -> None:
    (repository / "gone.txt").write_text("old")
    (repository / ".gitignore").write_text("*.pyc\n")
    git(repository, "add", "--all")
    git(repository, "commit", "-q", "-m", "first")
    (repository / "notes.txt").write_text("two\n")
    (repository / "gone.txt").unlink()
    (repository / "__pycache__").mkdir()
    (repository / "__pycache__" / "a.pyc").write_bytes(b"cache")
    (repository / "new\nname").write_text("new")

    await desk.asks("commit everything in x with message 'second'", Denied("pocket"))

    (question,) = desk.asked
    assert isinstance(question, Approval)
    assert question.text == "Run `git add --all; git commit -m second`?"
    listed = {line for line in question.preview.splitlines() if line.startswith("- ")}
    assert listed == {r"- `gone.txt`: deleted", "- `notes.txt`: changed", r"- `new\nname`: not in git until now"}


async def test_looking_at_what_a_commit_will_hold_lets_the_repository_change_nothing(
    desk: Desk, repository: Path
) -> None:
    git(repository, "config", "filter.evil.clean", "sh -c 'touch ran; cat'")
    (repository / ".gitattributes").write_text("* filter=evil\n")
    git(repository, "config", "core.fsmonitor", "touch ran")

    await desk.asks("commit everything in x with message 'fix'", Denied("pocket"))

    assert desk.asked
    assert not (repository / "ran").exists()


async def test_git_without_a_folder_means_where_the_thread_worked_last_whatever_was_asked_since(
    desk: Desk, repository: Path
) -> None:
    other = desk.code / "other"
    other.mkdir()
    git(other, "init", "-q")
    desk.folders = [*desk.folders, Folder(desk.home / "Documents")]
    await desk.asks("run `true` in ~/code/x", ONCE)
    await desk.asks("which files are largest?")

    end = await desk.asks("git status", ONCE)

    assert [type(one) for one in desk.asked] == [Approval]
    assert "notes.txt" in end.text
    del repository


async def test_git_where_nothing_ran_yet_asks_for_a_repository_and_for_no_other_folder(
    desk: Desk, repository: Path
) -> None:
    desk.folders = [*desk.folders, Folder(desk.home / "Documents")]

    end = await desk.asks("git status", ONCE)

    assert [type(one) for one in desk.asked] == [Approval]  # there is one repository only
    assert "notes.txt" in end.text
    shutil.rmtree(repository / ".git")
    desk.history = []
    end = await desk.asks("git status", ONCE)
    assert desk.asked == []
    assert "a git repository" in end.text


async def test_a_commit_without_a_message_asks_for_one(desk: Desk, repository: Path) -> None:
    await desk.asks("commit everything in x", Said("told when asked", "pocket"), ONCE)

    assert git(repository, "log", "--format=%s") == "told when asked\n"


async def test_which_folder_is_asked_when_it_is_not_clear(desk: Desk) -> None:
    other = desk.home / "Documents"
    desk.folders = [*desk.folders, Folder(other)]

    end = await desk.asks("run `pwd`", Said(str(other), "pocket"), ONCE)

    question = desk.asked[0]
    assert isinstance(question, Choice)
    assert question.choices == [str(desk.code), str(other)]
    assert str(other) in end.text


async def test_which_script_is_asked_when_there_are_two(desk: Desk) -> None:
    for name in ("a", "b"):
        (desk.code / name).mkdir()
        (desk.code / name / "go.sh").write_text(f"echo this is {name}")

    end = await desk.asks("run go.sh", Said(str(desk.code / "b" / "go.sh"), "pocket"), ONCE)

    assert "this is b" in end.text


@pytest.mark.parametrize("where", ["~/Private", "/etc", "~/code/../Private", "nowhere"])
async def test_other_folders_are_refused(desk: Desk, where: str) -> None:
    end = await desk.asks(f"run `ls` in {where}", ONCE)

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.FOLDER_NOT_APPROVED
    assert desk.asked == []


async def test_a_script_outside_is_refused_though_a_link_leads_to_it(desk: Desk) -> None:
    (desk.home / "Private" / "evil.sh").write_text("echo evil")
    (desk.code / "evil.sh").symlink_to(desk.home / "Private" / "evil.sh")

    for text in ("run evil.sh", "run ~/Private/evil.sh", "run ../Private/evil.sh"):
        end = await desk.asks(text, ONCE)
        assert "echo evil" not in end.text
        assert desk.asked == []


@pytest.mark.big
async def test_the_end_of_a_long_output_and_more_of_it_when_asked(desk: Desk) -> None:
    end = await desk.asks("run `seq 500`", ONCE)
    more = await desk.asks("show me the last 100 lines of the output")
    again = await desk.asks("run it again", ONCE)

    assert "\n461\n" in end.text
    assert "\n460\n" not in end.text
    assert "\n401\n" in more.text
    assert "\n400\n" not in more.text
    assert again.text == end.text


async def test_again_means_nothing_when_nothing_ran(desk: Desk) -> None:
    end = await desk.asks("run it again")

    assert isinstance(end, NotDone)
    assert end.reason in (NotDoneReason.NOT_UNDERSTOOD, NotDoneReason.NEEDS_AGENT)


async def test_colours_and_control_characters_are_not_in_the_answer(desk: Desk) -> None:
    colours = r"printf '\033[31mred\033[0m \r10%%\r100%%\n\033]0;title\007x\001y\n```\n'"
    (desk.code / "colours.sh").write_text(colours)

    end = await desk.asks("run colours.sh", ONCE)

    assert "\x1b" not in end.text
    assert "100%\nxy\n```\n````" in end.text


async def test_a_program_that_is_not_there(desk: Desk) -> None:
    end = await desk.asks("run `no-such-program`", ONCE)

    assert isinstance(end, NotDone)
    assert "could not be started" in end.text


async def test_where_there_is_no_sandbox_there_is_no_terminal(home: Path) -> None:
    desk = Desk(home, found=NONE)

    end = await desk.asks("run `touch ran`", ONCE)

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.SANDBOX_UNAVAILABLE
    assert "bubblewrap is not installed" in end.text
    assert desk.asked == []
    assert not (desk.code / "ran").exists()


async def test_unless_the_owner_accepted_that_and_then_each_question_says_so(home: Path) -> None:
    desk = Desk(home, found=NONE, without_sandbox=True)

    end = await desk.asks("run `touch ran`", ONCE)

    (question,) = desk.asked
    assert isinstance(question, Approval)
    assert "WITHOUT a sandbox" in question.preview
    assert isinstance(end, Result), end
    assert (desk.code / "ran").exists()


async def test_a_sandbox_that_is_gone_since_the_question_is_not_done_without(home: Path, found: Found) -> None:
    """Approved was a program in the sandbox, whatever else the owner accepted."""
    desk = Desk(home, found=NONE, without_sandbox=True)
    terminal = Terminal(desk._probe, unconfined=Unconfined(home=home))
    gate = OpenGate(desk.folders, TERMINAL, without_sandbox=True)

    with pytest.raises(Exception, match="bubblewrap is not installed"):
        await anext(terminal.run_program(("touch", "ran"), desk.code, gate=gate, confined=True))

    assert not (desk.code / "ran").exists()
    assert found.programs is not None


def test_what_is_approved_is_canonical() -> None:
    action = canonical({"steps": [["a"]], "folder": "/x"})

    assert canonical(json.loads(action)) == action


async def test_of_more_folders_than_a_question_holds_as_many_are_shown_as_fit(home: Path) -> None:
    """Sixty-four long paths are more than 8 KiB: the question could not be made, and the agent broke."""
    desk = Desk(home, found=NONE, without_sandbox=True)
    desk.folders = []
    for number in range(60):
        project = home / "code" / ("x" * 200) / f"{number} {'y' * 200}"
        project.mkdir(parents=True)
        (project / "Makefile").write_text("test:\n\ttrue\n")
        desk.folders.append(Folder(project, writable=True))

    end = await desk.asks("run the tests")

    (question,) = desk.asked
    assert isinstance(question, Choice)
    assert 0 < len(question.choices) < 60
    left = 60 - len(question.choices)
    assert f"{left} more did not fit into this question" in question.preview
    assert f"{left} more did not fit into this question" in end.text
