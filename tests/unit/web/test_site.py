"""Who serves the web phone: the bundle that was built and nothing else, over TLS, with a policy beside it."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from dispatch.address import Address

from deploy.web import bundle
from deploy.web.site import Keys, application, headers, serve
from tests.support.certificates import Certificates
from tests.support.ports import address_to_come_back_to
from tests.support.silent import silent

ROOT = Path(__file__).parents[3]
PAGE = b"<!doctype html><title>phone</title>" + b" " * 500
Visit = Callable[..., AbstractAsyncContextManager[aiohttp.ClientResponse]]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Give a folder as a build leaves it."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    files = {"assets/main.js": b"run()", "index.html": PAGE}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    lines = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    (folder / "bundle.json").write_text(json.dumps({"digest": hashlib.sha256(lines.encode()).hexdigest()}))
    return folder


@pytest.fixture
async def address() -> Address:
    """Give where it is."""
    return Address.parse(address_to_come_back_to())


@pytest.fixture
async def visit(built: Path, tmp_path: Path, address: Address) -> AsyncIterator[Visit]:
    """Give a browser that asks, as far as this goes."""
    certificates = Certificates(tmp_path / "certificates")
    keys = certificates.keys()
    site = application(bundle.read(built), services=["relay.example:443"])
    server, bound = await serve(site, listen=address, keys=Keys(keys.certificate, keys.key), connections=2)

    @asynccontextmanager
    async def ask(path: str, method: str = "GET", **given: str) -> AsyncIterator[aiohttp.ClientResponse]:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            where = f"https://localhost:{bound.port}{path}"
            async with session.request(method, where, ssl=certificates.believing(), headers=given) as answer:
                yield answer

    try:
        yield ask
    finally:
        await server.stop()


async def test_the_page_and_its_files_are_served_as_they_were_built(visit: Visit) -> None:
    for path, kind, content in (("/", "text/html", PAGE), ("/assets/main.js", "text/javascript", b"run()")):
        async with visit(path, **{"Accept-Encoding": "identity"}) as answer:
            assert (answer.status, answer.content_type, await answer.read()) == (200, kind, content)
    async with visit("/", **{"Accept-Encoding": "gzip"}) as answer:
        assert gzip.decompress(await answer.read()) == PAGE
        assert int(answer.headers["Content-Length"]) < len(PAGE)


@pytest.mark.parametrize("path", ["/nothing", "/assets/", "/assets/../../secret", "/%2e%2e/secret", "//etc/passwd"])
async def test_there_is_nothing_but_the_bundle(visit: Visit, built: Path, path: str) -> None:
    (built.parent / "secret").write_text("of somebody")
    async with visit(path) as answer:
        assert (answer.status, await answer.read()) == (404, b"")


async def test_connections_that_ask_for_nothing_make_room_for_who_asks(visit: Visit, address: Address) -> None:
    async with silent(address, 20), visit("/") as answer:
        assert answer.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_there_is_nothing_to_send_to(visit: Visit, method: str) -> None:
    async with visit("/", method) as answer:
        assert answer.status == 405


async def test_every_answer_has_the_policy_and_an_unchanged_file_is_not_sent_again(visit: Visit) -> None:
    async with visit("/") as answer:
        tag = answer.headers["ETag"]
    async with visit("/", **{"If-None-Match": tag}) as again, visit("/nothing") as missing:
        assert (again.status, await again.read()) == (304, b"")
        for answer in (again, missing):
            assert headers(["relay.example:443"]).items() <= dict(answer.headers).items()


def test_the_policy_lets_nothing_in_but_the_page_and_its_services() -> None:
    policy = dict(part.split(" ", 1) for part in headers(["a:1", "b:2"])["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["connect-src"] == "'self' https://a:1 wss://a:1 https://b:2 wss://b:2"
    assert not any("http:" in value or "unsafe" in value for value in policy.values())


@pytest.mark.parametrize("change", ["index.html", "more.js"])
def test_what_is_not_the_bundle_of_its_digest_is_not_served(built: Path, change: str) -> None:
    (built / change).write_bytes(b"something else")

    with pytest.raises(ValueError, match="not a bundle as it was built"):
        bundle.read(built)


LOADED = """
import sys
import deploy.web.__main__
print(*(name for name in sys.modules if name.partition(".")[0] in ("dispatch", "grpc", "cryptography")))
"""


def test_it_runs_with_the_files_of_ours_that_its_container_has() -> None:
    copied = set(re.findall(r"sdk/(dispatch/[a-z_/]+\.py)", (ROOT / "deploy" / "Dockerfile").read_text()))

    loaded = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)

    packages = {"dispatch", "dispatch.runtime"}
    names = loaded.stdout.split()
    assert copied == {name.replace(".", "/") + ("/__init__.py" if name in packages else ".py") for name in names}
