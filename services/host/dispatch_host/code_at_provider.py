"""Shows the code that a person enters at the service's provider, to sign this computer in. Called by `account_commands`."""

from __future__ import annotations

from datetime import UTC, datetime

from dispatch import errors
from dispatch.cli import Console
from dispatch.device.federated import Code
from dispatch.plain import one_line

from dispatch_host.qr import drawn

_URL_CHARS = 512


class AtConsole:
    """The person in front of this command."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def enter(self, code: Code) -> None:
        """Show the code, also as a picture."""
        until = datetime.fromtimestamp(code.expires_at_ms / 1000, UTC).astimezone().strftime("%H:%M")
        digits = self._console.styled(one_line(code.code, 64), bold=True)
        words = f"Open {one_line(code.url, _URL_CHARS)} in any browser and enter {digits} there, until {until}."
        if code.url_complete is not None and len(code.url_complete) <= _URL_CHARS:
            words = f"{drawn(code.url_complete)}\n{words} Or scan this with a phone."
        self._console.event(
            {
                "event": "enter_code",
                "code": code.code,
                "url": code.url,
                "url_complete": code.url_complete,
                "expires_at": code.expires_at_ms,
            },
            "" if self._console.as_json else words,
        )

    def warn(self, error: errors.DispatchError) -> None:
        """Tell what is in the way."""
        self._console.event(
            {"event": "warning", "reason": errors.word(error.reason), "text": error.sentence, "advice": error.advice},
            self._console.styled(
                f"{error.words_in(self._console.words).sentence} It is tried again until the code's time is over.",
                fg="yellow",
            ),
        )
