"""The desktop through the built-in assistant and through a model's tools: what is asked, noted, done, and truly said."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from dispatch import errors
from dispatch_host.agents import (
    AgentEvent,
    Allowed,
    Approval,
    Artifact,
    Denied,
    NobodyAnswered,
    NotDone,
    Progress,
    Reach,
    Result,
    Said,
    Step,
    Task,
)
from dispatch_host.agents.builtin import desk_grammar
from dispatch_host.agents.builtin.desk import Desk
from dispatch_host.agents.builtin.desk_grammar import Kind, WantedOfDesktop
from dispatch_host.agents.toolbox import ToolFailed, Work
from dispatch_host.desktop import opening
from dispatch_host.desktop.desktop import Application, Window
from dispatch_host.desktop.tools import DesktopTools
from dispatch_host.permissions.permission import BROWSER, DESKTOP
from dispatch_host.scope import Folder

from tests.support.agents import Nobody, OpenGate
from tests.support.desktop_end import RecordedDesktop, planted

OPEN = [Window(1, "XTerm", "make"), Window(2, "Firefox", "News", is_active=True), Window(3, "XTerm", "vim")]
YES = Allowed(Reach.ONCE, "phone")
PAINT = Application("Paint", ("paint",))


class SlowDesktop(RecordedDesktop):
    """Shows only at the third look what came of what was asked for."""

    looks = 0

    async def windows(self) -> Sequence[Window]:
        self.looks += 1
        if self.looks == 3:
            self.brings_to_front(3)
        return await RecordedDesktop.windows(self)


async def test_a_window_that_comes_behind_a_stall_of_the_whole_time_is_still_seen_to_come() -> None:
    assert await opening.focused(SlowDesktop(OPEN), OPEN[2], seconds=0)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("Which apps are open?", Kind.WINDOWS, ""),
        ("what applications are running right now", Kind.WINDOWS, ""),
        ("list open windows", Kind.WINDOWS, ""),
        ("show me the open apps please", Kind.WINDOWS, ""),
        ("what's open on my desktop?", Kind.WINDOWS, ""),
        ("focus the terminal", Kind.FOCUS, "terminal"),
        ("please switch to Firefox", Kind.FOCUS, "Firefox"),
        ("bring the Firefox window to the front", Kind.FOCUS, "Firefox"),
        ("open report.pdf", Kind.DOCUMENT, "report.pdf"),
        ("open the file my report.pdf on my screen", Kind.DOCUMENT, "my report.pdf"),
        ("open ~/Documents/report.pdf", Kind.DOCUMENT, "~/Documents/report.pdf"),
        ("open Firefox", Kind.APPLICATION, "Firefox"),
        ("launch the app Text Editor", Kind.APPLICATION, "Text Editor"),
    ],
)
def test_the_desktop_is_asked_for(text: str, kind: Kind, name: str) -> None:
    assert desk_grammar.understand(text) == WantedOfDesktop(kind, name)


@pytest.mark.parametrize(
    "text", ["summarise report.pdf", "open https://x.example", "which files are largest", "x" * 600]
)
def test_anything_else_is_not(text: str) -> None:
    assert desk_grammar.understand(text) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("Documents/report.pdf", "Documents/old/notes.txt", "Documents/new/notes.txt", "Documents/run.sh"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("%PDF-words" if path.endswith("pdf") else "words")
    (tmp_path / "secret.pdf").write_text("%PDF-secret")
    (tmp_path / "Documents/way.pdf").symlink_to(tmp_path / "secret.pdf")
    return tmp_path / "Documents"


async def asks(
    desktop: RecordedDesktop, text: str, *, gate: OpenGate, ask: Nobody | None = None, home: Path | None = None
) -> list[AgentEvent]:
    """Ask the built-in assistant; gives its events."""
    wanted = desk_grammar.understand(text)
    assert wanted is not None
    home = home or Path("/home/nobody")
    assistant = Desk(desktop, home=home, keep_out=[], planted=planted(home))
    assert await assistant.takes(wanted, gate)
    async with aclosing(assistant.run(wanted, gate=gate, ask=ask or Nobody())) as events:
        return [event async for event in events]


def end(events: list[AgentEvent]) -> str:
    last = events[-1]
    assert isinstance(last, Result), last
    return last.text


async def test_what_is_open_is_listed() -> None:
    gate = OpenGate((), DESKTOP)

    said = end(await asks(RecordedDesktop(OPEN), "which apps are open?", gate=gate))

    assert "3 windows" in said
    assert "**Firefox** News (in front)" in said
    assert gate.used == [(DESKTOP, "list of windows")]


async def test_without_the_permission_nothing_is_looked_at() -> None:
    desktop = RecordedDesktop(OPEN)
    with pytest.raises(errors.NotPermitted):
        await asks(desktop, "focus firefox", gate=OpenGate(()))

    assert desktop.asked == []


async def test_open_means_what_it_meant_where_the_desktop_is_not_permitted() -> None:
    assistant = Desk(RecordedDesktop(menu=[PAINT]), home=Path("/"), keep_out=[], planted=planted(Path("/")))

    for text in ("open report.pdf", "open paint"):
        wanted = desk_grammar.understand(text)
        assert wanted is not None
        assert not await assistant.takes(wanted, OpenGate(()))
    wanted = desk_grammar.understand("open the second one")
    assert wanted is not None
    assert not await assistant.takes(wanted, OpenGate((), DESKTOP))


async def test_of_several_windows_the_person_says_which() -> None:
    desktop = RecordedDesktop(OPEN, then=lambda one: one.brings_to_front(3))
    ask = Nobody(Said("XTerm: vim", "phone"))

    said = end(await asks(desktop, "focus the terminal", gate=OpenGate((), DESKTOP), ask=ask))

    assert desktop.asked == [("focus", 3)]
    assert "in front now" in said


async def test_nobody_who_says_which_is_no_choice() -> None:
    desktop = RecordedDesktop(OPEN)

    (event,) = await asks(desktop, "focus the terminal", gate=OpenGate((), DESKTOP))

    assert isinstance(event, NotDone)
    assert desktop.asked == []


async def test_a_window_that_does_not_come_is_said_not_to() -> None:
    desktop = RecordedDesktop(OPEN)

    assert not await opening.focused(desktop, OPEN[0], seconds=0)


async def test_a_document_is_opened_and_its_window_named(folder: Path) -> None:
    def comes(desktop: RecordedDesktop) -> None:
        desktop.open.append(Window(9, "Evince", "report.pdf"))

    desktop = RecordedDesktop(then=comes)
    gate = OpenGate([Folder(folder)], DESKTOP)

    said = end(await asks(desktop, "open report.pdf", gate=gate))

    assert desktop.asked == [("show", folder / "report.pdf")]
    assert "a window of `Evince`" in said
    assert (DESKTOP, f"open {folder}/report.pdf") in gate.used


@pytest.mark.parametrize(
    "text", ["open secret.pdf", "open way.pdf", "open run.sh", "open /etc/hosts.x", "open ../secret.pdf"]
)
async def test_nothing_outside_and_nothing_that_runs_is_opened(folder: Path, text: str) -> None:
    desktop = RecordedDesktop()

    said = end(await asks(desktop, text, gate=OpenGate([Folder(folder)], DESKTOP)))

    assert "no file" in said or "can't be opened" in said
    assert desktop.asked == []


async def test_of_several_documents_the_person_says_which(folder: Path) -> None:
    desktop = RecordedDesktop(then=lambda one: one.open.append(Window(9, "Editor", "notes")))
    ask = Nobody(Said(str(folder / "old/notes.txt"), "phone"))

    await asks(desktop, "open notes.txt", gate=OpenGate([Folder(folder)], DESKTOP), ask=ask)

    assert desktop.asked == [("show", folder / "old/notes.txt")]


async def test_an_application_without_a_window_is_not_said_to_be_open() -> None:
    silent, loud, other = RecordedDesktop(), RecordedDesktop(), RecordedDesktop()
    loud.then = lambda one: one.open.extend([Window(7, "Other", "x"), Window(8, "paint", "Untitled")])
    other.then = lambda one: one.open.append(Window(7, "Helper", "Welcome"))

    assert await opening.opened(silent, PAINT, seconds=0) is None
    assert await opening.opened(loud, PAINT, seconds=0) == Window(8, "paint", "Untitled")
    assert await opening.opened(other, PAINT, seconds=0) == Window(7, "Helper", "Welcome")


async def test_a_document_in_a_window_that_was_there_is_seen_by_its_title() -> None:
    desktop = RecordedDesktop([Window(1, "Evince", "a.pdf")])
    desktop.then = lambda one: one.open.__setitem__(0, Window(1, "Evince", "report.pdf"))

    assert await opening.shown(desktop, Path("/x/report.pdf"), seconds=0) == Window(1, "Evince", "report.pdf")


class Model:
    """A model's tools over a desktop."""

    def __init__(self, desktop: RecordedDesktop, folder: Path, *replies: Allowed | Denied | Said) -> None:
        self.ask = Nobody(*replies)
        self.gate = OpenGate([Folder(folder)], DESKTOP, BROWSER)
        self.box = DesktopTools(desktop, home=folder, keep_out=[], planted=planted(folder))
        self.told: list[Step | Progress | Artifact] = []

    async def does(self, tool: str, **given: object) -> str:
        async def tell(event: Step | Progress | Artifact) -> None:
            self.told.append(event)

        work = Work(Task("t", "?"), self.gate, self.ask, tell)
        tools = {one.name: one for one in await self.box.tools(work)}
        return await tools[f"desktop_{tool}"].run(given, work)  # type: ignore[arg-type]  # what a model may write


