"""The other end of the control socket: what a command line says to a running host.

Apart from the service, so that a command does not load all that a host is made of.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.host.v1.host_pb2_grpc import ControlServiceStub
from dispatch.api.relay.v1.relay_pb2 import Condition
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.api.thread.v1.thread_pb2 import AwakeMode
from dispatch.device.home import Home
from dispatch.doctor.chain import Found
from dispatch.status import from_rpc

from dispatch_host import finding_wire

CALL_SECONDS = 15.0
CHECK_SECONDS = 3700.0
"""Longer than a connector may take to start."""
EXAMINE_SECONDS = 120.0
"""Long enough for each look to run into its own limit."""


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

    async def list_questions(self, *, shows: bool = False) -> pb.ListQuestionsResponse:
        request = pb.ListQuestionsRequest(shows=shows)
        listed: pb.ListQuestionsResponse = await self._call(self._stub.ListQuestions, request)
        return listed

    async def answer_question(self, task_id: bytes, answer: thread.Answer) -> None:
        await self._call(self._stub.AnswerQuestion, pb.AnswerQuestionRequest(task_id=task_id, answer=answer))

    async def list_tasks(self, limit: int) -> pb.ListTasksResponse:
        listed: pb.ListTasksResponse = await self._call(self._stub.ListTasks, pb.ListTasksRequest(limit=limit))
        return listed

    async def cancel_task(self, task_id: bytes) -> pb.TaskStatus:
        answer: pb.CancelTaskResponse = await self._call(self._stub.CancelTask, pb.CancelTaskRequest(task_id=task_id))
        return answer.task

    async def steer_task(self, task_id: bytes, text: str) -> None:
        await self._call(self._stub.SteerTask, pb.SteerTaskRequest(task_id=task_id, text=text))

    async def add_schedule(self, schedule: pb.Schedule) -> pb.Schedule:
        request = pb.AddScheduleRequest(schedule=schedule)
        answer: pb.AddScheduleResponse = await self._call(self._stub.AddSchedule, request)
        return answer.schedule

    async def list_schedules(self) -> pb.ListSchedulesResponse:
        listed: pb.ListSchedulesResponse = await self._call(self._stub.ListSchedules, pb.ListSchedulesRequest())
        return listed

    async def remove_schedule(self, word: str) -> pb.Schedule:
        request = pb.RemoveScheduleRequest(id=word)
        answer: pb.RemoveScheduleResponse = await self._call(self._stub.RemoveSchedule, request)
        return answer.schedule

    async def pause_schedule(self, word: str, paused: bool) -> pb.Schedule:
        request = pb.PauseScheduleRequest(id=word, paused=paused)
        answer: pb.PauseScheduleResponse = await self._call(self._stub.PauseSchedule, request)
        return answer.schedule

    async def list_agents(self) -> pb.ListAgentsResponse:
        listed: pb.ListAgentsResponse = await self._call(self._stub.ListAgents, pb.ListAgentsRequest())
        return listed

    async def choose_agent(self, name: str) -> str:
        chosen: pb.ChooseAgentResponse = await self._call(self._stub.ChooseAgent, pb.ChooseAgentRequest(name=name))
        return chosen.name

    async def list_connectors(self) -> pb.ListConnectorsResponse:
        listed: pb.ListConnectorsResponse = await self._call(self._stub.ListConnectors, pb.ListConnectorsRequest())
        return listed

    async def check_connector(self, name: str) -> pb.CheckConnectorResponse:
        checked: pb.CheckConnectorResponse = await self._call(
            self._stub.CheckConnector, pb.CheckConnectorRequest(name=name), seconds=CHECK_SECONDS
        )
        return checked

    async def list_skills(self) -> pb.ListSkillsResponse:
        listed: pb.ListSkillsResponse = await self._call(self._stub.ListSkills, pb.ListSkillsRequest())
        return listed

    async def set_skill_folder(self, path: str, *, remove: bool) -> pb.SetSkillFolderResponse:
        request = pb.SetSkillFolderRequest(path=path, remove=remove)
        answer: pb.SetSkillFolderResponse = await self._call(self._stub.SetSkillFolder, request)
        return answer

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
            yield finding_wire.heard(response)

    async def export_thread(self, phone_name: str) -> AsyncGenerator[bytes, None]:
        call = self._stub.ExportThread(pb.ExportThreadRequest(phone_name=phone_name))
        async for response in _reading(call):
            yield response.line

    async def _call(self, method: Any, request: Any, *, seconds: float = CALL_SECONDS) -> Any:
        try:
            return await method(request, timeout=seconds)
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
