"""A stream that a front hands over, before it is carried here. Made by `hall`, taken or sent away by the services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dispatch import errors

from dispatch_relay.channels import words
from dispatch_relay.channels.handed import Handed
from dispatch_relay.channels.side import Side
from dispatch_relay.channels.words import How


@dataclass(slots=True, eq=False)
class Arrival:
    """A stream that a front hands over. `accept` or `refuse` it once, then its `side` is the channel."""

    handed: Handed
    side: Side
    _answer: Callable[[dict[str, Any]], None]

    def accept(self) -> None:
        """Let the front know that the stream is carried here."""
        self._answer({})

    def refuse(self, error: errors.DispatchError) -> None:
        """Have the device told why it is not let in."""
        self._answer({"error": words.told(error)})
        self.side.lose(How.REFUSED)

    def turn_away(self) -> None:
        """Let the front look again: this relay has not got the seat, or gives it back."""
        self._answer({"away": True})
        self.side.lose(How.GONE)
