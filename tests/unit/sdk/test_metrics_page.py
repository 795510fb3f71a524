"""The metrics page: plain on this computer, over TLS elsewhere, and nobody who says nothing keeps others waiting."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dispatch.address import Address
from dispatch.runtime.metrics import MetricsPage
from prometheus_client import CollectorRegistry, Counter

from tests.support.certificates import Certificates, is_shown, served
from tests.support.waiting import until

EVERYWHERE = "0.0.0.0"  # noqa: S104 -- not this computer's alone
WAIT_SECONDS = 20


@pytest.fixture
def registry() -> CollectorRegistry:
    """Give a registry with one number."""
    made = CollectorRegistry()
    Counter("things", "Things.", registry=made).inc(3)
    return made


Serve = Callable[..., MetricsPage]


@pytest.fixture
def serve(registry: CollectorRegistry) -> Iterator[Serve]:
    """Serve the registry's page at an address, until the test ends."""
    with contextlib.ExitStack() as pages:

        def one(host: str, port: int = 0, **options: Any) -> MetricsPage:
            return pages.enter_context(
                contextlib.closing(MetricsPage(registry, Address(host=host, port=port), **options))
            )

        yield one


def page(url: str, context: ssl.SSLContext | None = None) -> str:
    with urllib.request.urlopen(url, timeout=WAIT_SECONDS, context=context) as answer:  # noqa: S310 -- our own
        text: str = answer.read().decode()
        return text


def believing(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates.file))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_on_this_computer_it_is_plain_with_and_without_a_certificate(host: str, serve: Serve, tmp_path: Path) -> None:
    for certificate in (None, served(Certificates(tmp_path).server())):
        served_page = serve(host, certificate=certificate)

        assert "things_total 3.0" in page(f"http://{served_page.address}/metrics")


def test_elsewhere_it_is_served_over_tls_with_the_newest_certificate(serve: Serve, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    old, new = certificates.issue(), certificates.issue(days=9)
    files = certificates.server(old)
    address = serve(EVERYWHERE, certificate=served(files)).address
    there = ("127.0.0.1", address.port)
    assert "things_total 3.0" in page(f"https://127.0.0.1:{address.port}/metrics", believing(certificates))
    assert is_shown(old, ssl.get_server_certificate(there).encode())

    certificates.keys(new)

    assert is_shown(new, ssl.get_server_certificate(there).encode())
    files.keys.certificate.write_bytes(b"broken")
    assert is_shown(new, ssl.get_server_certificate(there).encode())
    with pytest.raises((OSError, http.client.HTTPException)):
        page(f"http://127.0.0.1:{address.port}/metrics")


def test_a_stranger_that_says_nothing_keeps_no_scrape_waiting(serve: Serve, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    address = serve(EVERYWHERE, certificate=served(certificates.server())).address

    with socket.create_connection(("127.0.0.1", address.port)):
        assert "things_total 3.0" in page(f"https://127.0.0.1:{address.port}/metrics", believing(certificates))


def test_a_taken_address_is_said_to_be_taken(serve: Serve) -> None:
    address = serve("127.0.0.1").address

    with pytest.raises(OSError, match="in use"):
        serve("127.0.0.1", address.port)


async def test_a_page_that_is_closed_serves_nobody_leaves_no_thread_and_frees_its_address(
    registry: CollectorRegistry,
) -> None:
    before = set(threading.enumerate())
    closed = MetricsPage(registry, Address(host="127.0.0.1", port=0))
    assert "things_total 3.0" in page(f"http://{closed.address}/metrics")

    closed.close()

    with pytest.raises(OSError, match="refused"):
        page(f"http://{closed.address}/metrics")
    await until(lambda: set(threading.enumerate()) <= before)
    MetricsPage(registry, closed.address).close()