def opens_another(desktop: RecordedDesktop) -> None:
    _, subject = desktop.asked[-1]
    app, title = ("paint", subject.name) if isinstance(subject, Path) else (str(subject), "Untitled")
    desktop.open.append(Window(len(desktop.open) + 1, app, title))


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("windows", {"app": "x"}),
        ("focus", {"window": 1, "app": "x"}),
        ("open_application", {"application": "paint", "app": "x"}),
        ("open_document", {"document": "report.pdf", "app": "x"}),
    ],
)
async def test_a_misspelt_argument_is_refused_and_nothing_is_done(
    folder: Path, tool: str, given: dict[str, object]
) -> None:
    desktop = RecordedDesktop(list(OPEN), menu=[PAINT])
    model = Model(desktop, folder, YES)

    with pytest.raises(ToolFailed, match="no argument app"):
        await model.does(tool, **given)

    assert (desktop.asked, model.ask.asked) == ([], [])


async def test_a_model_asks_before_it_opens_and_the_rule_is_no_wider_than_it_says(folder: Path) -> None:
    desktop = RecordedDesktop(menu=[PAINT], then=opens_another)
    model = Model(desktop, folder, Allowed(Reach.ONCE, "phone"), Allowed(Reach.ONCE, "phone"))

    assert "was opened" in await model.does("open_application", application="paint")
    await model.does("open_document", document="report.pdf")

    rules = [one.rule for one in model.ask.asked if isinstance(one, Approval)]
    assert rules == ["open Paint", f"open documents in {folder}"]
    assert desktop.asked == [("start", "Paint"), ("show", folder / "report.pdf")]


