"""deploy/compose.yaml for real: built, started, paired through the shared picture, a task sent, scraped, stopped.

Needs a container engine with compose; `.ci/run` names this folder, `make test` does not look into it.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

from tests.compose.stack import ROOT, Stack
from tests.support.processes import Process, run
from tests.support.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.timeout(900)

STACK = Stack("dispatch-test")
COMPOSE, ENVIRONMENT = STACK.words, STACK.environment
compose, phone = STACK.compose, STACK.phone


@pytest.fixture(scope="module")
def up() -> Iterator[str]:
    """Everything started by `make up`, with one phone and one host that it paired; gives what it said."""
    with STACK.up("WEB_TOO=1") as said:
        yield said


async def pair() -> None:
    """Pair as the header of compose.yaml says to do it by hand."""
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
    value, deadline = 0.0, time.monotonic() + DEADLINE_SECONDS
    while value == 0 and time.monotonic() < deadline:
        with await asyncio.to_thread(urllib.request.urlopen, url, timeout=DEADLINE_SECONDS) as answer:
            found = json.load(answer)["data"]["result"]
        value = float(found[0]["value"][1]) if found else 0.0
        await asyncio.sleep(0.2)
    return value


def test_one_command_leads_to_a_first_finished_task_and_says_what_to_do_next(up: str) -> None:
    codes = re.findall(r"the (?:host|phone) +shows +(\d{3} \d{3})", up)

    assert len(codes) == 2
    assert codes[0] == codes[1]
    assert "spending.csv" in up
    assert "that is for you to do" in up
    assert "run --rm phone send" in up
    assert f"http://{compose('port', 'prometheus', '9090').strip()}" in up


@pytest.mark.usefixtures("up")
def test_the_same_command_again_leaves_alone_what_runs() -> None:
    before = compose("ps", "--quiet")

    said = STACK.make("up", "WEB_TOO=1")

    assert compose("ps", "--quiet") == before
    assert "The phone is paired with the host." in said
    assert "Sending a first task" not in said


@pytest.mark.usefixtures("up")
async def test_a_phone_that_paired_by_the_shared_picture_by_hand_gets_a_task_done() -> None:
    await pair()

    events = await STACK.done("Which files are largest?")

    assert events[-1]["event"] == "done"
    assert "spending.csv" in events[-1]["text"]


@pytest.mark.usefixtures("up")
def test_no_container_can_write_but_where_its_data_is_nor_get_rights_that_it_lacks() -> None:
    for container in compose("ps", "--quiet").split():
        (found,) = json.loads(subprocess.run(["docker", "inspect", container], check=True, capture_output=True).stdout)
        settings = found["HostConfig"]
        assert settings["ReadonlyRootfs"], found["Name"]
        assert settings["CapDrop"] == ["ALL"], found["Name"]
        assert settings["SecurityOpt"] == ["no-new-privileges:true"], found["Name"]
        assert found["Config"]["User"] not in {"", "root", "0"}, found["Name"]


@pytest.mark.usefixtures("up")
def test_what_asks_for_health_does_not_end_what_it_asks() -> None:
    # It did: a check of the host's that held the home while the host began had it end and begin anew.
    for container in compose("ps", "--quiet").split():
        (found,) = json.loads(subprocess.run(["docker", "inspect", container], check=True, capture_output=True).stdout)
        assert found["RestartCount"] == 0, found["Name"]


def test_grafana_is_one_more_word_away() -> None:
    # Its image can't be had where no registry is; that what compose would start is right can be seen.
    without, with_it = (
        json.loads(compose(*words, "config", "--format", "json")) for words in ((), ("--profile", "grafana"))
    )

    grafana = with_it["services"]["grafana"]
    assert "grafana" not in without["services"]
    assert re.fullmatch(r"grafana/grafana:\d+\.\d+\.\d+", grafana["image"])
    assert {port["host_ip"] for port in grafana["ports"]} == {"127.0.0.1"}
    mounted = {volume["target"]: volume for volume in grafana["volumes"]}
    for target in ("/etc/grafana/provisioning", "/etc/grafana/dashboards"):
        assert mounted[target]["read_only"]


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize("job", ["pairing", "relay", "host"])
async def test_prometheus_scrapes_every_service(job: str) -> None:
    assert await scraped(f'up{{job="{job}"}}') == 1


@pytest.mark.usefixtures("up")
async def test_prometheus_has_the_outcome_of_a_task() -> None:
    await STACK.done("Which files are largest?")

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

    with urllib.request.urlopen(
        f"https://{address}/bundle.json", timeout=DEADLINE_SECONDS, context=authority
    ) as answer:
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

    async with asyncio.timeout(2 * DEADLINE_SECONDS):
        code, events = await phone("send", "Which files are largest?")
        while events[-1].get("state") == "not_sent":  # it did not reach the relay in time, on a busy machine
            code, events = await phone("send", "Which files are largest?")

    assert code == 3, events
    assert events[-1]["reason"] == "HOST_APP_CLOSED"
    assert await scraped('dispatch_relay_host_offline_failures_total{cause="app_closed"}') >= 1
    compose("start", "host")
    await STACK.done("Which files are largest?")
