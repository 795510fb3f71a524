"""`dispatch-phone notifications` as a process: a phone says where it is called, and opens what came."""

from __future__ import annotations

import base64
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch_relay.push.opening import PushOptions
from dispatch_relay.settings import Settings

from tests.protocol.test_push import LOOPBACK
from tests.support.certificates import Certificates
from tests.support.device_end import DeviceEnd, Identity
from tests.support.processes import Event, run
from tests.support.push_service import PushService
from tests.support.relay import Relay
from tests.support.seeded_phone import SeededPhone


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


@pytest.fixture
async def relay(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Relay]:
    settings = replace(Settings(), push_networks=LOOPBACK, push_group_ms=1)
    options = PushOptions(contact="https://relay.example.org", ca=certificates.file)
    async with Relay(tmp_path / "relay", settings=settings, push=options) as relay:
        yield relay


@pytest.fixture
async def service(certificates: Certificates) -> AsyncIterator[PushService]:
    async with PushService(certificates) as service:
        yield service


@pytest.fixture
def phone(tmp_path: Path) -> SeededPhone:
    return SeededPhone.make(tmp_path / "phone")


@pytest.fixture
def host(phone: SeededPhone, relay: Relay) -> Identity:
    _, device = phone.pair(relay.trust, [relay.address])
    return device


async def command(phone: SeededPhone, *words: str, stdin: str = "") -> tuple[int, list[Event]]:
    """Run it; once more where the relay was not reached in the time that a person waits."""
    while True:
        code, said = await run("dispatch-phone", "notifications", *words, "--home", str(phone.path), stdin=stdin)
        if not any(one.get("reason") == "NO_NETWORK" for one in said):
            return code, said


async def test_a_phone_is_called_where_it_said_and_opens_what_came(
    relay: Relay, service: PushService, phone: SeededPhone, host: Identity, tmp_path: Path
) -> None:
    subscription = service.subscribe(opens_here=False)
    code, [told] = await command(phone)
    assert (code, len(base64.urlsafe_b64decode(told["relay_key"] + "="))) == (0, 65)
    code, [told] = await command(phone, "on", "-", stdin=subscription.endpoint + "\n")
    assert (code, told["event"], told["on"]) == (0, "notifications_set", True), told
    [secret] = [file for file in (phone.path / "keys").iterdir() if file.name.startswith("push")]
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    desk = await DeviceEnd.attach(host, relay.address)

    seq = await desk.receipt(await desk.keep(b"a question", push_hint=pb.PUSH_HINT_QUESTION))

    body = tmp_path / "push"
    body.write_bytes((await subscription.got()).body)
    code, [told] = await command(phone, "open", str(body))
    await desk.drop()
    assert (code, told["event"], told["hint"], told["seq"], told["calls"]) == (0, "notification", "question", seq, 1)
    assert told["pair_id"] == host.pair_id.hex()


async def test_unifiedpush_a_distributors_endpoint_is_called_like_a_browsers(
    relay: Relay, service: PushService, phone: SeededPhone, host: Identity, tmp_path: Path
) -> None:
    """Its server, as ntfy is one, marks the endpoint by a query and answers 200; the push in it is a browser's."""
    subscription = service.subscribe([200], opens_here=False)
    subscription.endpoint += "?up=1"
    assert (await command(phone, "on", subscription.endpoint))[0] == 0
    desk = await DeviceEnd.attach(host, relay.address)

    await desk.receipt(await desk.keep(b"a question", push_hint=pb.PUSH_HINT_QUESTION))

    pushed = await subscription.got()
    assert pushed.path.endswith("?up=1")
    assert pushed.headers["Content-Encoding"] == "aes128gcm"
    await relay.metric_above("dispatch_relay_push_attempts_total", 0, result="sent", transport="web")
    body = tmp_path / "push"
    body.write_bytes(pushed.body)
    code, [told] = await command(phone, "open", str(body))
    await desk.drop()
    assert (code, told["event"], told["hint"]) == (0, "notification", "question")
    assert subscription.tried == [200]


async def test_a_phone_that_turns_it_off_is_called_no_more(
    relay: Relay, service: PushService, phone: SeededPhone, host: Identity
) -> None:
    subscription = service.subscribe(opens_here=False)
    hours = ("--quiet", "22:30-07:00", "--time-zone", "Europe/Berlin", "--questions-ring")
    code, [told] = await command(phone, "on", subscription.endpoint, *hours)
    assert code == 0
    assert told["quiet"] == {
        "time_zone": "Europe/Berlin", "from_minute": 1_350, "to_minute": 420, "questions_ring": True,
    }  # fmt: skip

    code, [told] = await command(phone, "off")
    assert (code, told["on"]) == (0, False)
    desk = await DeviceEnd.attach(host, relay.address)
    await desk.receipt(await desk.keep(b"a question", push_hint=pb.PUSH_HINT_QUESTION))

    await relay.metric_above("dispatch_relay_pushes_total", 0, outcome="no_target")
    await desk.drop()
    assert subscription.tried == []


async def test_what_is_no_endpoint_is_refused(phone: SeededPhone, host: Identity) -> None:
    code, [told] = await command(phone, "on", "http://push.example/x")

    assert (code, told["reason"]) == (2, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content", [b"garbage", *(pytest.param(one, marks=pytest.mark.big) for one in (b"", bytes(5_000)))]
)
async def test_what_is_no_push_to_this_phone_is_refused(
    service: PushService, phone: SeededPhone, host: Identity, tmp_path: Path, content: bytes
) -> None:
    assert (await command(phone, "on", service.subscribe().endpoint))[0] == 0
    body = tmp_path / "push"
    body.write_bytes(content)

    code, [told] = await command(phone, "open", str(body))

    assert (code, told["reason"]) == (2, "BAD_REQUEST")


async def test_the_relay_says_when_it_calls_nobody(tmp_path: Path, service: PushService) -> None:
    async with Relay(tmp_path / "silent", settings=Settings()) as relay:
        phone = SeededPhone.make(tmp_path / "other phone")
        phone.pair(relay.trust, [relay.address])

        code, [told] = await command(phone, "on", service.subscribe().endpoint)

        assert (code, told["reason"]) == (9, "NOT_SUPPORTED")
        assert (await command(phone))[1][0]["relay_key"] is None
