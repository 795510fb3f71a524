"""The control socket: the front desk of a running host for other programs of the same owner. `control_client` is the other end.

The service translates and nothing else; what is done is `Operations`. The socket lies in the home, which only its owner can
enter, and can itself be opened by its owner only.
"""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Coroutine
from typing import Any, TypeVar

import grpc
from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.host.v1.host_pb2_grpc import (
    ControlServiceServicer,
    add_ControlServiceServicer_to_server,
)
from dispatch.device.home import Home
from dispatch.endings import UnderWay
from dispatch.failures import place_of
from dispatch.runtime.logs import get_logger
from dispatch.status import refuse

from dispatch_host import finding_wire
from dispatch_host.operations import Operations

_LOG = get_logger()

T = TypeVar("T")

_GOODBYE_SECONDS = 0.5
_SETTLED_SECONDS = 0.3
"""How long what was begun may take when the host stops. Short: the process is to be gone within five."""

_Context = grpc.aio.ServicerContext[Any, Any]


class ControlService(ControlServiceServicer):
    """Answers by the operations."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._under_way = UnderWay()

    async def settled(self, *, within_seconds: float) -> None:
        """Wait until everything that was begun is done; what takes longer is broken off."""
        await self._under_way.finish(grace_seconds=within_seconds)

    async def _done(self, context: _Context, work: Coroutine[Any, Any, T]) -> T:
        """Do what changes something, and answer with what it comes to.

        It is done to its end, though the caller hangs up: a step of the journal and what follows from it are one.
        """
        return await _answered(context, self._under_way.carry_out(_logged(work)))

    async def GetStatus(self, request: pb.GetStatusRequest, context: _Context) -> pb.GetStatusResponse:
        return await _answered(context, self._operations.status())

    async def AddFolder(self, request: pb.AddFolderRequest, context: _Context) -> pb.AddFolderResponse:
        return pb.AddFolderResponse(folder=await self._done(context, self._operations.add_folder(request.folder)))

    async def ListFolders(self, request: pb.ListFoldersRequest, context: _Context) -> pb.ListFoldersResponse:
        return await _answered(context, self._operations.list_folders())

    async def RemoveFolder(self, request: pb.RemoveFolderRequest, context: _Context) -> pb.RemoveFolderResponse:
        return pb.RemoveFolderResponse(removed=await self._done(context, self._operations.remove_folder(request.path)))

    async def ListPermissions(
        self, request: pb.ListPermissionsRequest, context: _Context
    ) -> pb.ListPermissionsResponse:
        return pb.ListPermissionsResponse(permissions=await _answered(context, self._operations.list_permissions()))

    async def AllowPermission(
        self, request: pb.AllowPermissionRequest, context: _Context
    ) -> pb.AllowPermissionResponse:
        given = await self._done(context, self._operations.allow_permission(request.permission, request.for_ms))
        return pb.AllowPermissionResponse(permission=given)

    async def RevokePermission(
        self, request: pb.RevokePermissionRequest, context: _Context
    ) -> pb.RevokePermissionResponse:
        if request.WhichOneof("what") == "rule":
            revoking = self._operations.revoke_rule(request.rule)
        else:
            revoking = self._operations.revoke_permission(request.permission)
        return pb.RevokePermissionResponse(revoked=await self._done(context, revoking))

    async def ReadAudit(  # type: ignore[override]  # the stubs know no coroutine that writes its stream itself
        self, request: pb.ReadAuditRequest, context: _Context
    ) -> None:
        lines = self._operations.read_audit(request.limit, request.task_id)
        async with _refusing(context), contextlib.aclosing(lines):
            async for line in lines:
                await context.write(line)

    async def ListQuestions(self, request: pb.ListQuestionsRequest, context: _Context) -> pb.ListQuestionsResponse:
        return await _answered(context, self._operations.list_questions(shows=request.shows))

    async def AnswerQuestion(self, request: pb.AnswerQuestionRequest, context: _Context) -> pb.AnswerQuestionResponse:
        await self._done(context, self._operations.answer_question(request.task_id, request.answer))
        return pb.AnswerQuestionResponse()

    async def ListTasks(self, request: pb.ListTasksRequest, context: _Context) -> pb.ListTasksResponse:
        return await _answered(context, self._operations.list_tasks(request.limit))

    async def CancelTask(self, request: pb.CancelTaskRequest, context: _Context) -> pb.CancelTaskResponse:
        return pb.CancelTaskResponse(task=await self._done(context, self._operations.cancel_task(request.task_id)))

    async def SteerTask(self, request: pb.SteerTaskRequest, context: _Context) -> pb.SteerTaskResponse:
        await self._done(context, self._operations.steer_task(request.task_id, request.text))
        return pb.SteerTaskResponse()

    async def AddSchedule(self, request: pb.AddScheduleRequest, context: _Context) -> pb.AddScheduleResponse:
        return pb.AddScheduleResponse(
            schedule=await self._done(context, self._operations.add_schedule(request.schedule))
        )

    async def ListSchedules(self, request: pb.ListSchedulesRequest, context: _Context) -> pb.ListSchedulesResponse:
        return await _answered(context, self._operations.list_schedules())

    async def RemoveSchedule(self, request: pb.RemoveScheduleRequest, context: _Context) -> pb.RemoveScheduleResponse:
        return pb.RemoveScheduleResponse(
            schedule=await self._done(context, self._operations.remove_schedule(request.id))
        )

    async def PauseSchedule(self, request: pb.PauseScheduleRequest, context: _Context) -> pb.PauseScheduleResponse:
        now = await self._done(context, self._operations.pause_schedule(request.id, request.paused))
        return pb.PauseScheduleResponse(schedule=now)

    async def ListAgents(self, request: pb.ListAgentsRequest, context: _Context) -> pb.ListAgentsResponse:
        return await _answered(context, self._operations.list_agents())

    async def ChooseAgent(self, request: pb.ChooseAgentRequest, context: _Context) -> pb.ChooseAgentResponse:
        return pb.ChooseAgentResponse(name=await self._done(context, self._operations.choose_agent(request.name)))

    async def ListConnectors(self, request: pb.ListConnectorsRequest, context: _Context) -> pb.ListConnectorsResponse:
        return await _answered(context, self._operations.list_connectors())

    async def CheckConnector(self, request: pb.CheckConnectorRequest, context: _Context) -> pb.CheckConnectorResponse:
        return await _answered(context, self._operations.check_connector(request.name))

    async def ListSkills(self, request: pb.ListSkillsRequest, context: _Context) -> pb.ListSkillsResponse:
        return await _answered(context, self._operations.list_skills())

    async def SetSkillFolder(self, request: pb.SetSkillFolderRequest, context: _Context) -> pb.SetSkillFolderResponse:
        return await self._done(context, self._operations.set_skill_folder(request.path, remove=request.remove))

    async def SetKeepAwake(self, request: pb.SetKeepAwakeRequest, context: _Context) -> pb.SetKeepAwakeResponse:
        return pb.SetKeepAwakeResponse(
            keep_awake=await self._done(context, self._operations.set_keep_awake(request.mode))
        )

    async def Unpair(self, request: pb.UnpairRequest, context: _Context) -> pb.UnpairResponse:
        return await self._done(context, self._operations.unpair(request.phone_name))

    async def Stop(self, request: pb.StopRequest, context: _Context) -> pb.StopResponse:
        await _answered(context, self._operations.stop(request.condition))
        return pb.StopResponse()

    async def Pair(  # type: ignore[override]  # the stubs know no coroutine that writes its stream itself
        self, request_iterator: AsyncIterator[pb.PairRequest], context: _Context
    ) -> None:
        answers: asyncio.Queue[bool] = asyncio.Queue()
        async with _refusing(context):
            first = await anext(request_iterator, pb.PairRequest())
            if not first.HasField("start"):
                raise errors.BadRequest("the first word of Pair is start")
            listening = asyncio.create_task(_listen(request_iterator, answers))
            try:
                async with contextlib.aclosing(self._operations.pair(first.start, answers)) as events:
                    async for event in events:
                        await context.write(event)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def ReadThread(  # type: ignore[override]  # as above
        self, request: pb.ReadThreadRequest, context: _Context
    ) -> None:
        async with _refusing(context), contextlib.aclosing(self._operations.read_thread(request.phone_name)) as events:
            async for event in events:
                await context.write(pb.ReadThreadResponse(event=event))

    async def Examine(  # type: ignore[override]  # as above
        self, request: pb.ExamineRequest, context: _Context
    ) -> None:
        async with _refusing(context), contextlib.aclosing(self._operations.examine()) as findings:
            async for found in findings:
                await context.write(finding_wire.told(found))

    async def ExportThread(  # type: ignore[override]  # as above
        self, request: pb.ExportThreadRequest, context: _Context
    ) -> None:
        async with _refusing(context), contextlib.aclosing(self._operations.export_thread(request.phone_name)) as lines:
            async for line in lines:
                await context.write(pb.ExportThreadResponse(line=line))


async def _logged(work: Coroutine[Any, Any, T]) -> T:
    """Do it, and log a defect: its caller may be gone, and nobody else hears of it."""
    try:
        return await work
    except errors.DispatchError:
        raise
    except Exception as failure:
        _LOG.error("broken", where=place_of(failure))
        raise


async def _answered(context: _Context, work: Awaitable[T]) -> T:
    """Give what the work comes to; ends the call with the reason when it is refused."""
    try:
        return await work
    except errors.DispatchError as error:
        await refuse(context, error)


@contextlib.asynccontextmanager
async def _refusing(context: _Context) -> AsyncIterator[None]:
    """End the call with the reason when the body, which writes its stream, is refused."""
    try:
        yield
    except errors.DispatchError as error:
        await refuse(context, error)


async def _listen(requests: AsyncIterator[pb.PairRequest], answers: asyncio.Queue[bool]) -> None:
    """Hear the person's answers. The end of the caller's side, clean or not, is a no."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        async for request in requests:
            await answers.put(request.HasField("answer") and request.answer.yes)
    await answers.put(False)


class ControlServer:
    """The service on the home's socket. Use as an async context manager, as the owner of the home."""

    def __init__(self, home: Home, operations: Operations) -> None:
        self._path = home.socket()
        self._server = grpc.aio.server()
        # The stub's function knows only the blocking kind of server and handler.
        self._service: Any = ControlService(operations)
        add_ControlServiceServicer_to_server(self._service, self._server)

    async def __aenter__(self) -> ControlServer:
        # Left behind by a process that was killed: the lock on the home is ours, so nobody listens on it.
        self._path.unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix:{self._path}")
        await self._server.start()
        self._path.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(_GOODBYE_SECONDS)
        await self._service.settled(within_seconds=_SETTLED_SECONDS)
        self._path.unlink(missing_ok=True)
