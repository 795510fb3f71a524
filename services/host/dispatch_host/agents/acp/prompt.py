"""What an agent is asked: the person's words, the attachments, and where the session is new, the thread so far."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from acp.schema import (
    EmbeddedResourceContentBlock,
    ImageContentBlock,
    PromptCapabilities,
    ResourceContentBlock,
    TextContentBlock,
    TextResourceContents,
)

from dispatch_host.agents.acp.plain import plain
from dispatch_host.agents.agent import Task, Turn
from dispatch_host.scope import Refused, Scope

Block: TypeAlias = TextContentBlock | ImageContentBlock | EmbeddedResourceContentBlock | ResourceContentBlock

_PREAMBLE_BYTES = 16 * 1024
_TURN_BYTES = 4 * 1024
_EMBEDDED_BYTES = 256 * 1024
_IMAGE_BYTES = 4 * 1024 * 1024
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def prompt(task: Task, missed: Sequence[Turn], takes: PromptCapabilities) -> list[Block]:
    """Write the prompt. `missed` are the turns of the thread that the session has not seen. Reads attachments; blocking."""
    words = plain(task.text, len(task.text) * 4 + 4)
    blocks: list[Block] = [TextContentBlock(type="text", text=f"{_before(missed)}{words}" or "(nothing was said)")]
    if task.attachments and task.inbox is not None:
        with Scope([], inbox=task.inbox) as scope:
            blocks += [_attached(path, scope, takes) for path in task.attachments]
    return blocks


def _before(missed: Sequence[Turn]) -> str:
    """Tell the turns, the latest ones whole before earlier ones at all."""
    told: list[str] = []
    left = _PREAMBLE_BYTES
    for turn in reversed(missed):
        text = (
            f"The person said: {plain(turn.task_text, _TURN_BYTES)}\n"
            f"The answer ({turn.outcome}): {plain(turn.result_text, _TURN_BYTES) or 'none'}\n"
        )
        left -= len(text.encode())
        if left < 0:
            break
        told.insert(0, text)
    if not told:
        return ""
    return "\n".join(["This conversation so far:\n", *told, "Now the person says:\n\n"])


def _attached(path: Path, scope: Scope, takes: PromptCapabilities) -> Block:
    """Give an attachment in the prompt where the agent takes that; else its path, which it can ask the host to read."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    uri, name = path.as_uri(), plain(path.name, 300)
    data = _content(path, scope)
    if takes.image and kind in _IMAGES and data is not None and len(data) <= _IMAGE_BYTES:
        return ImageContentBlock(type="image", data=base64.b64encode(data).decode(), mime_type=kind, uri=uri)
    if takes.embedded_context and data is not None and len(data) <= _EMBEDDED_BYTES and _is_text(data):
        resource = TextResourceContents(uri=uri, mime_type=kind, text=data.decode())
        return EmbeddedResourceContentBlock(type="resource", resource=resource)
    size = None if data is None else len(data)
    return ResourceContentBlock(type="resource_link", name=name, uri=uri, mime_type=kind, size=size)


def _content(path: Path, scope: Scope) -> bytes | None:
    located = scope.locate(str(path))
    if located is None:
        return None
    try:
        with scope.open_file(*located) as file:
            data = file.read(_IMAGE_BYTES + 1)
    except Refused:
        return None
    return data if len(data) <= _IMAGE_BYTES else None


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False
