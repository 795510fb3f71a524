"""What an exception says of itself may quote a task, a file or a key: logs name its kind and its place only."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from dispatch.failures import place_of
from dispatch.runtime.logs import configure, get_logger

ROOT = Path(__file__).resolve().parents[3]


def breaks() -> None:
    raise ValueError("secret words")


def broken() -> ValueError:
    try:
        breaks()
    except ValueError as failure:
        return failure
    raise AssertionError


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure(stream=stream, service="test")
    yield stream
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_failure_is_named_by_its_kind_and_place() -> None:
    assert place_of(broken()).startswith("ValueError at breaks:")
    assert place_of(KeyError("secret words")) == "KeyError"


@pytest.mark.parametrize("given", [True, broken()])
def test_an_exception_that_is_logged_all_the_same_keeps_its_words_to_itself(logged: io.StringIO, given: object) -> None:
    try:
        breaks()
    except ValueError:
        get_logger().error("broke", exc_info=given)

    assert "ValueError at breaks:" in logged.getvalue()
    assert "secret words" not in logged.getvalue()


def test_no_module_has_the_words_of_an_exception_logged() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for part in ("sdk", "services", "clients")
        for path in (ROOT / part).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if (call.func.attr == "exception" and ast.unparse(call.func.value).lower().endswith("log"))
        or any(keyword.arg == "exc_info" for keyword in call.keywords)
    ]

    assert not found
