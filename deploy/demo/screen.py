"""Show the demo to a person: chapters, what processes do, and the thread as a phone would show it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, TextIO

BOLD, DIM, RED, GREEN, BLUE = 1, 2, 31, 32, 34

# What a phone shows of a task's way, in its own words.
STAGES = {
    "sent": "sent",
    "handed_over": "your computer has it",
    "accepted": "accepted",
    "waiting": "waits for its turn",
    "started": "working",
    "out_of_contact": "out of contact",
    "back": "back in contact",
    "unconfirmed": "not confirmed yet",
}


@dataclass(frozen=True, slots=True)
class Screen:
    """Where the demo speaks; in colour only to a terminal."""

    out: TextIO
    colour: bool

    def say(self, text: str, *styles: int) -> None:
        """Print a line."""
        print(self.styled(text, *styles), file=self.out, flush=True)

    def styled(self, text: str, *styles: int) -> str:
        """Colour a text if this screen has colour."""
        return "".join(f"\033[{style}m" for style in styles) + f"{text}\033[0m" if self.colour and styles else text

    def chapter(self, title: str) -> None:
        """Begin a part of the demo."""
        self.say(f"\n{title}", BOLD)

    def fact(self, text: str) -> None:
        """Say something that happened outside the thread."""
        self.say(f"  {text}")

    def asked(self, text: str) -> None:
        """Show what the person typed."""
        self.say("")
        self.say(f"  You ▸ {text}", BOLD, BLUE)

    def event(self, event: dict[str, Any]) -> None:
        """Show an event of a task, as it comes."""
        name = event["event"]
        if name in STAGES:
            self.say(f"        · {STAGES[name]}", DIM)
        elif name == "step":
            self.say(f"        · {event.get('text', '')}", DIM)

    def outcome(self, event: dict[str, Any], *, seconds: float) -> None:
        """Show how a task ended, with its answer or with the reason why there is none."""
        done = event["event"] == "done"
        self.say(f"  {'Host' if done else 'Relay'} ◂ {event['event']} in {seconds:.1f} s", BOLD, GREEN if done else RED)
        if not done:
            self.say(f"        {event.get('reason', '')}", RED)
        for text in (event.get("text", ""), event.get("advice", "") if not done else ""):
            if text:
                self.say(textwrap.indent(text.rstrip(), "        "))