async def test_an_application_that_agents_may_have_written_is_asked_about_each_time_with_that_said(
    folder: Path,
) -> None:
    """A rule for it would be one for whatever an agent makes of it."""
    theirs = [
        Application("Mine", (str(folder / "run.sh"),)),
        Application("Joined", ("env", f"-C{folder}", "./run.sh")),
        Application("Shell", ("sh", "-c", "exec ~/Doc*/run.sh")),
    ]
    plain = Application("Plain", ("sh", "--name", "Words"))
    desktop = RecordedDesktop(menu=[*theirs, plain], then=opens_another)
    model = Model(desktop, folder, *[YES] * 4)
    model.gate = OpenGate([Folder(folder, writable=True)], DESKTOP)

    for application in desktop.menu:
        await model.does("open_application", application=application.name)

    questions = [one for one in model.ask.asked if isinstance(one, Approval)]
    assert [one.rule for one in questions] == ["", "", "", "open Plain"]
    assert ["Agents may write to" in one.preview for one in questions] == [True, True, True, False]
    assert "sh -c 'exec ~/Doc*/run.sh'" in questions[2].preview


@pytest.mark.parametrize("reply", [YES, Denied("phone"), None])
async def test_a_person_who_names_an_application_of_agents_is_asked(
    folder: Path, reply: Allowed | Denied | None
) -> None:
    desktop = RecordedDesktop(menu=[Application("Mine", (str(folder / "run.sh"),))], then=opens_another)
    ask = Nobody(*([reply] if reply else []))

    events = await asks(desktop, "open mine", gate=OpenGate([Folder(folder, writable=True)], DESKTOP), ask=ask)

    assert isinstance(events[-1], Result) is isinstance(reply, Allowed)
    assert desktop.asked == ([("start", "Mine")] if isinstance(reply, Allowed) else [])
    assert len(ask.asked) == 1


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("x.html", "<script>location = 'http://127.0.0.1/'</script>", "web page"),
        ("x.txt", "<html>", "web page"),
        ("x.docx", "PK", "office document"),
        ("x.csv", "=WEBSERVICE(A1)", "office document"),
        ("x.md", "![](https://example.org/)", "fetch from the network"),
        ("x.pdf", "%PDF-1.7" + " " * 9000 + "<</OpenAction 3 0 R>>", "fetch from the network"),
        ("x.foo", "words", "known to be harmless"),
    ],
)
async def test_a_document_that_does_something_is_asked_about_each_time_by_what_it_is(
    folder: Path, name: str, text: str, word: str
) -> None:
    """A rule for documents of a folder is none for a page that a model wrote into it."""
    (folder / name).write_text(text)
    desktop = RecordedDesktop(then=opens_another)
    model = Model(desktop, folder, YES, YES)

    await model.does("open_document", document=name)
    await model.does("open_document", document=name)

    questions = [one for one in model.ask.asked if isinstance(one, Approval)]
    assert [one.rule for one in questions] == ["", ""]
    assert word in questions[0].preview
    assert (BROWSER in questions[0].stands_on) is (word == "web page")


