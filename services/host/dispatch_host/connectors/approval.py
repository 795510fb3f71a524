"""The question before a call: the connector, the tool, all arguments, and under which rule a yes is remembered. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dispatch_host.agents.asking import JSON, Approval, canonical
from dispatch_host.agents.toolbox import ToolFailed
from dispatch_host.connectors.offer import Offered
from dispatch_host.markdown import code, fenced
from dispatch_host.permissions.permission import Kind, Permission


def permission_of(connector: str, tool: str) -> Permission:
    """Give what a call needs."""
    return Permission(Kind.CONNECTOR, f"{connector}/{tool}")


def approval(connector: str, tool: Offered, arguments: Mapping[str, JSON]) -> Approval:
    """Ask for exactly this call. Raises ToolFailed for arguments that can't be written.

    The rule names the tool with a digest of what its server says of it: should that change, a yes to the one is none to the other.
    """
    try:
        action = canonical({"do": "call", "connector": connector, "tool": tool.name, "arguments": dict(arguments)})
    except (ValueError, TypeError, RecursionError):
        raise ToolFailed("The arguments are no JSON.") from None
    given = json.dumps(json.loads(action)["arguments"], indent=2, ensure_ascii=False)
    subject = f"{connector}/{tool.name}"
    return Approval(
        text=f"Use {code(subject)}?",
        action=action,
        preview=f"{code(tool.name)} of the connector {code(connector)} with\n\n{fenced(given, 'json')}",
        rule=f"use {subject} with any arguments, as the tool is now ({tool.mark})",
        permission=permission_of(connector, tool.name),
        of={"use": [connector, tool.name, tool.digest]},
    )
