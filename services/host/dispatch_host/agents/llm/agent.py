"""The language model as an Agent: reads its settings, lets the conversation run, and passes its events on.

Light: what speaks with models is imported in a thread when a task starts. Made anew for each task by the registry.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch_host.agents.agent import AgentEvent, Gate, NotDone, NotDoneReason, Task, Turn
from dispatch_host.agents.asking import Ask
from dispatch_host.agents.driving import Events, driven
from dispatch_host.agents.llm.limits import Patience
from dispatch_host.agents.llm.settings import LlmSettings, NotSet, check_installed, read, read_key
from dispatch_host.agents.toolbox import Toolbox, Work
from dispatch_host.agents.words import Words

if TYPE_CHECKING:
    from types import ModuleType

_AHEAD = 16  # events that wait for the thread; then the work waits


class LanguageModel:
    """Does tasks by asking a language model, which calls tools."""

    takes_words = True

    def __init__(
        self,
        *,
        settings_home: Path,
        environment: Mapping[str, str],
        toolboxes: Sequence[Toolbox],
        clock: Callable[[], datetime],
        home: Path | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`settings_home` is where agents.toml lies, `home` what `~` means, `clock` gives the time with its zone."""
        self._settings_home = settings_home
        self._environment = environment
        self._toolboxes = toolboxes
        self._clock = clock
        self._home = home or Path.home()
        self._patience = patience or Patience()

    async def run(
        self, task: Task, *, gate: Gate, history: Sequence[Turn], ask: Ask, words: Words
    ) -> AsyncGenerator[AgentEvent, None]:
        """Do one task. Closing this generator, or cancelling its reader, ends the request and whatever tool is at work."""
        try:
            settings, key = await asyncio.to_thread(ready, self._settings_home, self._environment)
        except NotSet as missing:
            yield NotDone(NotDoneReason.AGENT_UNAVAILABLE, missing.why)
            return
        loop = await asyncio.to_thread(_imported)
        events: Events = asyncio.Queue(_AHEAD)
        tools = Work(task, gate, ask, events.put, earlier=[turn.task_id for turn in history if turn.task_id])
        needs = loop.Needs(
            settings=settings,
            key=key,
            work=tools,
            history=history,
            words=words,
            toolboxes=self._toolboxes,
            patience=self._patience,
            now=self._clock(),
            home=self._home,
            say=events.put,
        )
        try:
            async with aclosing(driven(lambda: loop.converse(needs), events)) as told:
                async for event in told:
                    yield event
        finally:
            await tools.closing.aclose()


async def why_not(settings_home: Path, environment: Mapping[str, str]) -> str:
    """Say why the agent can't be used now; nothing when it can. Asks no provider."""
    try:
        await asyncio.to_thread(ready, settings_home, environment)
    except NotSet as missing:
        return missing.why
    return ""


def ready(settings_home: Path, environment: Mapping[str, str]) -> tuple[LlmSettings, str]:
    """Give the settings and the key. Raises NotSet."""
    settings = read(settings_home, environment)
    check_installed(settings)
    return settings, read_key(settings)


def _imported() -> ModuleType:
    from dispatch_host.agents.llm import loop  # noqa: PLC0415 -- pydantic-ai takes more than a second

    return loop
