"""The load balancer's configuration: the bytes of its health check are the right call, and nothing is missing that matters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CONFIGURATION = (Path(__file__).resolve().parents[2] / "deploy" / "haproxy" / "haproxy.cfg").read_text()
SETTINGS, HEADERS, DATA = 4, 1, 0
END_HEADERS, END_STREAM = 4, 1


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Write a frame as RFC 9113, section 4.1 has it."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def text(word: bytes) -> bytes:
    """Write a string as RFC 7541, section 5.2 has it, without Huffman's code."""
    return bytes([len(word)]) + word


def health_check() -> bytes:
    """Write what asks for the health of the whole server: an empty HealthCheckRequest."""
    post, https, path, authority, content_type = b"\x83", b"\x87", b"\x04", b"\x01", b"\x0f\x10"
    head = (
        post + https + path + text(b"/grpc.health.v1.Health/Check") + authority + text(b"localhost")
        + content_type + text(b"application/grpc") + b"\x00" + text(b"te") + text(b"trailers")
    )  # fmt: skip
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(SETTINGS, 0, 0, b"")
        + frame(HEADERS, END_HEADERS, 1, head)
        + frame(DATA, END_STREAM, 1, bytes(5))
    )


def test_the_health_check_is_the_call_of_grpcs_health_protocol() -> None:
    sent = re.findall(r"^    tcp-check send-binary (\w+)$", CONFIGURATION, re.MULTILINE)

    assert sent == [health_check().hex()] * 2


def test_every_listener_says_itself_where_a_caller_comes_from() -> None:
    frontends = re.split(r"^frontend ", CONFIGURATION, flags=re.MULTILINE)[1:]

    assert len(frontends) == 4
    for frontend in frontends:
        assert "http-request set-header x-forwarded-for %[src]" in frontend


@pytest.mark.parametrize("name", ["pairing", "relay", "pairing-web", "relay-web"])
def test_every_service_is_checked_by_name(name: str) -> None:
    backend = re.split(rf"^backend {name}$", CONFIGURATION, flags=re.MULTILINE)[1].split("\nbackend ")[0]

    assert f"verifyhost {name.removesuffix('-web')}" in backend
    assert "default-server ssl verify required ca-file /certs/ca.pem" in CONFIGURATION
    assert "verify none" not in CONFIGURATION


def test_a_stream_may_be_silent_for_longer_than_its_ends_are() -> None:
    for side in ("client", "server", "tunnel"):
        assert re.search(rf"^    timeout {side} 10m$", CONFIGURATION, re.MULTILINE)
