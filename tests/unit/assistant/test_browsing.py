"""Which requests are for a web page. Whatever is not one of these forms is for somebody else."""

from __future__ import annotations

import pytest
from dispatch_host.agents.builtin.page_grammar import Kind, understand


@pytest.mark.parametrize(
    ("text", "kind", "url"),
    [
        ("open https://example.org and summarise it", Kind.SUMMARY, "https://example.org"),
        ("Please open https://example.org/a?b=c, and summarize the page.", Kind.SUMMARY, "https://example.org/a?b=c"),
        ("summarise https://example.org", Kind.SUMMARY, "https://example.org"),
        ("Summarize the page at www.example.org", Kind.SUMMARY, "www.example.org"),
        ("what does https://example.org say?", Kind.SUMMARY, "https://example.org"),
        ("what's on https://example.org", Kind.SUMMARY, "https://example.org"),
        ("go to https://example.org", Kind.SUMMARY, "https://example.org"),
        ("read “https://example.org” and tell me what it says", Kind.SUMMARY, "https://example.org"),
        ("screenshot of https://example.org", Kind.PICTURE, "https://example.org"),
        ("Take a screenshot of https://example.org.", Kind.PICTURE, "https://example.org"),
        ("can you send me a picture of www.example.org", Kind.PICTURE, "www.example.org"),
        ("open https://example.org and take a screenshot", Kind.PICTURE, "https://example.org"),
    ],
)
def test_a_page_is_asked_for(text: str, kind: Kind, url: str) -> None:
    wanted = understand(text)

    assert wanted is not None
    assert (wanted.kind, wanted.url) == (kind, url)


@pytest.mark.parametrize(
    "text",
    [
        "summarise report.pdf",
        "open report.pdf",
        "search for https://example.org in Documents",
        "open https://example.org and buy it",
        "open https://a.example and https://b.example",
        "screenshot",
        "picture of the cat",
        "https://example.org",
        "x" * 6000,
    ],
)
def test_anything_else_is_not(text: str) -> None:
    assert understand(text) is None
