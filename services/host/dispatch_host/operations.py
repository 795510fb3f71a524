"""What a person can do with a host from its own keyboard, whether `run` is up or not.

One object, two ways in: the control service of a running host, and the command line itself when there is none (it owns the
home then). With a fleet everything is in force at once; without one it is in the files, and `run` finds it there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Protocol

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import Condition
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.api.thread.v1.thread_pb2 import AwakeMode
from dispatch.device import service_clock
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn
from dispatch.device.thread_file import Keys, written
from dispatch.doctor.chain import Found
from dispatch.ids import PairId, TaskId

from dispatch_host import doctor, questions, steps
from dispatch_host.agents.registry import Registry
from dispatch_host.changes import Records
from dispatch_host.files import Inbox, Transfers
from dispatch_host.fleet import Fleet
from dispatch_host.invite import invite
from dispatch_host.journal import Tx, files, settings, tasks, threads
from dispatch_host.journal import questions as stored_questions
from dispatch_host.journal.snapshot import Snapshot
from dispatch_host.journal.values import Pairing
from dispatch_host.known_tools import Tools
from dispatch_host.owned import Owned
from dispatch_host.pairings import forget
from dispatch_host.permissions.desk import PermissionDesk
from dispatch_host.permissions.held import Held
from dispatch_host.power import wire
from dispatch_host.power.awake import KeepAwake
from dispatch_host.runner import Runner
from dispatch_host.schedule.desk import ScheduleDesk
from dispatch_host.scope import OpenAt2, best_beneath
from dispatch_host.task_desk import TaskDesk, task_status
from dispatch_host.tasks import OPEN, QUEUED, State
from dispatch_host.tools_desk import WORTH_SAYING, ToolsDesk

REVOKED_SECONDS = 2.0
TELL_SECONDS = 3.0
_PAGE = 256


class Front(Protocol):
    """The front desk as the command line sees it: in this process, or behind the control socket."""

    async def status(self) -> pb.GetStatusResponse: ...
    async def add_folder(self, folder: pb.Folder) -> pb.Folder: ...
    async def list_folders(self) -> pb.ListFoldersResponse: ...
    async def remove_folder(self, path: str) -> bool: ...
    async def list_permissions(self) -> thread.Permissions: ...
    async def allow_permission(self, permission: thread.Permission, for_ms: int) -> thread.Permission: ...
    async def revoke_permission(self, permission: thread.Permission) -> bool: ...
    async def revoke_rule(self, rule: str) -> bool: ...
    def read_audit(self, limit: int, task_id: bytes) -> AsyncGenerator[pb.ReadAuditResponse, None]: ...
    async def list_questions(self) -> pb.ListQuestionsResponse: ...
    async def answer_question(self, task_id: bytes, answer: thread.Answer) -> None: ...
    async def list_tasks(self, limit: int) -> pb.ListTasksResponse: ...
    async def cancel_task(self, task_id: bytes) -> pb.TaskStatus: ...
    async def steer_task(self, task_id: bytes, text: str) -> None: ...
    async def add_schedule(self, schedule: pb.Schedule) -> pb.Schedule: ...
    async def list_schedules(self) -> pb.ListSchedulesResponse: ...
    async def remove_schedule(self, word: str) -> pb.Schedule: ...
    async def pause_schedule(self, word: str, paused: bool) -> pb.Schedule: ...
    async def list_agents(self) -> pb.ListAgentsResponse: ...
    async def choose_agent(self, name: str) -> str: ...
    async def list_connectors(self) -> pb.ListConnectorsResponse: ...
    async def check_connector(self, name: str) -> pb.CheckConnectorResponse: ...
    async def list_skills(self) -> pb.ListSkillsResponse: ...
    async def set_skill_folder(self, path: str, *, remove: bool) -> pb.SetSkillFolderResponse: ...
    async def set_keep_awake(self, mode: AwakeMode.ValueType) -> pb.KeepAwakeStatus: ...
    def pair(self, start: pb.PairStart, answers: asyncio.Queue[bool]) -> AsyncGenerator[pb.PairResponse, None]: ...
    async def unpair(self, phone_name: str) -> pb.UnpairResponse: ...
    def read_thread(self, phone_name: str) -> AsyncGenerator[bytes, None]: ...
    def examine(self) -> AsyncGenerator[Found, None]: ...
    def export_thread(self, phone_name: str) -> AsyncGenerator[bytes, None]: ...
    async def stop(self, condition: Condition.ValueType) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What there is beside the home in a process that runs the host."""

    fleet: Fleet
    runner: Runner
    transfers: Transfers
    keep_awake: KeepAwake
    held: Held
    ended: Callable[[State], None]
    """Counts a task that ended without having run."""
    schedule_changed: Callable[[], None]
    stop: Callable[[Condition.ValueType], None]
    stopped: asyncio.Event  # set when the phones were told
    endings: asyncio.Event  # set when the pairing service has something to be told


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
            pairings=[self._pairing_status(pairing) for pairing in pairings],
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

    async def list_questions(self) -> pb.ListQuestionsResponse:
        """List what waits for an answer. Without a running host nothing does."""
        if self._running is None:
            return pb.ListQuestionsResponse()
        return pb.ListQuestionsResponse(questions=await self._owned.journal.step(_open_questions))

    async def answer_question(self, task_id: bytes, answer: thread.Answer) -> None:
        """Answer the open question of a task. Raises NotRunning, TaskUnknown, TaskOver, QuestionClosed, BadRequest."""
        if self._running is None:
            raise errors.NotRunning
        signed_in, owned = SignIn.load(self._owned.home), self._owned
        by = signed_in.device_name if signed_in else "this computer"
        about = await owned.journal.step(lambda tx: questions.answer_here(tx, owned.scribe, task_id, answer, by=by))
        self._running.runner.look(TaskId(task_id))
        self._running.fleet.wrote(about)

    async def list_tasks(self, limit: int) -> pb.ListTasksResponse:
        return pb.ListTasksResponse(tasks=await self._tasks.listed(limit=limit))

    async def cancel_task(self, task_id: bytes) -> pb.TaskStatus:
        return await self._tasks.cancel(task_id)

    async def steer_task(self, task_id: bytes, text: str) -> None:
        await self._tasks.steer(task_id, text)

    async def add_schedule(self, schedule: pb.Schedule) -> pb.Schedule:
        """Set up an entry of the schedule. Raises NotPaired, TargetNeeded and its kin, BadRequest, TooLarge."""
        return await self._schedule.add(schedule, await self._target(schedule.phone_name))

    async def list_schedules(self) -> pb.ListSchedulesResponse:
        return await self._schedule.listed()

    async def remove_schedule(self, word: str) -> pb.Schedule:
        return await self._schedule.remove(word)

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
        """Show codes until a phone is paired, somebody says no, or the time is over. The last event is PairEnded."""
        async with contextlib.aclosing(invite(self._owned, start, answers, paired=self._paired)) as events:
            async for event in events:
                yield event

    async def unpair(self, phone_name: str) -> pb.UnpairResponse:
        """End a pairing: its tasks, its link, its keys; then tell the pairing service, now or later."""
        pairing = await self._target(phone_name)
        if self._running is not None:
            await self._say_goodbye(self._running, pairing)
        await self._forget(pairing)
        told = await tell_endings(self._owned)
        if self._running is not None and not told:
            self._running.endings.set()
        return pb.UnpairResponse(pair_ids=[pairing.pair_id], service_told=told)

    async def heard_over(self, pairing: Pairing) -> None:
        """Drop a pairing of which the pairing service says that it is over: its tasks, its link, its keys."""
        if self._running is not None:
            await self._cancel_tasks(self._running, pairing)
            await self._running.fleet.drop(pairing.pair_id)
        await self._forget(pairing, to_tell=False)

    async def read_thread(self, phone_name: str) -> AsyncGenerator[bytes, None]:
        """Give the events of a thread, oldest first, as they were written."""
        pairing = await self._target(phone_name)
        page = await self._page(pairing.thread, 0)
        while page:
            for _, content in page:
                yield content
            page = await self._page(pairing.thread, page[-1][0])

    async def export_thread(self, phone_name: str) -> AsyncGenerator[bytes, None]:
        """Give a thread as the lines of a file that proves itself, as it is on the disk at this moment."""
        pairing, owned = await self._target(phone_name), self._owned
        with Snapshot(owned.home / "journal.db") as snapshot:
            keys = Keys(phone=pairing.phone_key, hosts=snapshot.hosts(pairing.thread), exporter=owned.key.public)
            head = snapshot.head(pairing.thread)
            lines = written(keys, snapshot.pieces(pairing.thread), head, owned.key.sign)
            while batch := await asyncio.to_thread(lambda: list(islice(lines, _PAGE))):
                for line in batch:
                    yield line

    async def _page(self, thread: int, after_id: int) -> list[tuple[int, bytes]]:
        return await self._owned.journal.step(lambda tx: threads.told(tx, thread, after_id=after_id, limit=_PAGE))

    async def stop(self, condition: Condition.ValueType) -> None:
        """End the running host; returns when the phones were told. Raises NotRunning."""
        if self._running is None:
            raise errors.NotRunning
        self._running.stop(condition or Condition.CONDITION_APP_CLOSED)
        await self._running.stopped.wait()

    async def _paired(self, pairing: Pairing, replaced: list[PairId]) -> None:
        """Take a new pairing into service."""
        for old in replaced:
            if self._running is not None:
                await self._running.fleet.drop(old)
            forget(self._owned.store, old)
        if self._running is not None:
            await self._running.fleet.attach(pairing)
            self._running.endings.set()
            self._running.schedule_changed()  # what is due for this thread may have waited for its phone

    async def _say_goodbye(self, running: Running, pairing: Pairing) -> None:
        await self._cancel_tasks(running, pairing)
        link = running.fleet.link_of(pairing.pair_id)
        if link is not None:
            await link.revoke(within_seconds=REVOKED_SECONDS)
        await running.fleet.drop(pairing.pair_id)

    async def _cancel_tasks(self, running: Running, pairing: Pairing) -> None:
        owned = self._owned
        if (link := running.fleet.link_of(pairing.pair_id)) is not None:
            link.close(Reason.REASON_NOT_PAIRED)  # first: nothing may slip in behind
        cancelled, ended = await owned.journal.step(lambda tx: steps.cancel_pairing(tx, owned.scribe, pairing.pair_id))
        for _ in range(ended):
            running.ended(State.CANCELLED)
        running.runner.moved_up()
        for task_id in cancelled:
            await running.runner.cancelled(task_id)

    async def _forget(self, pairing: Pairing, *, to_tell: bool = True) -> None:
        """Forget a pairing, its keys, its files and what could be undone; the words of its thread stay."""
        pair_id = pairing.pair_id
        if self._running is not None:
            await self._running.transfers.drop(pair_id)

        def write(tx: Tx) -> set[str]:
            if to_tell:
                settings.add_ending(tx, pair_id)
            threads.leave(tx, pair_id)
            files.forget_thread(tx, pairing.thread)
            return {task_id.hex() for task_id in tasks.ids_of_thread(tx, pairing.thread)}

        worked = await self._owned.journal.step(write)
        if self._running is not None:
            await self._running.held.load()  # without what this phone allowed always
        forget(self._owned.store, pair_id)
        await asyncio.to_thread(Inbox(self._owned.attachments, most_bytes=0).remove_thread, pairing.thread)
        await asyncio.to_thread(Records(self._owned.changes).forget_tasks, worked)

    async def _target(self, phone_name: str) -> Pairing:
        """Find the one pairing that is meant. Raises NotPaired, TargetNeeded or TargetUnknown."""
        pairings = await self._owned.journal.step(threads.pairings)
        if not pairings:
            was_paired = await self._owned.journal.step(threads.any_thread)
            raise errors.NotPaired if was_paired else errors.NotPairedYet
        meant = [pairing for pairing in pairings if phone_name in {"", pairing.phone_name, pairing.pair_id.hex()}]
        if len(meant) == 1:
            return meant[0]
        names = [pairing.phone_name for pairing in pairings]
        if not meant:
            raise errors.TargetUnknown(f"there are: {', '.join(names)}", choices={"phones": names})
        if phone_name:
            names = [pairing.pair_id.hex() for pairing in meant]
            raise errors.TargetNeeded(
                f"several have this name, use the id: {', '.join(names)}", choices={"phones": names}
            )
        raise errors.TargetNeeded(f"--phone is one of: {', '.join(names)}", choices={"phones": names})

    def _pairing_status(self, pairing: Pairing) -> pb.PairingStatus:
        status = pb.PairingStatus(pair_id=pairing.pair_id, phone_name=pairing.phone_name)
        link = self._running.fleet.link_of(pairing.pair_id) if self._running else None
        if link is None:
            status.reason = Reason.REASON_NOT_RUNNING if self._running is None else Reason.REASON_NOT_PAIRED
            return status
        status.connected = link.is_open
        status.reason = link.reason
        status.phone_attached = link.phone_attached
        status.relay = link.client.relay
        status.direct = link.direct.path is not None
        return status


