"""Which keys there are."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from mobile_sim.tui.page import Page

_HELP = """\
Write what is to be done and press Enter. Ctrl+J begins a new line.

Ctrl+O   attach a file, by its path
Ctrl+R   who answers: decided by the phone, the phone, the computer
Ctrl+T   the next computer
Up       from the first line: to the tasks above; Up and Down go on

On a task:
  a  answer what it asks: Up and Down mark an answer, Enter gives it
     Shift+Tab from the answers: to the preview, to scroll it
  c  cancel it            s  say more to it while it runs
  f  fetch its file       r  send it again
  x  drop it from the outbox, or wait for it no longer
  Escape  back to where you write

F1 this page   F2 computers, pairing   F3 files   F4 outbox
F5 settings, notifications, doctor     Ctrl+Q leave

PageUp and PageDown scroll. Tab goes on to what else there is in a window,
Escape leaves it. To copy, hold Shift while you mark with the mouse.
Leaving does not cancel tasks: their results are in the thread."""


class HelpPage(Page):
    """The page of keys."""

    NAME = "Keys"

    def inside(self) -> Iterable[Widget]:
        with VerticalScroll(id="help"):
            yield Static(_HELP, markup=False)