async def test_a_page_takes_the_permission_for_the_browser_as_well(folder: Path) -> None:
    (folder / "x.html").write_text("<p>words")
    desktop = RecordedDesktop()
    model = Model(desktop, folder, YES)
    model.gate = OpenGate([Folder(folder)], DESKTOP)

    with pytest.raises(errors.NotPermitted):
        await model.does("open_document", document="x.html")

    assert desktop.asked == []


async def test_what_turns_into_something_else_during_the_question_is_not_opened(folder: Path) -> None:
    class Slow(Nobody):
        async def may(self, question: Approval) -> Allowed | Denied | NobodyAnswered:
            (folder / "report.pdf").write_text("<html><script>")
            return await super().may(question)

    desktop = RecordedDesktop()
    model = Model(desktop, folder)
    model.ask = Slow(YES)

    with pytest.raises(ToolFailed, match="another than the one"):
        await model.does("open_document", document="report.pdf")

    assert desktop.asked == []


@pytest.mark.parametrize("reply", [Allowed(Reach.ONCE, "phone"), Denied("phone"), None])
async def test_a_person_who_names_a_page_is_told_what_it_does_before_it_is_opened(
    folder: Path, reply: Allowed | Denied | None
) -> None:
    (folder / "x.html").write_text("<p>words")
    desktop = RecordedDesktop(then=opens_another)
    ask = Nobody(*([reply] if reply else []))

    events = await asks(desktop, "open x.html", gate=OpenGate([Folder(folder)], DESKTOP, BROWSER), ask=ask)

    assert isinstance(events[-1], Result) is isinstance(reply, Allowed)
    assert desktop.asked == ([("show", folder / "x.html")] if isinstance(reply, Allowed) else [])
    assert len(ask.asked) == 1


@pytest.mark.parametrize("reply", [Denied("phone"), None])
async def test_a_model_opens_nothing_without_a_yes(folder: Path, reply: Denied | None) -> None:
    desktop = RecordedDesktop(menu=[PAINT])
    model = Model(desktop, folder, *([reply] if reply else []))

    with pytest.raises(ToolFailed):
        await model.does("open_application", application="paint")

    assert desktop.asked == []


@pytest.mark.parametrize(
    "given", [{}, {"window": 7.5}, {"window": ""}, {"window": "x" * 5000}, {"window": "nothing"}, {"window": "a\0"}]
)
async def test_whatever_a_model_writes_is_checked(folder: Path, given: dict[str, object]) -> None:
    with pytest.raises(ToolFailed):
        await Model(RecordedDesktop(OPEN), folder).does("focus", **given)


async def test_a_computer_without_a_desktop_says_so(folder: Path) -> None:
    desktop = RecordedDesktop(is_there=False)

    with pytest.raises(ToolFailed, match=r"There is none\. Start one\."):
        await Model(desktop, folder).does("windows")
    (event,) = await asks(desktop, "which apps are open", gate=OpenGate((), DESKTOP))
    assert isinstance(event, NotDone)