async def tell_endings(owned: Owned) -> bool:
    """Tell the pairing service of pairings that ended here; False when some are still to be told."""
    endings = await owned.journal.step(settings.endings)
    if not endings:
        return True
    signed_in = SignIn.load(owned.home)
    if signed_in is None:
        return False
    try:
        async with (
            asyncio.timeout(TELL_SECONDS),
            PairingClient(
                server=signed_in.server,
                identity=owned.identity(),
                dialler=signed_in.dialler(plaintext=owned.plaintext),
            ) as client,
        ):
            for pair_id in endings:
                await client.end_pairing(pair_id)
                await owned.journal.step(partial(settings.told_ending, pair_id))
    except (errors.DispatchError, TimeoutError):
        return False
    return True


def _nothing(*_: object) -> None:
    """Stand for a running host where there is none."""


def _open_questions(tx: Tx) -> list[pb.OpenQuestion]:
    names = {pairing.thread: pairing.phone_name for pairing in threads.pairings(tx)}
    found = []
    for question in stored_questions.open_ones(tx):
        task = tasks.find(tx, question.task_id)
        if task is not None:
            found.append(
                pb.OpenQuestion(
                    task_id=task.task_id,
                    task_text=task.text,
                    phone_name=names.get(task.thread, ""),
                    question=thread.Question.FromString(question.content),
                    asked_at_ms=question.asked_at_ms,
                )
            )
    return found
