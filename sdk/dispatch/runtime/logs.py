"""Structured logs: a JSON object a line on standard error. Events, not prose; ids short; never content or secrets."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

# Names under which a secret or content might be passed by mistake. The value goes, the name stays, so that it is seen.
_SECRET = frozenset(
    {"password", "session", "token", "claim_token", "nonce", "proof", "signature", "key", "psk", "link", "code",
     "sealed", "text", "grant", "secret"}
)  # fmt: skip


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what must not be logged, and write ids short."""
    for name, value in event.items():
        if name in _SECRET:
            event[name] = "(not logged)"
        elif isinstance(value, bytes):
            event[name] = value[:4].hex()
    return event


def configure(*, stream: TextIO | None = None, service: str) -> None:
    """Set up logging of this process. Called once, by `app.py`."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            redact,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Give a logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
