"""Shows on a terminal what `saying` says: a status line that changes in place, plain lines elsewhere, Markdown readable.

Programs get the events as they are (`--json`).
"""

from __future__ import annotations

import shutil
import textwrap
from typing import Any

from dispatch.cli import Console
from dispatch.device.owner_words import YES_OR_NO
from dispatch.plain import one_line, plain, plain_markdown

from mobile_sim.saying.said import How, Said
from mobile_sim.saying.sayer import Sayer

Event = dict[str, Any]

_CLEAR = "\r\x1b[2K"
_FURTHER_IN = "    "
_NARROWEST = 20


class Screen:
    """What a person sees of one command."""

    def __init__(self, console: Console, *, terminal: bool) -> None:
        self._console = console
        self._terminal = terminal
        self._sayer = Sayer(width=_columns, answerable=terminal, words=console.words)
        self._status_shown = False
        self._asking = False  # what was asked stands on the last line, which a person may be writing on

    def say(self, event: Event) -> None:
        """Show one event."""
        if self._console.as_json:
            self._console.event(event)
            return
        for said in self._sayer.say(event):
            self._show(said)

    def tell(self, words: str) -> None:
        """Show a line of our own."""
        self._line(words)

    def ask(self, words: str) -> None:
        """Ask, and stay on the line."""
        self.clear()
        self._console.out.write(words)
        self._console.out.flush()

    def ask_aside(self, words: str) -> None:
        """Ask while things go on: what is said next begins on a line of its own."""
        self.ask(words)
        self._asking = True

    def was_typed_on(self) -> None:
        """Hear that the person sent their line off: the terminal is on a new one by itself."""
        self._asking = False

    def clear(self) -> None:
        """Take the status line away, and leave the line that was asked on."""
        if self._asking:
            self._console.out.write("\n")
            self._asking = False
        if self._status_shown:
            self._console.out.write(_CLEAR)
            self._console.out.flush()
            self._status_shown = False

    def _show(self, said: Said) -> None:
        match said.how:
            case How.LINE:
                self._line(self._styled(said))
            case How.MARKDOWN:
                self._markdown(said.text, indent=said.indent)
            case How.ASKED:
                self.ask(said.text + YES_OR_NO)
            case How.PASSING if self._terminal:
                self._status(said.text)
            case How.PASSING if not said.terminal_only:
                self._line(said.text)

    def _styled(self, said: Said) -> str:
        if said.strong:
            return said.text.replace(said.strong, self._console.styled(said.strong, bold=True))
        style = {"fg": said.fg, "bold": said.bold or None, "dim": said.dim or None}
        text = self._folded(said.text) if said.folds else said.text
        return self._console.styled(text, **style) if any(style.values()) else text

    def _folded(self, words: str) -> str:
        """Fold a line with an agent's words: what begins at the beginning of a line is the word of the computer or this phone.

        A terminal would put the rest of one that is too long for it right there, where it may look like another's.
        """
        if not self._terminal:
            return words
        return textwrap.fill(words, max(_columns() + 1, _NARROWEST), subsequent_indent=_FURTHER_IN)

    def _status(self, words: str) -> None:
        self.clear()
        self._console.out.write(_CLEAR + self._console.styled(one_line(words, _columns()), dim=True))
        self._console.out.flush()
        self._status_shown = True

    def _line(self, words: str) -> None:
        self.clear()
        print(words, file=self._console.out, flush=True)

    def _markdown(self, text: str, *, indent: str) -> None:
        self.clear()
        if not self._terminal:
            for line in plain(text).splitlines():
                self._line(indent + line)
            return
        from rich.console import Console as Rich  # noqa: PLC0415 -- 100 ms that most commands need not pay
        from rich.markdown import Markdown  # noqa: PLC0415
        from rich.padding import Padding  # noqa: PLC0415

        rich = Rich(file=self._console.out, no_color=not self._console.colour, highlight=False)
        rich.print(Padding(Markdown(plain_markdown(text), hyperlinks=False), (0, 0, 0, len(indent))))


def _columns() -> int:
    return shutil.get_terminal_size().columns - 1
