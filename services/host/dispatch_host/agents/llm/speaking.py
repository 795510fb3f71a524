"""One request to the model, until there is a whole answer: what it says is shown as it comes, what fails is tried again.

Each way in which a provider can fail is one row of a table. Nothing of its own words is shown or logged: they may quote what
was sent, or the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx2
from dispatch.failures import place_of
from dispatch.runtime.logs import get_logger
from pydantic_ai import exceptions as failures
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from dispatch_host.agents.agent import NotDoneReason, Step, Text
from dispatch_host.agents.llm.bounds import Bounds, TooMuch, characters
from dispatch_host.agents.llm.calling import clean
from dispatch_host.agents.llm.limits import Patience, Spent, Stopped

_LOG = get_logger()
_SAID_SECONDS = 1.0  # a shorter wait is not worth a row of the thread


class TooLong(Exception):
    """The conversation is longer than the model reads."""


class BrokenOff(Exception):
    """The answer ended in the middle."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a failure means."""

    kind: type[Exception] | tuple[type[Exception], ...]
    word: str  # in the log
    text: str  # to the person
    again: bool = False
    mend: str = ""
    """Set where the address belongs to it: what to look at."""
    reason: NotDoneReason = NotDoneReason.AGENT_UNAVAILABLE


_FAILURES = (
    _Failure(
        TooMuch,
        "endless",
        "The model provider sends more than was asked for, and was broken off.",
        reason=NotDoneReason.AGENT_FAILED,
    ),
    _Failure(failures.ModelAuthenticationError, "key", "The model provider refused the key. Look at key_file."),
    _Failure(failures.ModelQuotaExceededError, "quota", "The account at the model provider has nothing left to spend."),
    _Failure(failures.ModelNotFoundError, "model", "The model provider does not know the model that is set."),
    _Failure(
        failures.ModelRateLimitError, "rate", "The model provider is asked too often and wants a break.", again=True
    ),
    _Failure(failures.ModelUnavailableError, "busy", "The model provider is overloaded.", again=True),
    _Failure(failures.ModelServerError, "server", "The model provider has a fault.", again=True),
    _Failure(
        (failures.ModelConnectionError, failures.ModelRequestTimeout, httpx2.TransportError, httpx2.StreamError),
        "connection",
        "The model provider can't be reached, or breaks off",
        again=True,
        mend=" Look whether it runs, and at base_url in agents.toml.",
    ),
    _Failure(
        (BrokenOff, failures.UnexpectedModelBehavior),
        "nonsense",
        "The model provider broke off in the middle, or answered nonsense.",
        again=True,
        reason=NotDoneReason.AGENT_FAILED,
    ),
    _Failure(
        (failures.ModelHTTPError, failures.ModelRequestRejectedError),
        "refused",
        "The model provider refused the request.",
        reason=NotDoneReason.AGENT_FAILED,
    ),
    # The last for what is no JSON, and for a value in an answer that the provider's own client trips over.
    _Failure(
        (failures.ModelAPIError, ValueError, TypeError, AttributeError, LookupError),
        "nonsense",
        "The model provider answered nonsense.",
        again=True,
        reason=NotDoneReason.AGENT_FAILED,
    ),
)
"""The first that fits counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Asks the model. Fixed for one task."""

    model: Model
    answer_tokens: int
    patience: Patience
    spent: Spent
    address: str
    """The provider's, for a person: without a path."""
    say: Callable[[Step | Text], Awaitable[None]]

    async def speak(self, messages: Sequence[ModelMessage], tools: Sequence[ToolDefinition]) -> ModelResponse:
        """Give the whole answer. Raises Stopped, and TooLong for a conversation that the model can't take."""
        failed = 0
        while True:
            self.spent.request()
            try:
                return await self._once(messages, tools)
            except failures.ModelContextWindowExceededError:
                raise TooLong from None
            except Exception as failure:
                failed += 1
                await self._wait(failure, failed)

    async def _once(self, messages: Sequence[ModelMessage], tools: Sequence[ToolDefinition]) -> ModelResponse:
        asked = model_request_stream(
            self.model,
            messages,
            model_settings=ModelSettings(max_tokens=self.answer_tokens, max_retries=0),
            model_request_parameters=ModelRequestParameters(function_tools=list(tools), allow_text_output=True),
        )
        said, most = 0, Bounds(self.answer_tokens).said_characters
        async with asked as stream:
            async for event in stream:
                said += characters(event)
                if said > most:
                    raise TooMuch
                match event:
                    case PartStartEvent(part=TextPart(content=words)) if words:
                        await self.say(Text(clean(words)))
                    case PartDeltaEvent(delta=TextPartDelta(content_delta=words)) if words:
                        await self.say(Text(clean(words)))
            answer = stream.get()
        self.spent.used(answer.usage.total_tokens)
        if answer.finish_reason is None:
            # Its end was never said: half an answer must not pass for a whole one.
            raise BrokenOff
        return answer

    async def _wait(self, failure: Exception, failed: int) -> None:
        """Wait until it may be tried again. Raises Stopped when that makes no sense."""
        failure = _innermost(failure)
        meant = next((one for one in _FAILURES if isinstance(failure, one.kind)), None)
        if meant is None:
            raise failure
        _LOG.warning("model failed", cause=meant.word, tried=failed, where=place_of(failure))
        asked = getattr(failure, "retry_after", None)
        seconds = self.patience.wait_seconds(failed, asked) if meant.again else None
        text = f"{meant.text}: {self.address}." if meant.mend else meant.text
        if seconds is None:
            raise Stopped(meant.reason, _explained(text, failed, asked) + meant.mend) from None
        if seconds >= _SAID_SECONDS:
            await self.say(Step(f"{text} Asked again in {seconds:.0f} s."))
        await asyncio.sleep(seconds)


def _innermost(failure: Exception) -> Exception:
    """Give what a bound raised, whatever the provider's client made of it."""
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, TooMuch):
        cause = cause.__cause__ or cause.__context__
    return cause or failure


def _explained(text: str, failed: int, asked: float | None) -> str:
    tried = f" It was tried {failed} times." if failed > 1 else ""
    wants = f" It asks to wait for {asked:.0f} s." if asked is not None and asked >= 1 else ""
    return f"{text}{tried}{wants}"
