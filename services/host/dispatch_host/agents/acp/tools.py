"""The host's tools for an external agent, for one task: through the bridge, if there is something to pass on and a way to do it.

Called by agent.py. Where it can't be done the task goes on without, and the person sees why.
docs/external-agents.md, The host's tools.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from dispatch_host.agents.agent import Step
from dispatch_host.agents.toolbox import Toolbox, Work
from dispatch_host.connectors.passing import NoBridge, Passed, passing


@asynccontextmanager
async def passed_on(toolboxes: Sequence[Toolbox], work: Work, *, system_path: str) -> AsyncIterator[Passed | None]:
    """Offer the tools that the task may use, while it goes on; None where it may use none, or the agent has to do without."""
    async with AsyncExitStack() as stack:
        passed = None
        if await _something(toolboxes, work):
            try:
                passed = await stack.enter_async_context(passing(toolboxes, work, system_path=system_path))
            except NoBridge as missing:
                await work.tell(Step("Without the host's tools", str(missing)))
        yield passed


async def _something(toolboxes: Sequence[Toolbox], work: Work) -> bool:
    """Tell whether there is a tool for the task; connectors that it may use start here, as for every agent."""
    for toolbox in toolboxes:
        if await toolbox.tools(work):
            return True
    return False
