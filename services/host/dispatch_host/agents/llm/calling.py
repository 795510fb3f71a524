"""Carries out what the model calls: a tool that it was offered, with arguments that are whatever it wrote.

Whatever goes wrong is words for the model, which may try something else. Only the end of the task ends the task.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from dispatch import errors
from dispatch.failures import place_of
from dispatch.runtime.logs import get_logger

from dispatch_host.agents.agent import Step
from dispatch_host.agents.asking import JSON
from dispatch_host.agents.toolbox import Tool, Toolbox, ToolFailed, Work

MOST_TOOLS = 128
GIVEN_BYTES = 24 * 1024
"""Of what one call gives, to the model. The rest it can ask for, where the tool has pages."""
ARGUMENT_BYTES = 512 * 1024
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DETAIL = 2000

_LOG = get_logger()


async def offered(toolboxes: Sequence[Toolbox], work: Work) -> dict[str, Tool]:
    """Give the tools that may be used now, by name. A toolbox that breaks has none; of two of one name the first counts."""
    found: dict[str, Tool] = {}
    for toolbox in toolboxes:
        try:
            tools = await toolbox.tools(work)
        except Exception as failure:  # somebody else's server, perhaps: the task goes on without it
            _LOG.warning("toolbox broke", where=place_of(failure))
            continue
        for tool in tools:
            if _NAME.fullmatch(tool.name) and len(found) < MOST_TOOLS:
                found.setdefault(tool.name, tool)
    return found


def arguments(said: object) -> Mapping[str, JSON]:
    """Read what the model wrote as arguments. Raises ToolFailed."""
    if said is None or said == "":
        return {}
    if isinstance(said, str):
        if len(said) > ARGUMENT_BYTES:
            raise ToolFailed("The arguments are too long.")
        try:
            said = json.loads(said)
        except (ValueError, RecursionError):
            raise ToolFailed("The arguments are not JSON. Call it again.") from None
    if not isinstance(said, dict):
        raise ToolFailed("The arguments are not a JSON object. Call it again.")
    return said


async def carry_out(name: str, said: object, tools: Mapping[str, Tool], work: Work) -> str:
    """Do what was called, and give what the model reads of it. Raises nothing but cancellation."""
    try:
        tool = tools.get(name)
        if tool is None:
            raise ToolFailed(f"There is no tool {name[:64]!r}, or it is not permitted now.")
        given = arguments(said)
        await work.tell(step(name, given))
        return bounded(await tool.run(given, work))
    except ToolFailed as failure:
        return bounded(f"Not done: {failure}")
    except errors.NotPermitted as refused:
        what = refused.metadata.get("permission", "that")
        return f"Not permitted on this computer: {what}. Its owner has not allowed it, and no words change that."
    except errors.DispatchError as refused:
        return f"Not done: {refused.sentence}"
    except Exception as failure:  # a defect of the tool, ours or a connector's: not the end of the task
        _LOG.error("tool broke", tool=name if name in tools else "", where=place_of(failure))
        return "Not done: the tool broke inside."


def step(name: str, given: Mapping[str, JSON]) -> Step:
    """Tell the person what is called."""
    written = json.dumps(given, ensure_ascii=False)
    cut = written if len(written) <= _DETAIL else f"{written[:_DETAIL]}…"
    return Step(name.replace("_", " "), clean(cut) if given else "")


def bounded(text: str) -> str:
    """Cut what a tool gave to what the model may read of it, and say so."""
    content = clean(text).encode()
    if len(content) <= GIVEN_BYTES:
        return clean(text)
    kept = content[:GIVEN_BYTES].decode(errors="ignore")
    return f"{kept}\n\n(Cut: {len(content) - len(kept.encode()):,} bytes more.)"


def clean(text: str) -> str:
    """Take lone surrogates out: file names may have them, and neither models nor threads take them."""
    return text.encode("utf-8", "replace").decode()
