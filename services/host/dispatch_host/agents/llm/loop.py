"""The conversation of one task, to its end: ask the model, do what it calls, take the person's words in between.

Ends in one of: an answer without calls and nothing more to hear; a limit; a provider that can't be had. Called by `agent`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.tools import ToolDefinition

from dispatch_host.agents.agent import AgentEvent, NotDone, NotDoneReason, Result, Step, Text, Turn
from dispatch_host.agents.llm.calling import arguments, carry_out, clean, offered, step
from dispatch_host.agents.llm.conversation import Conversation
from dispatch_host.agents.llm.limits import Patience, Spent, Stopped
from dispatch_host.agents.llm.prompt import attached, instructions
from dispatch_host.agents.llm.provider import opened
from dispatch_host.agents.llm.settings import LlmSettings
from dispatch_host.agents.llm.speaking import Speaker, TooLong
from dispatch_host.agents.toolbox import Tool, Toolbox, ToolFailed, Work
from dispatch_host.agents.words import Words

MOST_CALLS = 32
"""Tools called by one answer. More are refused: a model that loops is to run into the limit of requests soon."""
_ANSWER_BYTES = 48 * 1024
_TITLE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Everything that one task needs."""

    settings: LlmSettings
    key: str = field(repr=False)
    work: Work
    history: Sequence[Turn] = field(repr=False)
    words: Words
    toolboxes: Sequence[Toolbox]
    patience: Patience
    now: datetime
    home: Path
    say: Callable[[AgentEvent], Awaitable[None]]


async def converse(needs: Needs) -> Result | NotDone:
    """Do the task. Raises what is a defect."""
    task, settings = needs.work.task, needs.settings
    names = [clean(path.name) for path in task.attachments]
    talk = Conversation(
        instructions=instructions(now=needs.now, folders=needs.work.gate.folders, home=needs.home),
        history=needs.history,
        text=attached(names) + task.text,
        kept_bytes=settings.conversation_bytes,
    )
    spent = Spent(settings)
    async with opened(settings, needs.key) as model:
        speaker = Speaker(
            model=model,
            answer_tokens=settings.answer_tokens,
            patience=needs.patience,
            spent=spent,
            address=settings.at,
            say=needs.say,
        )
        try:
            while True:
                answer, tools = await _ask(needs, talk, speaker)
                calls = [part for part in answer.parts if isinstance(part, ToolCallPart)]
                if calls:
                    await _tell(needs, answer)
                    talk.called([await _call(needs, talk, tools, place, call) for place, call in enumerate(calls)])
                elif said := await needs.words.take():
                    # They came while it gave its answer: it hears them, and answers anew.
                    await _tell(needs, answer)
                    talk.heard(said)
                else:
                    return _end(answer, talk, settings)
        except Stopped as stopped:
            return NotDone(stopped.reason, stopped.text, talk.memory())


async def _ask(needs: Needs, talk: Conversation, speaker: Speaker) -> tuple[ModelResponse, dict[str, Tool]]:
    """Ask the model for what comes next. Raises Stopped."""
    tools = await offered(needs.toolboxes, needs.work)
    talk.heard(await needs.words.take())
    defined = [
        ToolDefinition(name=tool.name, description=tool.about, parameters_json_schema=dict(tool.takes))
        for tool in tools.values()
    ]
    while True:
        try:
            answer = await speaker.speak(talk.messages(), defined)
        except TooLong:
            if not talk.shrink():
                raise Stopped(NotDoneReason.LIMIT_REACHED, "The task is longer than the model can read.") from None
            continue
        talk.answered(answer)
        return answer, tools


async def _call(
    needs: Needs, talk: Conversation, tools: dict[str, Tool], place: int, call: ToolCallPart
) -> ToolReturnPart:
    """Do one thing that the model called."""
    if place >= MOST_CALLS:
        given = f"Not done: at most {MOST_CALLS} tools in one answer."
    else:
        talk.did(_deed(call))
        given = await carry_out(call.tool_name, call.args, tools, needs.work)
    return ToolReturnPart(tool_name=call.tool_name, content=given, tool_call_id=call.tool_call_id)


def _deed(call: ToolCallPart) -> str:
    try:
        told = step(call.tool_name[:64], arguments(call.args))
    except ToolFailed:
        return clean(call.tool_name[:64])
    return f"{told.title} {told.detail}".strip()


async def _tell(needs: Needs, answer: ModelResponse) -> None:
    """Keep in the thread what the model said beside its calls: shown in passing only, nobody could read it later."""
    words = _words(answer)
    if words:
        title, _, rest = words.partition("\n")
        await needs.say(Step(title[:_TITLE], words if rest or len(title) > _TITLE else ""))
        await needs.say(Text("\n\n"))


def _words(answer: ModelResponse) -> str:
    return clean("".join(part.content for part in answer.parts if isinstance(part, TextPart))).strip()


def _end(answer: ModelResponse, talk: Conversation, settings: LlmSettings) -> Result | NotDone:
    """Say how it ended, by what the provider says of its last answer."""
    words, memory = _bounded(_words(answer)), talk.memory()
    match answer.finish_reason:
        case "length":
            cut = f"The answer was cut: it is longer than the {settings.answer_tokens:,} tokens that one may have."
            return NotDone(NotDoneReason.LIMIT_REACHED, f"{words}\n\n{cut}".strip(), memory)
        case "content_filter":
            return NotDone(NotDoneReason.AGENT_FAILED, "The model provider's filter stopped the answer.", memory)
        case "error":
            return NotDone(NotDoneReason.AGENT_FAILED, "The model provider ended the answer with a fault.", memory)
    if not words:
        return NotDone(NotDoneReason.AGENT_FAILED, "The model gave no answer.", memory)
    return Result(words, memory)


def _bounded(text: str) -> str:
    content = text.encode()
    if len(content) <= _ANSWER_BYTES:
        return text
    return f"{content[:_ANSWER_BYTES].decode(errors='ignore')}\n\n(Cut: it is longer than an answer may be.)"
