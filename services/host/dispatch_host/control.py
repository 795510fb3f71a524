"""The control socket: the front desk of a running host for other programs of the same owner. Both ends of it.

The service translates and nothing else; what is done is `Operations`. The socket lies in the home, which only its owner can
enter, and can itself be opened by its owner only.
"""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import grpc
from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.host.v1.host_pb2_grpc import (
    ControlServiceServicer,
    ControlServiceStub,
    add_ControlServiceServicer_to_server,
)
from dispatch.api.relay.v1.relay_pb2 import Condition
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.api.thread.v1.thread_pb2 import AwakeMode
from dispatch.device.home import Home
from dispatch.doctor.chain import Found
from dispatch.status import from_rpc, refuse

from dispatch_host import doctor
from dispatch_host.operations import Operations

T = TypeVar("T")
_Context = grpc.aio.ServicerContext[Any, Any]

CALL_SECONDS = 15.0
EXAMINE_SECONDS = 120.0
"""Long enough for each look to run into its own limit."""


class ControlService(ControlServiceServicer):
    """Answers by the operations."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def GetStatus(self, request: pb.GetStatusRequest, context: _Context) -> pb.GetStatusResponse:
        async with _refusing(context):
            return await self._operations.status()
        raise AssertionError("refusing ends the call")

    async def AddFolder(self, request: pb.AddFolderRequest, context: _Context) -> pb.AddFolderResponse:
        async with _refusing(context):
            return pb.AddFolderResponse(folder=await self._operations.add_folder(request.folder))
        raise AssertionError("refusing ends the call")

    async def ListFolders(self, request: pb.ListFoldersRequest, context: _Context) -> pb.ListFoldersResponse:
        async with _refusing(context):
            return await self._operations.list_folders()
        raise AssertionError("refusing ends the call")

    async def RemoveFolder(self, request: pb.RemoveFolderRequest, context: _Context) -> pb.RemoveFolderResponse:
        async with _refusing(context):
            return pb.RemoveFolderResponse(removed=await self._operations.remove_folder(request.path))
        raise AssertionError("refusing ends the call")

    async def ListPermissions(
        self, request: pb.ListPermissionsRequest, context: _Context
    ) -> pb.ListPermissionsResponse:
        async with _refusing(context):
            return pb.ListPermissionsResponse(permissions=await self._operations.list_permissions())
        raise AssertionError("refusing ends the call")

    async def AllowPermission(
        self, request: pb.AllowPermissionRequest, context: _Context
    ) -> pb.AllowPermissionResponse:
        async with _refusing(context):
            given = await self._operations.allow_permission(request.permission, request.for_ms)
            return pb.AllowPermissionResponse(permission=given)
        raise AssertionError("refusing ends the call")

    async def RevokePermission(
        self, request: pb.RevokePermissionRequest, context: _Context
    ) -> pb.RevokePermissionResponse:
        async with _refusing(context):
            if request.WhichOneof("what") == "rule":
                revoked = await self._operations.revoke_rule(request.rule)
            else:
                revoked = await self._operations.revoke_permission(request.permission)
            return pb.RevokePermissionResponse(revoked=revoked)
        raise AssertionError("refusing ends the call")

    async def ReadAudit(  # type: ignore[override]  # the stubs know no coroutine that writes its stream itself
        self, request: pb.ReadAuditRequest, context: _Context
    ) -> None:
        lines = self._operations.read_audit(request.limit, request.task_id)
        async with _refusing(context), contextlib.aclosing(lines):
            async for line in lines:
                await context.write(line)

    async def ListQuestions(self, request: pb.ListQuestionsRequest, context: _Context) -> pb.ListQuestionsResponse:
        async with _refusing(context):
            return await self._operations.list_questions()
        raise AssertionError("refusing ends the call")

    async def AnswerQuestion(self, request: pb.AnswerQuestionRequest, context: _Context) -> pb.AnswerQuestionResponse:
        async with _refusing(context):
            await self._operations.answer_question(request.task_id, request.answer)
        return pb.AnswerQuestionResponse()

    async def ListAgents(self, request: pb.ListAgentsRequest, context: _Context) -> pb.ListAgentsResponse:
        async with _refusing(context):
            return await self._operations.list_agents()
        raise AssertionError("refusing ends the call")

    async def ChooseAgent(self, request: pb.ChooseAgentRequest, context: _Context) -> pb.ChooseAgentResponse:
        async with _refusing(context):
            return pb.ChooseAgentResponse(name=await self._operations.choose_agent(request.name))
        raise AssertionError("refusing ends the call")

    async def SetKeepAwake(self, request: pb.SetKeepAwakeRequest, context: _Context) -> pb.SetKeepAwakeResponse:
        async with _refusing(context):
            return pb.SetKeepAwakeResponse(keep_awake=await self._operations.set_keep_awake(request.mode))
        raise AssertionError("refusing ends the call")

    async def Unpair(self, request: pb.UnpairRequest, context: _Context) -> pb.UnpairResponse:
        async with _refusing(context):
            return await self._operations.unpair(request.phone_name)
        raise AssertionError("refusing ends the call")

    async def Stop(self, request: pb.StopRequest, context: _Context) -> pb.StopResponse:
        async with _refusing(context):
            await self._operations.stop(request.condition)
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
                await context.write(doctor.told(found))

    async def ExportThread(  # type: ignore[override]  # as above
        self, request: pb.ExportThreadRequest, context: _Context
    ) -> None:
        async with _refusing(context), contextlib.aclosing(self._operations.export_thread(request.phone_name)) as lines:
            async for line in lines:
                await context.write(pb.ExportThreadResponse(line=line))


@contextlib.asynccontextmanager
async def _refusing(context: _Context) -> AsyncIterator[None]:
    """End the call with the reason when the body is refused."""
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
        servicer: Any = ControlService(operations)
        add_ControlServiceServicer_to_server(servicer, self._server)

    async def __aenter__(self) -> ControlServer:
        # Left behind by a process that was killed: the lock on the home is ours, so nobody listens on it.
        self._path.unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix:{self._path}")
        await self._server.start()
        self._path.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0.5)
        self._path.unlink(missing_ok=True)


class ControlClient:
    """The front desk behind the socket. Use as an async context manager; raises NotRunning where nobody answers."""

    def __init__(self, home: Home) -> None:
        self._path: Path = home.socket()

    async def __aenter__(self) -> ControlClient:
        if not self._path.exists():
            raise errors.NotRunning
        self._channel = grpc.aio.insecure_channel(f"unix:{self._path}")
        self._stub = ControlServiceStub(self._channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def status(self) -> pb.GetStatusResponse:
        status: pb.GetStatusResponse = await self._call(self._stub.GetStatus, pb.GetStatusRequest())
        return status

    async def add_folder(self, folder: pb.Folder) -> pb.Folder:
        answer: pb.AddFolderResponse = await self._call(self._stub.AddFolder, pb.AddFolderRequest(folder=folder))
        return answer.folder

    async def list_folders(self) -> pb.ListFoldersResponse:
        folders: pb.ListFoldersResponse = await self._call(self._stub.ListFolders, pb.ListFoldersRequest())
        return folders

    async def remove_folder(self, path: str) -> bool:
        answer: pb.RemoveFolderResponse = await self._call(self._stub.RemoveFolder, pb.RemoveFolderRequest(path=path))
        return answer.removed

    async def list_permissions(self) -> thread.Permissions:
        listed: pb.ListPermissionsResponse = await self._call(self._stub.ListPermissions, pb.ListPermissionsRequest())
        return listed.permissions

    async def allow_permission(self, permission: thread.Permission, for_ms: int) -> thread.Permission:
        request = pb.AllowPermissionRequest(permission=permission, for_ms=for_ms)
        answer: pb.AllowPermissionResponse = await self._call(self._stub.AllowPermission, request)
        return answer.permission

    async def revoke_permission(self, permission: thread.Permission) -> bool:
        return await self._revoke(pb.RevokePermissionRequest(permission=permission))

    async def revoke_rule(self, rule: str) -> bool:
        return await self._revoke(pb.RevokePermissionRequest(rule=rule))

    async def _revoke(self, request: pb.RevokePermissionRequest) -> bool:
        answer: pb.RevokePermissionResponse = await self._call(self._stub.RevokePermission, request)
        return answer.revoked

    async def read_audit(self, limit: int, task_id: bytes) -> AsyncGenerator[pb.ReadAuditResponse, None]:
        call = self._stub.ReadAudit(pb.ReadAuditRequest(limit=limit, task_id=task_id))
        async for line in _reading(call):
            yield line

    async def list_questions(self) -> pb.ListQuestionsResponse:
        listed: pb.ListQuestionsResponse = await self._call(self._stub.ListQuestions, pb.ListQuestionsRequest())
        return listed

    async def answer_question(self, task_id: bytes, answer: thread.Answer) -> None:
        await self._call(self._stub.AnswerQuestion, pb.AnswerQuestionRequest(task_id=task_id, answer=answer))

    async def list_agents(self) -> pb.ListAgentsResponse:
        listed: pb.ListAgentsResponse = await self._call(self._stub.ListAgents, pb.ListAgentsRequest())
        return listed

    async def choose_agent(self, name: str) -> str:
        chosen: pb.ChooseAgentResponse = await self._call(self._stub.ChooseAgent, pb.ChooseAgentRequest(name=name))
        return chosen.name

    async def set_keep_awake(self, mode: AwakeMode.ValueType) -> pb.KeepAwakeStatus:
        answer: pb.SetKeepAwakeResponse = await self._call(self._stub.SetKeepAwake, pb.SetKeepAwakeRequest(mode=mode))
        return answer.keep_awake

    async def unpair(self, phone_name: str) -> pb.UnpairResponse:
        ended: pb.UnpairResponse = await self._call(self._stub.Unpair, pb.UnpairRequest(phone_name=phone_name))
        return ended

    async def stop(self, condition: Condition.ValueType) -> None:
        await self._call(self._stub.Stop, pb.StopRequest(condition=condition))

    async def pair(self, start: pb.PairStart, answers: asyncio.Queue[bool]) -> AsyncGenerator[pb.PairResponse, None]:
        call: Any = self._stub.Pair()
        await call.write(pb.PairRequest(start=start))
        speaking = asyncio.create_task(_speak(call, answers))
        try:
            async for event in _reading(call):
                yield event
        finally:
            speaking.cancel()
            call.cancel()

    async def read_thread(self, phone_name: str) -> AsyncGenerator[bytes, None]:
        call = self._stub.ReadThread(pb.ReadThreadRequest(phone_name=phone_name))
        async for response in _reading(call):
            yield response.event

    async def examine(self) -> AsyncGenerator[Found, None]:
        call = self._stub.Examine(pb.ExamineRequest(), timeout=EXAMINE_SECONDS)
        async for response in _reading(call):
            yield doctor.heard(response)

    async def export_thread(self, phone_name: str) -> AsyncGenerator[bytes, None]:
        call = self._stub.ExportThread(pb.ExportThreadRequest(phone_name=phone_name))
        async for response in _reading(call):
            yield response.line

    async def _call(self, method: Any, request: Any) -> Any:
        try:
            return await method(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as failure:
            raise _meant(failure) from failure


async def _speak(call: Any, answers: asyncio.Queue[bool]) -> None:
    while True:
        await call.write(pb.PairRequest(answer=pb.PairAnswer(yes=await answers.get())))


async def _reading(call: Any) -> AsyncGenerator[Any, None]:
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as failure:
        raise _meant(failure) from failure


def _meant(failure: grpc.aio.AioRpcError) -> errors.DispatchError:
    error = from_rpc(failure)
    # On this socket a line that can't be had, or breaks, means that the host's process is not there.
    return errors.NotRunning() if isinstance(error, errors.NoNetwork) else error
