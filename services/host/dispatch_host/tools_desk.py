"""What the owner can do with connectors and skills at the front desk, whether `run` is up or not. Part of `operations`.

The only place that translates them for the contract.
"""

from __future__ import annotations

import asyncio

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.plain import path_text

from dispatch_host.connectors.approval import permission_of
from dispatch_host.connectors.connectors import Seen
from dispatch_host.connectors.life import State
from dispatch_host.known_tools import Tools
from dispatch_host.permissions.held import Held
from dispatch_host.permissions.permission import Kind

WORTH_SAYING = frozenset({"starting", "ready", "broken", "wrong"})


class ToolsDesk:
    """Connectors and skills at the front desk. `is_running` tells whether they are the running host's."""

    def __init__(self, tools: Tools, *, is_running: bool) -> None:
        self._tools = tools
        self._is_running = is_running

    async def connectors(self, held: Held) -> pb.ListConnectorsResponse:
        """List the connectors, without starting any."""
        return pb.ListConnectorsResponse(
            connectors=[_connector(one, held) for one in self._tools.connectors.seen(held.folders)]
        )

    async def check(self, name: str, held: Held) -> pb.CheckConnectorResponse:
        """Start one. It is kept where the running host has it and agents may use it. Raises BadRequest."""
        granted = any(one.partition("/")[0] == name for one in held.named(Kind.CONNECTOR))
        keep = self._is_running and granted
        found = await self._tools.connectors.check(name, keep=keep, folders=held.folders)
        if found is None:
            raise errors.BadRequest("there is no connector of this name", metadata={"field": "name"})
        return pb.CheckConnectorResponse(connector=_connector(found, held))

    async def skills(self, held: Held) -> pb.ListSkillsResponse:
        """List the skills."""
        found = await asyncio.to_thread(self._tools.skills.found, held.folders)
        return pb.ListSkillsResponse(
            skills=[
                pb.Skill(name=one.name, about=one.about, folder=path_text(one.shelf), mistakes=one.wrong)
                for one in found
            ],
            folders=[path_text(path) for path in self._tools.shelves.paths()],
        )

    async def set_folder(self, path: str, *, remove: bool) -> pb.SetSkillFolderResponse:
        """Add or remove a folder of skills. Raises BadRequest, StoreFailed."""
        shelves = self._tools.shelves
        changed = await asyncio.to_thread(shelves.remove if remove else shelves.add, path)
        return pb.SetSkillFolderResponse(changed=changed)


def _connector(seen: Seen, held: Held) -> pb.Connector:
    state = "wrong" if seen.mistakes else "disabled" if seen.disabled else seen.life.state.value
    return pb.Connector(
        name=seen.name,
        state=state,
        text=seen.life.why if seen.life.state is State.BROKEN else seen.lacks,
        by_url=seen.by_url,
        tools=[
            pb.ConnectorTool(
                name=tool.name,
                about=tool.about,
                permitted=held.granted(permission_of(seen.name, tool.name)) is not None,
                asks=seen.unasked.get(tool.name) != tool.digest,
                digest=tool.digest,
            )
            for tool in seen.offer.tools.values()
        ],
        left_out=[pb.LeftOutTool(name=one.name, text=one.why) for one in seen.offer.left_out],
        mistakes=[str(mistake) for mistake in seen.mistakes],
        wrote=seen.wrote,
    )
