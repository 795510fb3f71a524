"""deploy/compose.yaml for real: built, started, paired through the shared picture, a task sent, scraped, stopped.

Needs a container engine with compose; `.ci/run` names this folder, `make test` does not look into it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Event, Process, run

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).resolve().parents[2]
# A project and ports of its own, so that a person's own containers are left alone.
PORTS = {f"DISPATCH_{name}_PORT": "0" for name in ("PAIRING", "PAIRING_WEB", "RELAY", "RELAY_WEB", "WEB", "PROMETHEUS")}
ENVIRONMENT = {**os.environ, **PORTS, "COMPOSE_PROJECT_NAME": "dispatch-test"}
COMPOSE = (shutil.which("docker") or "docker", "compose", "-f", str(ROOT / "deploy" / "compose.yaml"))
SCRAPED_SECONDS = 60.0


def make(target: str, *variables: str) -> None:
    subprocess.run(["make", "-C", ROOT, target, *variables], check=True, env=ENVIRONMENT)


def compose(*words: str) -> str:
    return subprocess.run([*COMPOSE, *words], check=True, env=ENVIRONMENT, capture_output=True, text=True).stdout


def containers() -> list[dict[str, object]]:
    return [json.loads(line) for line in compose("ps", "--all", "--format", "json").splitlines()]


async def phone(*words: str) -> tuple[int, list[Event]]:
    return await run(*COMPOSE, "run", "--rm", "-T", "phone", *words, env=ENVIRONMENT)


@pytest.fixture(scope="module")
def up() -> Iterator[None]:
    """Everything started by `make up`, with one phone and one host that are paired."""
    make("down", "VOLUMES=1")
    try:
        try:
            make("up", "WEB_TOO=1")
            asyncio.run(pair())
        except (subprocess.CalledProcessError, AssertionError, TimeoutError) as failure:
            pytest.fail(f"{failure}\n{compose('logs', '--tail', '30')}")
        yield
    finally:
        make("down", "VOLUMES=1")
    assert containers() == []


async def pair() -> None:
    host = await Process.start(
        *COMPOSE, "exec", "-T", "host", "dispatch-host", "pair", "--qr-png", "/shared/qr.png", env=ENVIRONMENT
    )
    await host.event("qr")
    pocket = await Process.start(
        *COMPOSE, "run", "--rm", "-T", "phone", "pair", "--qr", "/shared/qr.png", env=ENVIRONMENT
    )
    codes = [(await side.event("code"))["code"] for side in (host, pocket)]
    assert codes[0] == codes[1]
    for side in (host, pocket):
        await side.say("yes")
    for side in (host, pocket):
        await side.event("paired")
        assert await side.ended() == 0


async def scraped(query: str) -> float:
    """Ask Prometheus until it has an answer other than none and zero; gives the last."""
    address = compose("port", "prometheus", "9090").strip()
    url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    value, deadline = 0.0, time.monotonic() + SCRAPED_SECONDS
    while value == 0 and time.monotonic() < deadline:
        with await asyncio.to_thread(urllib.request.urlopen, url, timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
        value = float(found[0]["value"][1]) if found else 0.0
        await asyncio.sleep(0.2)
    return value


@pytest.mark.usefixtures("up")
async def test_a_phone_that_paired_by_the_shared_picture_gets_a_task_done() -> None:
    code, events = await phone("send", "Which files are largest?")

    assert code == 0, events
    assert events[-1]["event"] == "done"
    assert "spending.csv" in events[-1]["text"]


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize("job", ["pairing", "relay", "host"])
async def test_prometheus_scrapes_every_service(job: str) -> None:
    assert await scraped(f'up{{job="{job}"}}') == 1


@pytest.mark.usefixtures("up")
async def test_prometheus_has_the_outcome_of_a_task() -> None:
    code, events = await phone("send", "Which files are largest?")
    assert code == 0, events

    assert await scraped('dispatch_relay_tasks_total{outcome="done"}') >= 1


@pytest.mark.usefixtures("up")
def test_what_is_published_is_published_to_this_computer_only() -> None:
    published = compose("ps", "--format", "{{.Ports}}")

    assert "127.0.0.1:" in published
    assert "0.0.0.0:" not in published
    assert "[::]:" not in published


@pytest.mark.usefixtures("up")
def test_the_web_phone_is_the_bundle_that_was_built_with_a_policy_that_names_its_services() -> None:
    authority = ssl.create_default_context(cadata=compose("exec", "-T", "host", "cat", "/ca/ca.pem"))
    address = compose("port", "web", "7306").strip()

    with urllib.request.urlopen(f"https://{address}/bundle.json", timeout=10, context=authority) as answer:
        served, policy = answer.read(), answer.headers["Content-Security-Policy"]

    assert served == (ROOT / "clients" / "web_phone" / "dist" / "bundle.json").read_bytes()
    assert "default-src 'none'" in policy
    assert "connect-src 'self' https://localhost:" in policy


@pytest.mark.usefixtures("up")
async def test_services_refuse_plaintext() -> None:
    code, events = await run(
        *COMPOSE, "run", "--rm", "-T", "--no-deps", "relay",
        "serve", "--listen", "0.0.0.0:7302", "--data", "/shared", "--pairing", "pairing:7301", env=ENVIRONMENT,
    )  # fmt: skip

    assert code == 2, events
    assert "needs a certificate" in events[-1]["detail"]


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize(
    ("service", "keys"),
    [
        ("pairing", {"/certs/services.key", "/certs/tls.key"}),
        ("relay", {"/certs/services.key", "/certs/tls.key"}),
        ("host", {"/certs/tls.key"}),
        ("web", {"/certs/tls.key"}),
    ],
)
def test_each_container_sees_its_own_keys_only(service: str, keys: set[str]) -> None:
    found = compose("exec", "-T", service, "find", "/certs", "-name", "*.key")

    assert set(found.split()) == keys


@pytest.mark.usefixtures("up")
async def test_certificates_are_made_once() -> None:
    query = 'dispatch_relay_certificate_expiry_seconds{listener="devices"}'
    before = await scraped(query)

    assert compose("run", "--rm", "-T", "--no-deps", "certs") == ""

    assert await scraped(query) == before > 0


@pytest.mark.usefixtures("up")
async def test_a_task_for_the_stopped_host_container_is_refused_with_the_cause_and_the_host_comes_back() -> None:
    compose("stop", "host")

    code, events = await phone("send", "Which files are largest?")

    assert code == 3, events
    assert events[-1]["reason"] == "HOST_APP_CLOSED"
    assert await scraped('dispatch_relay_host_offline_failures_total{cause="app_closed"}') >= 1
    compose("start", "host")
    code, events = await phone("send", "Which files are largest?")
    for _ in range(20):
        if code == 0:
            break
        code, events = await phone("send", "Which files are largest?")
    assert code == 0, events
