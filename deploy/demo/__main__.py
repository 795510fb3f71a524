"""`make demo`: everything once, in a temporary folder that is gone afterwards, also after Ctrl-C. Exit 0 if all went well."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.demo.play import NotAsExpectedError, Play
from deploy.demo.screen import BOLD, GREEN, RED, Screen


def own_folder(text: str) -> Path:
    """Read the person's own folder from the command line."""
    path = Path(text).expanduser().resolve()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return path


async def perform(screen: Screen, folder: Path | None) -> None:
    """Play the demo and clear up, whatever ends it."""
    if (task := asyncio.current_task()) is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with tempfile.TemporaryDirectory(prefix="dispatch-demo-") as stage:
        play = Play(Path(stage), screen)
        try:
            await play.perform(folder)
        finally:
            await play.stop()


def main(arguments: Sequence[str]) -> int:
    """Play the demo; gives the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--folder", type=own_folder, help="your own files instead of samples; they are only read")
    options = parser.parse_args(arguments)
    screen = Screen(out=sys.stdout, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    started = time.monotonic()
    try:
        asyncio.run(perform(screen, options.folder))
    except (NotAsExpectedError, AssertionError, TimeoutError, OSError) as failure:
        screen.say(f"\nThe demo did not go as it should: {failure}", RED)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        with contextlib.suppress(OSError):
            screen.say("\nStopped; nothing is left behind.")
        return 130
    screen.say(f"\nAll of it took {time.monotonic() - started:.0f} s, and nothing is left behind.", BOLD, GREEN)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
