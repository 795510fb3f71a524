"""Structured logs: a JSON object a line on standard error. Events, not prose; ids short; never content or secrets."""

from __future__ import annotations

import contextlib
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


_CALLER_WENT = {"InternalError", "ExecuteBatchError"}
"""What gRPC fails with, and tells, when it is to answer a caller who has gone."""


class _Libraries(logging.Handler):
    """Writes what a library warns of as a line like ours: who says it and where, never its words, which may quote what it read.

    Not by structlog: a library may have something to say in the middle of a line of ours, on the same thread, and structlog's lock
    is one that a thread can't take twice.
    """

    def __init__(self, stream: TextIO, *, service: str, stamp: Stamp) -> None:
        super().__init__(logging.WARNING)
        self._stream = stream
        self._service = service
        self._stamp = stamp

    def emit(self, record: logging.LogRecord) -> None:
        """Write it. Raises nothing: whoever warns can't help it."""
        failure = record.exc_info[1] if record.exc_info else None
        if record.name.startswith("grpc") and type(failure).__name__ in _CALLER_WENT:
            return
        event: MutableMapping[str, Any] = {"library": record.name, "said_at": f"{record.module}:{record.lineno}"}
        if failure is not None:
            event["where"] = place_of(failure)
        event.update(event="a library warns", service=self._service, level=record.levelname.lower())
        with contextlib.suppress(Exception):
            self._stream.write(rendered(None, "", self._stamp(None, "", event)) + "\n")
            self._stream.flush()


def configure(*, stream: TextIO | None = None, service: str, now_ns: Callable[[], int] = time.time_ns) -> None:
    """Set up logging of this process. Called once, by `app.py`. `now_ns` tells the time, ns since 1970."""

    def named(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # Not as a context variable: a thread that a library starts has a context of its own, and its lines would be nobody's.
        event["service"] = service
        return event

    stamp, stream = Stamp(now_ns), stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            named,
            redact,
            structlog.processors.add_log_level,
            stamp,
            place_only,
            rendered,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _Libraries)]:
        root.removeHandler(handler)
    root.addHandler(_Libraries(stream, service=service, stamp=stamp))


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Give a logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
