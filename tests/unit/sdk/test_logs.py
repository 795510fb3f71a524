"""What every line of a log has, whoever writes it."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import structlog
from dispatch.runtime.logs import configure, get_logger


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream, before = io.StringIO(), set(logging.getLogger().handlers)
    configure(stream=stream, service="relay")
    yield stream
    structlog.reset_defaults()
    for handler in set(logging.getLogger().handlers) - before:
        logging.getLogger().removeHandler(handler)


def test_a_line_of_another_thread_names_its_service_too(lines: io.StringIO) -> None:
    # It was a context variable, which the threads of libraries have not: the lines of gRPC's were nobody's.
    writing = threading.Thread(target=lambda: get_logger().info("certificate taken", listener="web"))
    writing.start()
    writing.join()
    get_logger().info("serving")

    assert [json.loads(line)["service"] for line in lines.getvalue().splitlines()] == ["relay", "relay"]


def test_ids_are_short_and_secrets_are_not_written(lines: io.StringIO) -> None:
    get_logger().info("claimed", offer=bytes(range(16)), token="hunter2")

    line = json.loads(lines.getvalue())
    assert (line["offer"], line["token"], line["level"]) == ("00010203", "(not logged)", "info")


def test_each_line_says_when_it_was_in_utc(lines: io.StringIO) -> None:
    before = datetime.now(UTC)
    for _ in range(2):
        get_logger().info("serving")

    said = [datetime.fromisoformat(json.loads(line)["timestamp"]) for line in lines.getvalue().splitlines()]
    assert all(one.utcoffset() == timedelta(0) for one in said)
    assert before <= said[0] <= said[1] <= datetime.now(UTC)


def test_what_is_no_json_is_written_as_python_shows_it(lines: io.StringIO) -> None:
    get_logger().info("swept", result={1, 2}, mode=object)

    line = json.loads(lines.getvalue())
    assert (line["result"], line["mode"]) == ("{1, 2}", "<class 'object'>")


def test_what_a_library_warns_of_is_a_line_without_its_words(lines: io.StringIO) -> None:
    # It was the library's own text with a traceback, between our lines: no reader of JSON could take it, and it may quote secrets.
    library = logging.getLogger("sqlalchemy.pool")
    try:
        raise ValueError("hunter2")
    except ValueError:
        library.error("Exception about %s", "hunter2", exc_info=True)
    library.warning("hunter2")
    library.info("nothing that anybody waits for")

    failed, warned = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (failed["event"], failed["library"], failed["level"]) == ("a library warns", "sqlalchemy.pool", "error")
    assert failed["where"].startswith("ValueError at test_what_a_library_warns_of_is_a_line_without_its_words")
    assert (warned["level"], warned["said_at"].partition(":")[0], "where" in warned) == ("warning", "test_logs", False)
    assert "hunter2" not in lines.getvalue()


def test_a_library_is_heard_once_however_often_logging_is_set_up(lines: io.StringIO) -> None:
    configure(stream=lines, service="relay")

    logging.getLogger("grpc").warning("something")

    assert len(lines.getvalue().splitlines()) == 1


class Talkative(io.StringIO):
    """A stream in whose writing a library has something to say, as when garbage is collected just then."""

    def __init__(self) -> None:
        super().__init__()
        self.speaks = True

    def write(self, text: str) -> int:
        if self.speaks:
            self.speaks = False
            logging.getLogger("asyncio").error("Task exception was never retrieved")
        return super().write(text)


def test_a_library_may_warn_in_the_middle_of_a_line_of_ours(lines: io.StringIO) -> None:
    """It waited for ever for the lock of the line that it was in the middle of, and the process with it."""
    stream = Talkative()
    configure(stream=stream, service="relay")

    get_logger().info("serving")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["a library warns", "serving"]


def test_a_library_that_warns_is_not_broken_by_a_log_that_can_not_be_written(lines: io.StringIO) -> None:
    lines.close()

    logging.getLogger("asyncio").log(35, "between two levels")


def test_that_a_caller_has_gone_is_no_warning(lines: io.StringIO) -> None:
    try:
        raise grpc.aio.InternalError('Failed "execute_batch"')
    except grpc.aio.InternalError:
        logging.getLogger("grpc._cython.cygrpc").error("Unexpected", exc_info=True)

    assert lines.getvalue() == ""
