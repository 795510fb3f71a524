"""How an external agent sends a file to the phone: the one of the host's tools over files that it has no way of its own to.

Light to import; the tools over files are made when a task asks for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from dispatch_host.agents.toolbox import Tool, Toolbox, Work

TOOL = "send_file"


class Sending:
    """The tool that sends, and none of the others."""

    def __init__(self, files: Callable[[], Toolbox]) -> None:
        """`files` makes the tools over files that a language model has."""
        self._files = files

    async def tools(self, work: Work) -> Sequence[Tool]:
        """Give it where there is something to send."""
        files = await asyncio.to_thread(self._files)  # what it imports takes a while
        return [tool for tool in await files.tools(work) if tool.name == TOOL]
