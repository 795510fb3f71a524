"""The metrics page: plain on this computer, over TLS elsewhere, and nobody who says nothing keeps others waiting."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.request
from pathlib import Path

import pytest
from dispatch.address import Address
from dispatch.runtime.metrics import serve_metrics
from prometheus_client import CollectorRegistry, Counter

from tests.support.certificates import Certificates, is_shown, served

EVERYWHERE = "0.0.0.0"  # noqa: S104 -- not this computer's alone
WAIT_SECONDS = 20


@pytest.fixture
def registry() -> CollectorRegistry:
    """Give a registry with one number."""
    made = CollectorRegistry()
    Counter("things", "Things.", registry=made).inc(3)
    return made


def page(url: str, context: ssl.SSLContext | None = None) -> str:
    with urllib.request.urlopen(url, timeout=WAIT_SECONDS, context=context) as answer:  # noqa: S310 -- our own
        text: str = answer.read().decode()
        return text


def believing(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates.file))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_on_this_computer_it_is_plain_with_and_without_a_certificate(
    host: str, registry: CollectorRegistry, tmp_path: Path
) -> None:
    for certificate in (None, served(Certificates(tmp_path).server())):
        address = serve_metrics(registry, Address(host=host, port=0), certificate=certificate)

        assert "things_total 3.0" in page(f"http://{address}/metrics")


def test_elsewhere_it_is_served_over_tls_with_the_newest_certificate(
    registry: CollectorRegistry, tmp_path: Path
) -> None:
    certificates = Certificates(tmp_path)
    old, new = certificates.issue(), certificates.issue(days=9)
    files = certificates.server(old)
    address = serve_metrics(registry, Address(host=EVERYWHERE, port=0), certificate=served(files))
    there = ("127.0.0.1", address.port)
    assert "things_total 3.0" in page(f"https://127.0.0.1:{address.port}/metrics", believing(certificates))
    assert is_shown(old, ssl.get_server_certificate(there).encode())

    certificates.keys(new)

    assert is_shown(new, ssl.get_server_certificate(there).encode())
    files.keys.certificate.write_bytes(b"broken")
    assert is_shown(new, ssl.get_server_certificate(there).encode())
    with pytest.raises((OSError, http.client.HTTPException)):
        page(f"http://127.0.0.1:{address.port}/metrics")


def test_a_stranger_that_says_nothing_keeps_no_scrape_waiting(registry: CollectorRegistry, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    address = serve_metrics(registry, Address(host=EVERYWHERE, port=0), certificate=served(certificates.server()))

    with socket.create_connection(("127.0.0.1", address.port)):
        assert "things_total 3.0" in page(f"https://127.0.0.1:{address.port}/metrics", believing(certificates))


def test_a_taken_address_is_said_to_be_taken(registry: CollectorRegistry) -> None:
    address = serve_metrics(registry, Address(host="127.0.0.1", port=0))

    with pytest.raises(OSError, match="in use"):
        serve_metrics(registry, address)
