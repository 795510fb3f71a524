"""Structured logs: a JSON object a line on standard error. Events, not prose; ids short; never content or secrets."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, MutableMapping
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


class Stamp:
    """Writes when it was, in UTC. Keeps what all lines of a second have in common: a relay writes several for each task."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        """Take what tells the time, ns since 1970."""
        self._now_ns = now_ns
        self._known = (-1, "")  # a second, and how it is written: one value, since several threads log

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        now, rest_ns = divmod(self._now_ns(), 1_000_000_000)
        second, shown = self._known
        if now != second:
            shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            self._known = now, shown
        event["timestamp"] = f"{shown}.{rest_ns // 1_000:06}Z"
        return event


# Made once: the library's own way makes one for each line.
_as_json = json.JSONEncoder(default=repr).encode


def rendered(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Write a line."""
    return _as_json(event)


class _Libraries(logging.Handler):
    """Writes what a library warns of as a line like ours: who says it and where, never its words, which may quote what it read."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        failure = record.exc_info[1] if record.exc_info else None
        where = {"where": place_of(failure)} if failure is not None else {}
        said_at = f"{record.module}:{record.lineno}"
        get_logger().log(record.levelno, "a library warns", library=record.name, said_at=said_at, **where)


_libraries = _Libraries(logging.WARNING)


def configure(*, stream: TextIO | None = None, service: str, now_ns: Callable[[], int] = time.time_ns) -> None:
    """Set up logging of this process. Called once, by `app.py`. `now_ns` tells the time, ns since 1970."""

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
            Stamp(now_ns),
            place_only,
            rendered,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.getLogger().addHandler(_libraries)  # one that is there already is not added again


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Give a logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
