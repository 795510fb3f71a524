"""A command of the system that speaks for its desktop, run to its end: what macOS and Windows have in common here.

What a person or an agent said goes in as arguments or variables, never into the text of a script.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

from dispatch_host.desktop.desktop import NoDesktop

Run = Callable[[Sequence[str], Mapping[str, str]], Awaitable[str]]
"""Runs a command with these variables added, and gives what it wrote. Raises NoDesktop when it fails."""

_SECONDS = 20.0
_MOST_BYTES = 1024 * 1024


def runner(environment: Mapping[str, str]) -> Run:
    """Make what runs commands, with this environment."""

    async def run(argv: Sequence[str], variables: Mapping[str, str]) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={**environment, **variables},
            )
        except OSError as missing:
            raise NoDesktop("The system's own command for its desktop can't be run.") from missing
        try:
            async with asyncio.timeout(_SECONDS):
                output, _ = await process.communicate()
        except TimeoutError as late:
            raise NoDesktop("The desktop does not answer.") from late
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.returncode != 0:
            raise NoDesktop("The system did not let the host speak to the desktop.")
        return output[:_MOST_BYTES].decode(errors="replace")

    return run
