"""Origins as an operator writes them."""

from __future__ import annotations

import pytest
from dispatch.runtime.origins import Origins


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://phone.example", "https://phone.example"),
        ("https://phone.example:443", "https://phone.example"),  # as a browser writes it
        ("https://phone.example:8443", "https://phone.example:8443"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
        ("http://[::1]:5173", "http://[::1]:5173"),
    ],
)
def test_an_origin_is_allowed_as_a_browser_sends_it(written: str, sent: str) -> None:
    origins = Origins.parse([written])

    assert origins.allow(sent)
    assert not origins.allow("null")
    assert not origins.allow(sent + "/")


@pytest.mark.parametrize(
    "written",
    [
        "*", "null", "", "phone.example", "https://", "https://phone.example/", "https://phone.example/app",
        "https://*.example", "https://Phone.example", "https://ada@phone.example", "https://phone.example:99999",
        "wss://phone.example", "https://phone.example,https://other.example", " https://phone.example",
        "https://phone.example\n", "http://phone.example", "http://192.0.2.7:80",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_said_at_once(written: str) -> None:
    with pytest.raises(ValueError, match=r"origin|port|https"):
        Origins.parse(["https://fine.example", written])


def test_without_a_list_no_page_may() -> None:
    assert not Origins().allow("https://phone.example")
