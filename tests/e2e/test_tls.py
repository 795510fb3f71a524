"""Everything over TLS, as real processes; and what is refused at start because it would not be safe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.certs import make
from tests.support.certificates import Certificates
from tests.support.processes import run
from tests.support.secure_world import SecureWorld
from tests.support.waiting import DEADLINE_SECONDS

EVERYWHERE = "0.0.0.0:0"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SecureWorld]:
    """Both services, speaking TLS."""
    world = SecureWorld(tmp_path)
    async with world:
        await world.services()
        yield world


@pytest.mark.big
async def test_a_task_is_done_over_tls_while_certificates_change(world: SecureWorld) -> None:
    host = await world.devices()
    (world.folder / "files" / "report.txt").write_text("the quarterly report\n")
    code, events = await world.send("Which files are largest?")
    assert code == 0, events

    made = make(world.certificates, extra_names=(), renew=True, now=datetime.now(UTC))
    assert made == []
    for part in ("pairing", "relay"):
        (world.certificates / part / "tls.key").unlink()
    renewed = make(world.certificates, extra_names=(), renew=True, now=datetime.now(UTC))
    assert {path.parent.name for path in renewed} == {"pairing", "relay"}
    code, events = await world.send("Which files are largest?")

    assert code == 0, events
    assert events[-1]["event"] == "done"
    assert [event["event"] for event in host.events].count("connected") == 1
    assert await world.sample('dispatch_relay_certificate_loads_total{listener="devices",result="ok"}') == 1


@pytest.mark.big
@pytest.mark.parametrize("program", ["dispatch-host", "dispatch-phone"])
async def test_a_device_that_was_not_told_whom_to_believe_is_not_signed_in(world: SecureWorld, program: str) -> None:
    other = Certificates(world.folder / "other")

    for options, why in (
        ((), "speaks TLS, and this side was not told whom to believe"),
        (("--ca", str(other.file)), "shows a certificate of an authority that is not trusted here"),
    ):
        async with asyncio.timeout(DEADLINE_SECONDS):
            reason = "NO_NETWORK"  # a busy computer did not look in its five seconds
            while reason == "NO_NETWORK":
                code, events = await world.log_in(program, "device", *options)
                reason = events[-1]["reason"]

        assert code == 7, events
        assert reason == "TLS_FAILED"
        assert events[-1]["detail"] == f"{world.server} {why}"


@pytest.mark.parametrize("program", ["dispatch-host", "dispatch-phone"])
async def test_a_file_that_is_no_authority_is_refused_before_anything_is_sent(tmp_path: Path, program: str) -> None:
    code, events = await run(
        program, "login", "--home", str(tmp_path), "--server", "127.0.0.1:1", "--account", "ada", "--name", "x",
        "--password-stdin", "--ca", str(tmp_path / "none.pem"), stdin="secret",
    )  # fmt: skip

    assert code == 2, events
    assert "none.pem can't be read" in events[-1]["detail"]


def pairing(*options: str) -> tuple[str, ...]:
    return "dispatch-pairing", "serve", *options


def relay(*options: str) -> tuple[str, ...]:
    return "dispatch-relay", "serve", *options


@pytest.mark.big
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (pairing("--listen", EVERYWHERE), "it needs a certificate"),
        (pairing("--listen", EVERYWHERE, "TLS"), "what only relays may"),
        (pairing("--listen", "127.0.0.1:0", "--metrics", EVERYWHERE), "it needs a certificate"),
        (pairing("--listen", "127.0.0.1:0", "--services", "127.0.0.1:0"), "go together"),
        (pairing("--listen", "127.0.0.1:0", "--services", "127.0.0.1:0", "SERVICES"), "--services-ca"),
        (pairing("--listen", "127.0.0.1:0", "SERVICES"), "go together"),
        (relay("--listen", EVERYWHERE, "--pairing", "127.0.0.1:1"), "it needs a certificate"),
        (relay("--listen", "127.0.0.1:0", "--pairing", "127.0.0.1:1", "--metrics", EVERYWHERE), "needs a certificate"),
        (relay("--listen", "127.0.0.1:0", "--pairing", "192.0.2.1:7303"), "wants to see a certificate"),
        (relay("--listen", "127.0.0.1:0", "--pairing", "127.0.0.1:1", "SERVICES"), "need --services-ca"),
        (relay("--listen", "127.0.0.1:0", "--pairing", "127.0.0.1:1", "--tls-cert", "x.pem"), "go together"),
        (("dispatch-host", "run", "--metrics", EVERYWHERE), "it needs a certificate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_what_would_not_be_safe_is_refused_at_start(words: tuple[str, ...], why: str, tmp_path: Path) -> None:
    keys = Certificates(tmp_path / "certificates").keys()
    spelled: list[str] = []
    for word in words:
        if word in {"TLS", "SERVICES"}:
            spelled += [f"--{word.lower()}-cert", str(keys.certificate), f"--{word.lower()}-key", str(keys.key)]
        else:
            spelled.append(word)
    folder = ("--home" if words[0] == "dispatch-host" else "--data", str(tmp_path / "data"))

    code, events = await run(*spelled, *folder, env={"DISPATCH_PLAINTEXT": ""})

    assert code == 2, events
    assert why in events[-1]["detail"]


async def test_the_operator_may_speak_in_the_clear_on_a_network_of_ones_own(tmp_path: Path) -> None:
    async with SecureWorld(tmp_path) as world:
        process = await world.start(
            *pairing("--listen", EVERYWHERE, "--data", str(tmp_path / "data")), env={"DISPATCH_PLAINTEXT": "1"}
        )

        assert (await process.event("listening"))["services"] is None
