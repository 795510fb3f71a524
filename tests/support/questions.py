"""What a scripted agent asks a person, how it comes to that, and what was answered."""

from __future__ import annotations

from typing import Any

from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch_host.agents import AgentEvent, Approval, Choice, canonical
from dispatch_host.permissions.permission import TERMINAL

from tests.support.host_bench import Bench, Deed

ACTION = canonical({"run": ["pytest", "-q"], "in": "/code/x"})
TERMINAL_PERMISSION = pb.Permission(kind=pb.PERMISSION_KIND_TERMINAL)


async def ready_to_start_programs(bench: Bench) -> Bench:
    """Run the host, with a session with its phone, and permit the terminal there; give it back."""
    await bench.ready()
    async with bench.control() as control:
        await control.allow_permission(TERMINAL_PERMISSION, 0)
    return bench


def approval(action: bytes = ACTION, **changed: Any) -> Deed:
    """Ask whether it may run pytest; what differs from that is named."""
    said: dict[str, Any] = {
        "text": "Run pytest?",
        "action": action,
        "preview": "`pytest -q` in `/code/x`",
        "rule": "run pytest in /code/x",
        "permission": TERMINAL,
        "of": "tests",
    }
    return lambda _gate, ask, _words: ask.may(Approval(**(said | changed)))


def choice(text: str = "Which one?", choices: tuple[str, ...] = ("north", "south")) -> Deed:
    """Ask the person to choose, or for words where there are no choices."""
    return lambda _gate, ask, _words: ask.which(Choice(text=text, choices=choices))


async def asked(bench: Bench, *script: Deed | AgentEvent, text: str = "work") -> tuple[bytes, pb.Question]:
    """Send a task whose agent does this first; give its id, and its first question."""
    sent = await bench.phone.sends(text)
    await bench.phone.sees(sent.task_id, "started")
    bench.agent.says(text, *script)
    return sent.task_id, (await bench.phone.sees(sent.task_id, "question")).question


def answers_of(bench: Bench, task_id: bytes) -> list[pb.Answered]:
    """Give the answers that the thread of the phone holds for a task, in order."""
    return [event.answered for event in bench.phone.of(task_id) if event.HasField("answered")]
