"""What a person may do from the page: a row each, from what the page sends to a call of the front desk."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from dispatch import errors
from dispatch.api.host.v1.host_pb2 import Folder
from dispatch.device import awake_words, permission_words, question_words

from dispatch_host import telling

if TYPE_CHECKING:
    from dispatch_host.front import Front

Request = Mapping[str, Any]


Warn = Callable[[str, bool], list[str]]
"""Gives what to warn of before a folder is used: its path, and whether agents may change what is in it."""


async def do(front: Front, request: Request) -> Folder | None:
    """Do what was asked; gives the folder that was approved. Raises BadRequest for what is no row, and what the front desk says."""
    row = DOING.get(_text(request, "do"))
    if row is None:
        raise errors.BadRequest("there is nothing of that name to do", metadata={"field": "do"})
    return await row(front, request)


async def _answer(front: Front, request: Request) -> None:
    wanted = telling.task_id(_text(request, "task_id"))
    asked = next((one for one in (await front.list_questions()).questions if one.task_id == wanted), None)
    # The one that the person read, not one that came meanwhile.
    if asked is None or asked.question.question_id.hex() != _text(request, "question_id"):
        raise errors.QuestionClosed
    await front.answer_question(wanted, question_words.read(asked.question, _text(request, "say")))


async def _cancel(front: Front, request: Request) -> None:
    await front.cancel_task(telling.task_id(_text(request, "task_id")))


async def _folder(front: Front, request: Request) -> Folder:
    return await front.add_folder(Folder(path=_path(request), writable=request.get("write") is True))


async def _allow(front: Front, request: Request) -> None:
    await front.allow_permission(permission_words.named([_text(request, "permission")]), 0)


async def _revoke(front: Front, request: Request) -> None:
    if rule := request.get("rule"):
        await front.revoke_rule(str(rule))
        return
    words = [_text(request, "permission"), *filter(None, [request.get("name")])]
    await front.revoke_permission(permission_words.named(words))


async def _awake(front: Front, request: Request) -> None:
    mode = awake_words.MODES.get(_text(request, "mode"))
    if mode is None:
        raise errors.BadRequest("on, off or while-running", metadata={"field": "mode"})
    await front.set_keep_awake(mode)


DOING: Mapping[str, Callable[[Front, Request], Awaitable[Folder | None]]] = {
    "answer": _answer,
    "cancel": _cancel,
    "folder": _folder,
    "allow": _allow,
    "revoke": _revoke,
    "awake": _awake,
}


def _path(request: Request) -> str:
    path = os.path.expanduser(_text(request, "path").strip())
    if not os.path.isabs(path) or "\0" in path:
        raise errors.BadRequest("a folder is written from / on, or from ~", metadata={"field": "path"})
    return os.path.normpath(path)


def _text(request: Request, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise errors.BadRequest(f"{name} is missing", metadata={"field": name})
    return value
