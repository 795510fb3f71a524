"""The file of connectors: what it may say, and every mistake in it at once, with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dispatch_host.connectors.definition import ByProgram, ByUrl, Template, Unfilled, read

DIGEST = "0123456789abcdef" * 2


def mistakes(**servers: Any) -> list[str]:
    return [str(mistake) for mistake in read(json.dumps({"mcpServers": servers})).mistakes]


def test_the_common_form_is_read() -> None:
    found = read(
        json.dumps(
            {
                "mcpServers": {
                    "files": {
                        "type": "stdio",
                        "command": "npx",
                        "args": ["-y", "server"],
                        "env": {"A": "${B}"},
                        "cwd": "/x",
                    },
                    "web": {
                        "type": "http",
                        "url": "https://example.com/mcp",
                        "headers": {"Authorization": "Bearer ${T}"},
                    },
                    "off": {"command": "x", "disabled": True},
                    "own": {
                        "command": "x",
                        "sandbox": True,
                        "network": True,
                        "tools": {"a": {"ask": False, "digest": DIGEST}, "b": {"ask": True}},
                        "callSeconds": 5,
                    },
                }
            }
        )
    )

    assert found.mistakes == []
    assert found.disabled == ["off"]
    files, web, own = (found.by_name[name] for name in ("files", "web", "own"))
    assert files.how == ByProgram(command="npx", args=["-y", "server"], env={"A": Template("${B}")}, cwd="/x")
    assert isinstance(web.how, ByUrl)
    assert (own.unasked, own.call_seconds) == ({"a": DIGEST}, 5)


def test_all_mistakes_are_told_at_once_and_take_no_other_with_them() -> None:
    text = json.dumps(
        {
            "mcpServers": {
                "good": {"command": "x"},
                "bad name": {"command": "x"},
                "neither": {},
                "both": {"command": "x", "url": "https://example.com"},
                "wrong": {
                    "command": "",
                    "args": "x",
                    "env": {"a-b": "1", "B": 2, "C": "${}"},
                    "sanbox": True,
                    "callSeconds": 0,
                },
                "url": {"url": "http://example.com/${TOKEN}", "headers": {"A": "b\nc"}},
            }
        }
    )

    found = read(text)

    assert list(found.by_name) == ["good"]
    assert sorted(mistake.place.removeprefix("mcpServers.") for mistake in found.mistakes) == [
        "bad name",
        "both",
        "neither",
        "url.headers.A",
        "url.url",
        "url.url",
        "wrong.args",
        "wrong.callSeconds",
        "wrong.command",
        "wrong.env.B",
        "wrong.env.C",
        "wrong.env.a-b",
        "wrong.sanbox",
    ]


@pytest.mark.parametrize(
    ("server", "what"),
    [
        ({"url": "http://example.com"}, "http is for this computer only"),
        ({"url": "https://me:secret@example.com"}, "everybody can see this"),
        ({"url": "file:///etc/passwd"}, "begins with https://"),
        ({"url": "https://example.com", "type": "sse"}, "left it behind"),
        ({"url": "https://example.com", "type": "stdio"}, "stdio goes with a command"),
        ({"url": "https://example.com", "env": {}}, "nothing is known by this name for a url"),
        ({"command": "x", "args": ["--token=${TOKEN}"]}, "everybody can see this"),
        ({"command": "x", "env": {"A": "${file:relative}"}}, "is absolute"),
        ({"command": "x", "env": {"A": "${UNCLOSED"}}, "has no }"),
        ({"command": "x", "network": True}, "it is for the sandbox"),
        ({"command": "x", "tools": {"a": {"ask": "no"}}}, '{"ask": false, "digest"'),
        ({"command": "x", "tools": {"a": {"ask": False}}}, "as connectors check tells it"),
        ({"command": "x", "tools": {"a": {"ask": False, "digest": DIGEST[:8]}}}, "as connectors check tells it"),
        ({"command": "x", "tools": {"a": {"ask": True, "digest": DIGEST}}}, "as connectors check tells it"),
        ({"command": "x", "disabled": "no"}, "true or false"),
        (["x"], "it is an object"),
    ],
)
def test_a_mistake_says_what_is_meant(server: Any, what: str) -> None:
    assert any(what in mistake for mistake in mistakes(one=server))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1: it is no JSON"),
        ("[]", 'the file: it holds one object: {"mcpServers": {…}}'),
        ('{"servers": {}}', 'the file: it holds one object: {"mcpServers": {…}}'),
        ("[" * 100_000, "the file: it is no JSON"),
        ('{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}', "mcpServers.a: it is there twice"),
        ('{"mcpServers": {"a": {"command": "x", "command": "y"}}}', "mcpServers.a.command: it is there twice"),
    ],
)
def test_a_file_that_is_none_is_told(text: str, said: str) -> None:
    found = read(text)

    assert [str(mistake) for mistake in found.mistakes] == [said]
    assert found.by_name == {}


def test_values_are_filled_in_from_the_environment_and_from_files() -> None:
    template = Template("Bearer ${A} ${env:B} ${file:/f}")

    filled = template.filled({"A": "1", "B": "2"}, lambda path: f"in {path}\n")
    assert (filled.text, filled.secrets) == ("Bearer 1 2 in /f", ["1", "2", "in /f"])
    assert "1" not in repr(filled)
    assert template.filled_openly({"A": "1"}) == "Bearer 1  "
    with pytest.raises(Unfilled, match="the variable B is not set"):
        template.filled({"A": "1"}, lambda path: path)
    assert "Bearer" not in repr(template)
