"""What a test of an attack looks at: the numbers and the log of the service attacked, and what must be in neither.

    async with watch.expects("dispatch_relay_stream_ends_total", reason="PROOF_INVALID"):
        …one attempt…

fails unless exactly one was counted, one line of the log says the same, ids stand there shortened and no secret at all.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from dispatch.runtime.logs import redact

from tests.support.waiting import DEADLINE_SECONDS

SHORT_BYTES = 4


class LogBook:
    """What a process would write to standard error, in the same words."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Give every line so far."""
        return [json.loads(line) for line in self.text.splitlines()]


@contextmanager
def recorded_logs() -> Iterator[LogBook]:
    """Keep what is logged in this process. Not `logs.configure`: that holds on to its stream for good."""
    stream = io.StringIO()
    structlog.configure(
        processors=[redact, structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
    try:
        yield LogBook(stream)
    finally:
        structlog.reset_defaults()


@dataclass
class Watch:
    """One service under attack."""

    page: Callable[[], str]
    """Reads its metrics page."""
    log: LogBook
    secrets: list[bytes | str] = field(default_factory=list)
    """Must not be found in the log or on the page, in any spelling."""
    ids: list[bytes] = field(default_factory=list)
    """Must be found in the log shortened only. The line of each attempt names one of them."""
    patience_seconds: float = DEADLINE_SECONDS

    @asynccontextmanager
    async def expects(
        self, metric: str, *, logged: dict[str, Any] | None, times: int = 1, **labels: str
    ) -> AsyncIterator[None]:
        """Expect the body to be counted and logged so often, and to leak nothing. None: not logged, whatever it is."""
        before = await self.reads(metric, **labels)
        seen = len(self.log.lines)

        def said() -> list[dict[str, Any]]:
            new = self.log.lines[seen:]
            return new if logged is None else [line for line in new if logged.items() <= line.items()]

        yield

        due = 0 if logged is None else times
        async with asyncio.timeout(self.patience_seconds):
            # What the attacker hears may be a moment ahead of what is written down.
            while await self.reads(metric, **labels) < before + times or len(said()) < due:  # noqa: ASYNC110 -- no event
                await asyncio.sleep(0.01)
        assert await self.reads(metric, **labels) == before + times
        assert len(said()) == due
        short = {one[:SHORT_BYTES].hex() for one in self.ids}
        assert not short or all(short & {str(value) for value in line.values()} for line in said()), "it names nobody"
        await self.leaks_nothing()

    async def reads(self, metric: str, **labels: str) -> float:
        """Read a number as Prometheus would. It must be on the page before anything happened."""
        inside = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
        wanted = f"{metric}{{{inside}}}" if labels else metric
        page = await asyncio.to_thread(self.page)
        (value,) = [line.rpartition(" ")[2] for line in page.splitlines() if line.rpartition(" ")[0] == wanted]
        return float(value)

    async def leaks_nothing(self) -> None:
        """Look for each secret in the log and on the page; and in the log for ids that are not shortened."""
        page = await asyncio.to_thread(self.page)
        for secret in self.secrets:
            for spelling in spellings(secret):
                assert spelling not in self.log.text
                assert spelling not in page
        for one in self.ids:
            assert one.hex() not in page
            assert one[: SHORT_BYTES + 1].hex() not in self.log.text
        assert any(one[:SHORT_BYTES].hex() in self.log.text for one in self.ids) or not self.ids


def spellings(secret: bytes | str) -> set[str]:
    """Give how a secret might stand in a text: as it is, in hex, in base64, as Python would write it; within JSON, too."""
    if isinstance(secret, str):
        found = {secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode()}
    else:
        assert len(secret) >= 2 * SHORT_BYTES, "too short to tell from chance"
        # Half of it is as bad; of base64 as much as does not depend on what follows.
        part = secret[: len(secret) // 6 * 3]
        found = {part.hex(), base64.b64encode(part).decode(), base64.urlsafe_b64encode(part).decode(), repr(part)[2:-1]}
    return found | {json.dumps(spelling)[1:-1] for spelling in found}
