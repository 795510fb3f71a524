"""The word `tui`. Added to the program by `cli`."""

from __future__ import annotations

import sys

import typer
from dispatch import errors
from dispatch.cli import Console, Exit, guarded

from mobile_sim.command import Shared
from mobile_sim.files_cli import most_bytes


def tui(context: typer.Context) -> None:
    """Use the phone as a screen: the thread, its tasks and files, the computers, the settings. F1 says which keys there are."""
    shared: Shared = context.obj

    def body() -> int:
        if shared.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise errors.BadRequest("tui is for people at a terminal", metadata={"field": "terminal"})
        try:
            from mobile_sim.tui.phone_app import PhoneApp  # noqa: PLC0415 -- an extra
        except ImportError as missing:
            if (missing.name or "").partition(".")[0] != "textual":
                raise
            raise errors.NotSupported("a screen needs more: pip install 'dispatch-mobile-sim[tui]'") from None
        from dispatch.device.home import Home  # noqa: PLC0415 -- quick `--help`

        from mobile_sim.tui.at_desk import opened  # noqa: PLC0415 -- as above

        home = Home.at(shared.home, app="dispatch-phone", passphrase_file=shared.passphrase)
        words = Console.standard(as_json=False, language=shared.language).words
        desk = opened(home, plaintext=shared.plaintext, way=shared.way, words=words)
        PhoneApp(desk, most_bytes=most_bytes(context)["most_bytes"]).run()
        return Exit.DONE

    guarded(body, as_json=shared.as_json, language=shared.language)
