"""Which window or application is meant, and what the menu and the systems' own commands say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from dispatch_host.desktop import entries
from dispatch_host.desktop.desktop import Application, NoDesktop, Window, cut
from dispatch_host.desktop.macos import MacOS
from dispatch_host.desktop.matching import applications_of, is_of, windows_of
from dispatch_host.desktop.windows import Windows

OPEN = [
    Window(1, "XTerm", "make test"),
    Window(2, "firefox", "News — Mozilla Firefox"),
    Window(3, "libreoffice-calc", "budget.xlsx"),
    Window(4, "XTerm", "vim notes"),
    Window(5, "Evince", "firefox-manual.pdf"),
]


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ("firefox", [2]),
        ("Firefox", [2]),
        ("the terminal"[4:], [1, 4]),
        ("console", [1, 4]),
        ("browser", [2]),
        ("calc", [3]),
        ("libreoffice calc", [3]),
        ("budget", [3]),
        ("notes", [4]),
        ("nothing", []),
        ("", []),
        ("fox", []),
    ],
)
def test_a_window_is_meant_by_its_application_before_its_title(said: str, numbers: list[int]) -> None:
    assert [window.number for window in windows_of(said, OPEN)] == numbers


def test_an_application_is_meant_by_its_name_its_class_or_its_program() -> None:
    menu = [
        Application("Text Editor", ("gnome-text-editor",)),
        Application("Firefox ESR", ("/usr/bin/firefox-esr",), "firefox-esr"),
        Application("Calculator", ("gnome-calculator",)),
    ]

    assert [one.name for one in applications_of("firefox", menu)] == ["Firefox ESR"]
    assert [one.name for one in applications_of("calculator", menu)] == ["Calculator"]
    assert [one.name for one in applications_of("editor", menu)] == ["Text Editor"]
    assert is_of(Window(1, "firefox-esr", ""), menu[1])
    assert not is_of(Window(1, "XTerm", ""), menu[1])


ENTRY = """# a comment
[Desktop Entry]
Type=Application
Name=Image Viewer
Name[de]=Bildbetrachter
Exec=/usr/bin/viewer --name "an image" %U
StartupWMClass=viewer
[Desktop Action New]
Exec=/bin/evil
"""


def test_an_entry_of_the_menu_is_read() -> None:
    assert entries.parse(ENTRY) == Application("Image Viewer", ("/usr/bin/viewer", "--name", "an image"), "viewer")


@pytest.mark.parametrize(
    "change",
    [
        ("Type=Application", "Type=Link"),
        ("Name=Image Viewer", "NoDisplay=true\nName=x"),
        ("Name=Image Viewer", "Hidden=true\nName=x"),
        ("Name=Image Viewer", "Terminal=true\nName=x"),
        ("Exec=/usr/bin/viewer", 'Exec="'),
        ("Exec=/usr/bin/viewer", "TryExec="),
        ("[Desktop Entry]", "[Other]"),
    ],
)
def test_what_is_no_application_of_the_menu_is_left_out(change: tuple[str, str]) -> None:
    assert entries.parse(ENTRY.replace(*change)) is None


def test_the_persons_own_entry_counts_before_the_systems(tmp_path: Path) -> None:
    for folder, name in (("own", "Mine"), ("system", "Theirs")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.desktop").write_text(f"[Desktop Entry]\nType=Application\nName={name}\nExec=sh\n")
    (tmp_path / "system" / "gone.desktop").write_text("[Desktop Entry]\nType=Application\nName=Gone\nExec=not-there\n")
    (tmp_path / "system" / "bytes.desktop").write_bytes(b"\xff\xfe[Desktop")

    found = entries.applications([tmp_path / "own", tmp_path / "system", tmp_path / "none"], path="/usr/bin:/bin")

    assert [one.name for one in found] == ["Mine"]


def test_titles_are_one_line_that_can_be_shown() -> None:
    assert cut("a\x1b[31m\n\u202eb\ud800") == "a [31m b?"
    assert len(cut("x" * 1000)) == 200


class Commands:
    """The systems' own commands: answers by what is in them, and remembers all."""

    def __init__(self, **answers: str) -> None:
        self.ran: list[tuple[Sequence[str], Mapping[str, str]]] = []
        self._answers = answers

    async def run(self, argv: Sequence[str], variables: Mapping[str, str]) -> str:
        self.ran.append((argv, variables))
        return next((answer for sign, answer in self._answers.items() if any(sign in word for word in argv)), "")


async def test_on_macos_what_is_said_goes_in_as_arguments(tmp_path: Path) -> None:
    (tmp_path / "Notes.app").mkdir()
    commands = Commands(frontmost="Safari\ttrue\tA\ttab\nSafari\ttrue\tB\nNotes\tfalse\tC\nbroken\n")
    mac = MacOS(commands.run, where=[tmp_path, tmp_path / "none"])

    windows = await mac.windows()
    await mac.focus(Window(1, 'x" & do shell script "evil', "B"))
    (notes,) = await mac.applications()
    await mac.start(notes)
    await mac.show(Path("/home/a/-x.pdf"))

    assert windows == [
        Window(0, "Safari", "A tab", True),
        Window(1, "Safari", "B", False),
        Window(2, "Notes", "C", False),
    ]
    assert "evil" not in commands.ran[1][0][2]
    assert commands.ran[-2][0] == ("open", "-a", str(tmp_path / "Notes.app"))
    assert commands.ran[-1][0] == ("open", "--", "/home/a/-x.pdf")


async def test_on_windows_what_is_said_goes_in_as_variables() -> None:
    listed = json.dumps([{"n": 7, "a": "notepad", "t": "a.txt", "f": True}, "x"])
    commands = Commands(FindAll=listed, StartApps=json.dumps([{"n": "Notepad", "i": "Microsoft.Notepad!App"}]))
    windows = Windows(commands.run)

    assert await windows.windows() == [Window(7, "notepad", "a.txt", True)]
    (notepad,) = await windows.applications()
    await windows.focus(Window(7, "notepad", ""))
    await windows.start(notepad)
    await windows.show(Path("C:\\a'; evil"))

    assert [variables for _, variables in commands.ran[2:]] == [
        {"DISPATCH_WINDOW": "7"},
        {"DISPATCH_APPLICATION": "Microsoft.Notepad!App"},
        {"DISPATCH_DOCUMENT": "C:\\a'; evil"},
    ]
    with pytest.raises(NoDesktop):
        await Windows(Commands(FindAll="{nonsense").run).windows()
