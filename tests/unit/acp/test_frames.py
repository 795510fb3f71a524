"""From bytes to messages: what is cut, what is refused, and what never gets through."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from dispatch_host.agents.acp.frames import Broken, Lines, message
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda line: b"\n" not in line and line.strip())), st.data())
def test_lines_are_the_same_however_they_are_cut(lines: Sequence[bytes], data: st.DataObject) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    cutter = Lines()

    found = [
        line
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
        for line in cutter.feed(whole[start:end])
    ]

    assert found == list(lines)


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 11 + b"\n", b"ok\n" + b"x" * 11])
def test_a_line_has_a_bound_also_before_its_end(data: bytes) -> None:
    with pytest.raises(Broken):
        list(Lines(most_bytes=10).feed(data))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5) | st.binary())
def test_whatever_comes_is_a_message_or_broken(said: object) -> None:
    line = said if isinstance(said, bytes) else json.dumps(said).encode()

    try:
        found = message(line)
    except Broken:
        return
    assert found["jsonrpc"] == "2.0"


def test_what_is_for_extensions_does_not_get_through() -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"a": 1, "_meta": {"a": 2}}}
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"a": 1, "_meta": {"a": 2}}}

    assert message(json.dumps(call).encode())["params"] == {"a": 1}
    assert message(json.dumps(answer).encode())["result"] == {"a": 1}


def test_an_error_of_any_form_is_one_that_can_be_raised() -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": "x", "message": ["y"], "data": 7}}

    assert message(json.dumps(error).encode())["error"] == {"code": -32603, "message": "", "data": 7}


def test_a_message_that_would_take_many_times_its_size_in_memory_is_broken() -> None:
    with pytest.raises(Broken, match="too many parts"):
        message(b'{"jsonrpc": "2.0", "method": "x", "params": {"a": [' + b"[]," * 200_000 + b"[]]}}")
