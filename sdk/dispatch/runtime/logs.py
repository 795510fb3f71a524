"""Structured logs: a JSON object a line on standard error. Events, not prose; ids short; never content or secrets."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from dispatch.failures import place_of

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


def place_only(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write of an exception its kind and its place, never its words: they may quote what was read."""
    given = event.pop("exc_info", None)
    failure = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if failure is not None:
        event["where"] = place_of(failure)
    return event


def configure(*, stream: TextIO | None = None, service: str) -> None:
    """Set up logging of this process. Called once, by `app.py`."""

    def named(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # Not as a context variable: a thread that a library starts has a context of its own, and its lines would be nobody's.
        event["service"] = service
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            named,
            redact,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            place_only,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=True,
    )


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Give a logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
