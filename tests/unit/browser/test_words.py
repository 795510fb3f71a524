"""What the worker may say, and what a person is asked about what a page would send."""

from __future__ import annotations

import json

import pytest
from dispatch_host.browser import wire
from dispatch_host.browser.reading import links
from dispatch_host.browser.sending import question
from dispatch_host.browser.wire import Failed, OutOfBounds, Reply, Sends, Visits, heard
from dispatch_host.permissions.permission import BROWSER

PAGE = {"url": "http://x/", "title": "T", "text": "words", "part": 1, "parts": 1, "notes": []}
SENDS = {"number": 1, "method": "POST", "url": "https://x/", "body": "a=1", "kind": "text/plain", "page": "https://x/"}


def line(**said: object) -> bytes:
    return json.dumps(said).encode()


def test_what_is_of_the_protocol_is_heard() -> None:
    assert heard(line(visits="https://x/")) == Visits("https://x/")
    assert heard(line(sends=SENDS)) == Sends(1, "POST", "https://x/", "a=1", "text/plain", "https://x/")
    page = heard(line(reply=3, page={**PAGE, "title": "a\x1b[31mb"}))
    assert isinstance(page, Reply)
    assert isinstance(page.said, wire.Page)
    assert page.said.title == "a [31mb"
    assert heard(line(reply=4, failed="why", over=True)) == Reply(4, Failed("why", over=True))


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"7", b"{", b'"x"', b"null", line(), line(reply="1", failed="x"), line(reply=True, failed="x")),
        *(line(reply=-1, failed="x"), line(reply=1), line(reply=1, failed=7), line(reply=1, page=[]), line(visits=7)),
        line(reply=1, page={**PAGE, "text": "x" * (wire.TEXT_CHARACTERS + 1)}),
        line(reply=1, page={**PAGE, "notes": "many"}),
        line(reply=1, page={**PAGE, "notes": ["x"] * 50}),
        line(reply=1, file={"name": "x" * 2000, "url": ""}),
        line(sends={**SENDS, "body": "x" * (wire.SENT_BYTES + 1)}),
        line(sends={**SENDS, "body": "unseen \u202e right to left"}),  # it could not be shown as it is sent
        *(line(sends={**SENDS, "body": f"a{unseen}b"}) for unseen in "\u034f\u2065\u2800\u3164\ufe0f\ue000\U000e0100"),
        line(sends={**SENDS, "url": "https://x/\x1b"}),
        line(sends={**SENDS, "number": 1.5}),
        b"[" * 100_000,
    ],
)
def test_everything_else_is_out_of_bounds(data: bytes) -> None:
    with pytest.raises(OutOfBounds):
        heard(data)


def test_a_person_sees_the_whole_of_what_would_be_sent_and_the_rule_names_where_to() -> None:
    asked = question(
        Sends(1, "POST", "https://shop.example/order?x=1", "a=```\nb=2", "text/plain", "https://other.example/")
    )

    assert asked is not None
    assert "POST https://shop.example/order?x=1" in asked.preview
    assert "````\na=```\nb=2\n````" in asked.preview
    assert "https://other.example" in asked.preview
    tabbed = question(Sends(1, "POST", "https://x/", "a\tb\r\n", "text/plain", "https://x/"))
    assert tabbed is not None
    assert "a⇥b␍\n" in tabbed.preview
    assert asked.rule == "let pages of https://other.example submit forms on https://shop.example"
    assert asked.permission == BROWSER
    assert json.loads(asked.action)["body"] == "a=```\nb=2"


@pytest.mark.parametrize("page", ["https://other.example/", "null", "", "data:text/html,x"])
def test_a_yes_to_a_sites_own_forms_is_none_to_those_of_another(page: str) -> None:
    own, other = (question(Sends(1, "POST", "https://x.example/", "a", "", at)) for at in ("https://x.example/y", page))

    assert own is not None
    assert other is not None
    assert own.rule == "submit forms on https://x.example"
    assert own.rule_digest != other.rule_digest
    assert bool(other.rule) is (page == "https://other.example/")


def test_another_byte_is_another_action() -> None:
    one, other = (question(Sends(1, "POST", "https://x/", body, "", "https://x/")) for body in ("a", "b"))

    assert one is not None
    assert other is not None
    assert one.digest != other.digest


def test_nobody_is_asked_about_what_goes_nowhere() -> None:
    assert question(Sends(1, "POST", "data:x", "", "", "")) is None


def test_where_a_link_leads_is_read_for_it_and_for_what_lies_in_it_and_for_nothing_else() -> None:
    snapshot = """\
- generic [active] [ref=e1]:
  - link "one" [ref=e2] [cursor=pointer]:
    - /url: /two?a=b
    - heading "one" [level=2] [ref=e3]
    - generic [ref=e4]:
      - img "a" [ref=e5]
  - 'link "x: y" [ref=f2e6]':
    - /url: "#there"
  - link "none" [ref=e7]: /url
  - button "Send" [ref=e8]:
    - text: "- /url: /three"
  - link "odd" [ref=e9]:
    - /url: "\\x01"
  - button "last" [ref=e10]
"""
    assert links(snapshot) == {**dict.fromkeys(("e2", "e3", "e4", "e5"), "/two?a=b"), "f2e6": "#there"}
