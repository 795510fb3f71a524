"""How much one task may ask of a model, and how long a busy provider is waited for. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.llm.settings import LlmSettings


class Stopped(Exception):
    """The task can't go on. `text` is Markdown for the person; it quotes nobody."""

    def __init__(self, reason: NotDoneReason, text: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How a request that the provider did not answer is tried again."""

    tries: int = 5
    first_seconds: float = 1.0  # before the second try; twice as long before each further one
    longest_seconds: float = 60.0  # of one wait: a provider that asks for more is not waited for

    def wait_seconds(self, failed: int, asked: float | None) -> float | None:
        """Tell how long to wait after this many tries; None to give up. `asked` is what the provider said itself."""
        if failed >= self.tries or (asked is not None and asked > self.longest_seconds):
            return None
        usual = min(self.first_seconds * 2.0 ** (failed - 1), self.longest_seconds)
        return usual if asked is None else max(asked, 0.0)


@dataclass(slots=True)
class Spent:
    """What a task has used so far."""

    settings: LlmSettings
    requests: int = 0
    tokens: int = 0

    def request(self) -> None:
        """Count a request that is about to be made. Raises Stopped when none is left."""
        if self.requests >= self.settings.requests:
            raise Stopped(
                NotDoneReason.LIMIT_REACHED,
                f"The language model was asked {self.requests} times for this task, which is all that the settings of the "
                "computer allow, and was not done.",
            )
        if self.tokens >= self.settings.tokens:
            raise Stopped(
                NotDoneReason.LIMIT_REACHED,
                f"The language model used {self.tokens:,} tokens for this task; the settings of the computer allow "
                f"{self.settings.tokens:,}. It was not done.",
            )
        self.requests += 1

    def used(self, tokens: int) -> None:
        """Count what an answer took."""
        self.tokens += max(tokens, 0)
