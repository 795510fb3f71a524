"""What a person can do with a host from its own keyboard, whether `run` is up or not.

One object, two ways in: the control service of a running host, and the command line itself when there is none (it owns the
home then). With a fleet everything is in force at once; without one it is in the files, and `run` finds it there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import Condition
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.api.thread.v1.thread_pb2 import AwakeMode
from dispatch.device import service_clock
from dispatch.device.sign_in import SignIn
from dispatch.doctor.chain import Found

from dispatch_host import doctor
from dispatch_host.agents.registry import Registry
from dispatch_host.journal import settings, tasks, threads
from dispatch_host.known_tools import Tools
from dispatch_host.owned import Owned
from dispatch_host.pairing_desk import PairingDesk
from dispatch_host.permissions.desk import PermissionDesk
from dispatch_host.power import wire
from dispatch_host.running import Running
from dispatch_host.schedule.desk import ENDS_WITH_ITS_ENTRY, ScheduleDesk
from dispatch_host.scope import OpenAt2, best_beneath
from dispatch_host.task_desk import TaskDesk, task_status
from dispatch_host.tasks import OPEN, QUEUED
from dispatch_host.tools_desk import WORTH_SAYING, ToolsDesk


class Operations:
    """The front desk itself."""

    def __init__(self, owned: Owned, *, agents: Registry, running: Running | None, tools: Tools | None = None) -> None:
        """`tools` are entered already; without, there are no connectors and no skills."""
        self._owned = owned
        self._agents = agents
        self._running = running
        self._tools = None if tools is None else ToolsDesk(tools, is_running=running is not None)
        self._permissions = PermissionDesk(owned, running.held if running is not None else None)
        self._tasks = TaskDesk(
            owned,
            runner=running.runner if running is not None else None,
            fleet=running.fleet if running is not None else None,
            ended=running.ended if running is not None else _nothing,
        )
        self.pairings = PairingDesk(owned, running)
        self._schedule = ScheduleDesk(owned, changed=running.schedule_changed if running is not None else _nothing)

    async def status(self) -> pb.GetStatusResponse:
        """Say how the host is."""
        owned, running = self._owned, self._running
        signed_in = SignIn.load(owned.home)
        pairings = await owned.journal.step(threads.pairings)
        names = {pairing.thread: pairing.phone_name for pairing in pairings}
        found = await owned.journal.step(lambda tx: tasks.in_states(tx, OPEN))
        status = pb.GetStatusResponse(
            running=running is not None,
            device_name=signed_in.device_name if signed_in else "",
            account=signed_in.account if signed_in else "",
            server=signed_in.server if signed_in else "",
            pairings=[self.pairings.status(pairing) for pairing in pairings],
            waiting_tasks=[
                task_status(task, names, position=place)
                for place, task in enumerate(found)
                if running and task.state in QUEUED
            ],
            folders=(await self.list_folders()).folders,
            key_store=owned.store.kind,
            folder_guard="openat2" if isinstance(best_beneath(), OpenAt2) else "openat",
            clock_off_ms=service_clock.off_ms(owned.home),
            direct_addresses=running.fleet.lan_addresses if running else (),
            keep_awake=await self._keep_awake(),
            permissions=await self.list_permissions(),
            questions=(await self.list_questions()).questions,
            agent=await self._agent(),
            connectors=[one for one in (await self.list_connectors()).connectors if one.state in WORTH_SAYING],
        )
        if running is not None and (now := next((task for task in found if task.state not in QUEUED), None)):
            status.running_task.CopyFrom(task_status(now, names))
            status.running_task.agent = running.runner.agent_name
        return status

    async def examine(self) -> AsyncGenerator[Found, None]:
        """Walk the chain from this host to its phones."""
        fleet = self._running.fleet if self._running is not None else None
        self._agents.choose(await self._agent())
        connectors = (await self.list_connectors()).connectors
        looked_at = doctor.examine(self._owned, fleet, await self._keep_awake(), self._agents, connectors)
        async with contextlib.aclosing(looked_at) as findings:
            async for found in findings:
                yield found

    async def add_folder(self, folder: pb.Folder) -> pb.Folder:
        return await self._permissions.add_folder(folder)

    async def list_folders(self) -> pb.ListFoldersResponse:
        return await self._permissions.folders()

    async def remove_folder(self, path: str) -> bool:
        return await self._permissions.remove_folder(path)

    async def list_permissions(self) -> thread.Permissions:
        return await self._permissions.listed()

    async def allow_permission(self, permission: thread.Permission, for_ms: int) -> thread.Permission:
        return await self._permissions.allow(permission, for_ms=for_ms)

    async def revoke_permission(self, permission: thread.Permission) -> bool:
        return await self._permissions.revoke(permission)

    async def revoke_rule(self, rule: str) -> bool:
        return await self._permissions.revoke_rule(rule)

    async def read_audit(self, limit: int, task_id: bytes) -> AsyncGenerator[pb.ReadAuditResponse, None]:
        async with contextlib.aclosing(self._permissions.read_audit(limit=limit, task_id=task_id)) as lines:
            async for line in lines:
                yield line

    async def list_questions(self, *, shows: bool = False) -> pb.ListQuestionsResponse:
        return pb.ListQuestionsResponse(questions=await self._tasks.questions(shows=shows))

    async def answer_question(self, task_id: bytes, answer: thread.Answer) -> None:
        await self._tasks.answer(task_id, answer)

    async def list_tasks(self, limit: int) -> pb.ListTasksResponse:
        return pb.ListTasksResponse(tasks=await self._tasks.listed(limit=limit))

    async def cancel_task(self, task_id: bytes) -> pb.TaskStatus:
        return await self._tasks.cancel(task_id)

    async def steer_task(self, task_id: bytes, text: str) -> None:
        await self._tasks.steer(task_id, text)

    async def add_schedule(self, schedule: pb.Schedule) -> pb.Schedule:
        """Set up an entry of the schedule. Raises NotPaired, TargetNeeded and its kin, BadRequest, TooLarge."""
        return await self._schedule.add(schedule, await self.pairings.meant(schedule.phone_name))

    async def list_schedules(self) -> pb.ListSchedulesResponse:
        return await self._schedule.listed()

    async def remove_schedule(self, word: str) -> pb.Schedule:
        """Take an entry out of the schedule, and end its run if that waits or asks. Raises TargetNeeded, ScheduleUnknown."""
        removed = await self._schedule.remove(word)
        if self._running is not None and removed.last.state in ENDS_WITH_ITS_ENTRY:
            with contextlib.suppress(errors.TaskOver):
                removed.last.CopyFrom(await self._tasks.cancel(removed.last.task_id))
        return removed

    async def pause_schedule(self, word: str, paused: bool) -> pb.Schedule:
        return await self._schedule.pause(word, paused=paused)

    async def list_agents(self) -> pb.ListAgentsResponse:
        """List the agents, with whether each can be used now."""
        self._agents.choose(await self._agent())
        return pb.ListAgentsResponse(
            agents=[
                pb.AgentStatus(name=one.name, about=one.about, chosen=one.chosen, why_not=one.why_not)
                for one in await self._agents.listed()
            ]
        )

    async def choose_agent(self, name: str) -> str:
        """Let this agent do the tasks, from the next one on. Raises BadRequest, AgentUnavailable."""
        await self._agents.check(name)
        await self._owned.journal.step(lambda tx: settings.set_agent(tx, name))
        self._agents.choose(name)
        return name

    async def _agent(self) -> str:
        return await self._owned.journal.step(settings.agent) or self._agents.chosen

    async def list_connectors(self) -> pb.ListConnectorsResponse:
        """List the connectors, without starting any."""
        if self._tools is None:
            return pb.ListConnectorsResponse()
        return await self._tools.connectors(await self._permissions.held())

    async def check_connector(self, name: str) -> pb.CheckConnectorResponse:
        """Start a connector and tell how it is. Raises BadRequest."""
        if self._tools is None:
            raise errors.BadRequest("there is no connector of this name", metadata={"field": "name"})
        return await self._tools.check(name, await self._permissions.held())

    async def list_skills(self) -> pb.ListSkillsResponse:
        """List the skills, and the folders that they lie in."""
        if self._tools is None:
            return pb.ListSkillsResponse()
        return await self._tools.skills(await self._permissions.held())

    async def set_skill_folder(self, path: str, *, remove: bool) -> pb.SetSkillFolderResponse:
        """Add or remove a folder of skills. Raises BadRequest, StoreFailed."""
        if self._tools is None:
            raise errors.BadRequest("there are no skills here", metadata={"field": "path"})
        return await self._tools.set_folder(path, remove=remove)

    async def set_keep_awake(self, mode: AwakeMode.ValueType) -> pb.KeepAwakeStatus:
        """Keep this computer awake when its owner says, in force at once. Raises BadRequest."""
        meant = wire.mode_of(mode)
        await self._owned.journal.step(lambda tx: settings.set_keep_awake(tx, meant))
        if self._running is not None:
            return wire.status(await self._running.keep_awake.choose(meant))
        return await self._keep_awake()

    async def _keep_awake(self) -> pb.KeepAwakeStatus:
        if self._running is not None:
            return wire.status(self._running.keep_awake.now)
        return wire.status_without_host(await self._owned.journal.step(settings.keep_awake))

    async def pair(self, start: pb.PairStart, answers: asyncio.Queue[bool]) -> AsyncGenerator[pb.PairResponse, None]:
        async with contextlib.aclosing(self.pairings.pair(start, answers)) as events:
            async for event in events:
                yield event

    async def unpair(self, phone_name: str) -> pb.UnpairResponse:
        return await self.pairings.unpair(phone_name)

    async def read_thread(self, phone_name: str) -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(self.pairings.read(phone_name)) as events:
            async for event in events:
                yield event

    async def export_thread(self, phone_name: str) -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(self.pairings.export(phone_name)) as lines:
            async for line in lines:
                yield line

    async def stop(self, condition: Condition.ValueType) -> None:
        """End the running host; returns when the phones were told. Raises NotRunning."""
        if self._running is None:
            raise errors.NotRunning
        self._running.stop(condition or Condition.CONDITION_APP_CLOSED)
        await self._running.stopped.wait()


def _nothing(*_: object) -> None:
    """Stand for a running host where there is none."""
