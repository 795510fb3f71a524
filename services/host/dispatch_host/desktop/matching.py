"""Which window or application a person means by "the terminal", "firefox" or "LibreOffice Calc". Pure.

The best kind of fit counts, and everything that fits as well is given: whoever calls asks which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from dispatch_host.desktop.desktop import Application, Window

T = TypeVar("T")

USUAL = {
    "terminal": (
        *(
            "xterm",
            "uxterm",
            "gnome-terminal",
            "konsole",
            "xfce4-terminal",
            "alacritty",
            "kitty",
            "terminator",
            "tilix",
        ),
        *(
            "urxvt",
            "lxterminal",
            "mate-terminal",
            "qterminal",
            "foot",
            "wezterm",
            "terminal",
            "windowsterminal",
            "ptyxis",
        ),
    ),
    "browser": (
        *(
            "firefox",
            "chromium",
            "google-chrome",
            "chrome",
            "brave-browser",
            "brave",
            "vivaldi",
            "opera",
            "safari",
            "msedge",
        ),
        *("epiphany", "falkon"),
    ),
    "editor": (
        *(
            "gedit",
            "gnome-text-editor",
            "kate",
            "kwrite",
            "mousepad",
            "code",
            "vscodium",
            "emacs",
            "gvim",
            "sublime_text",
        ),
        *("notepad", "textedit", "pluma", "geany"),
    ),
    "mail": ("thunderbird", "evolution", "geary", "kmail", "mail", "outlook"),
    "files": ("nautilus", "org.gnome.nautilus", "dolphin", "thunar", "nemo", "caja", "pcmanfm", "finder", "explorer"),
}
"""What is meant by the word for a kind of application."""
_ALIASES = {
    "console": "terminal",
    "shell": "terminal",
    "web browser": "browser",
    "text editor": "editor",
    "email": "mail",
    "mail program": "mail",
    "file manager": "files",
    "file browser": "files",
}


def windows_of(said: str, windows: Sequence[Window]) -> list[Window]:
    """Give the windows that fit: by application before by title."""
    return _best(said, [(window, (window.app,), (window.title,)) for window in windows])


def applications_of(said: str, applications: Sequence[Application]) -> list[Application]:
    """Give the applications that fit."""
    found = _best(said, [(one, (one.name, one.window_class, *one.start[:1]), ()) for one in applications])
    return list({one.name.casefold(): one for one in found}.values())


def is_of(window: Window, application: Application) -> bool:
    """Tell whether a window may be of an application."""
    theirs = {_plain(application.name), _plain(application.window_class), _plain(_base(application.start))} - {""}
    app = _plain(window.app)
    return app in theirs or any(name in app or app in name for name in theirs if len(name) > 3 and len(app) > 3)


def _best(said: str, candidates: Iterable[tuple[T, Sequence[str], Sequence[str]]]) -> list[T]:
    wanted = _plain(said)
    if not wanted:
        return []
    usual = {_plain(name) for name in USUAL.get(_ALIASES.get(wanted, wanted), ())}
    ranked: list[tuple[int, T]] = []
    for candidate, names, titles in candidates:
        plain = [_plain(name.rpartition("/")[2]) for name in names]
        whole = [_plain(title) for title in titles]
        if wanted in plain:
            ranked.append((0, candidate))
        elif usual.intersection(plain):
            ranked.append((1, candidate))
        elif any(_words_in(wanted, name) for name in plain):
            ranked.append((2, candidate))
        elif any(_words_in(wanted, title) for title in whole):
            ranked.append((3, candidate))
    best = min((rank for rank, _ in ranked), default=0)
    return [candidate for rank, candidate in ranked if rank == best]


def _words_in(wanted: str, name: str) -> bool:
    """Tell whether each word that was said begins one of the name, in order."""
    words = iter(name.split())
    return all(any(word.startswith(one) for word in words) for one in wanted.split())


def _base(start: Sequence[str]) -> str:
    return start[0].rpartition("/")[2] if start else ""


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", name.casefold()).split())
