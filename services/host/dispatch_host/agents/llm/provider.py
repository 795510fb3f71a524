"""Makes the way to a model: pydantic-ai's model over a client of our own. Imported in a thread: it costs a second.

Nothing is taken from the process's environment: no key, no address. No redirect is followed, nothing is tried again here.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

import httpx2
from pydantic_ai.models import Model

from dispatch_host.agents.llm.bounds import Bounds
from dispatch_host.agents.llm.settings import Api, LlmSettings

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 300.0
"""Between two pieces of an answer. A local model may take minutes to read a long conversation before its first word."""

_KEYLESS = "none"  # what local servers get, who ask for no key but whose client wants one

for _name in ("httpx2", "httpcore2", "openai", "anthropic"):
    # Whatever the environment says: at their lower levels these write addresses, and what is sent.
    logging.getLogger(_name).setLevel(logging.ERROR)


@contextlib.asynccontextmanager
async def opened(settings: LlmSettings, key: str) -> AsyncIterator[Model]:
    """Hold a model for one task; its connections end with it."""
    timeout = httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    # A proxy of the environment is for the network, and must not get what goes to this computer.
    async with httpx2.AsyncClient(
        timeout=timeout,
        follow_redirects=False,
        trust_env=not settings.is_here,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [Bounds(settings.answer_tokens).on]},
    ) as client:
        yield (
            _anthropic(settings, key, client) if settings.provider is Api.ANTHROPIC else _openai(settings, key, client)
        )


def _anthropic(settings: LlmSettings, key: str, client: httpx2.AsyncClient) -> Model:
    from anthropic import AsyncAnthropic  # noqa: PLC0415 -- only one of the two is used, and each takes a while
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

    made = AsyncAnthropic(api_key=key or _KEYLESS, base_url=settings.base_url, max_retries=0, http_client=client)
    return AnthropicModel(settings.model, provider=AnthropicProvider(anthropic_client=made))


def _openai(settings: LlmSettings, key: str, client: httpx2.AsyncClient) -> Model:
    from openai import AsyncOpenAI  # noqa: PLC0415 -- as above
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
    from pydantic_ai.profiles.openai import OpenAIModelProfile  # noqa: PLC0415
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

    made = AsyncOpenAI(api_key=key or _KEYLESS, base_url=settings.base_url, max_retries=0, http_client=client)
    # Else an answer that ends without its end having been said counts as a whole one.
    profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
    return OpenAIChatModel(settings.model, provider=OpenAIProvider(openai_client=made), profile=profile)
