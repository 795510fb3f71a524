"""Calls by the services that an operator named, through apprise: servers of ntfy and mail, in small, hear what is told there."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch_relay.push import keys
from dispatch_relay.push.opening import PushOptions
from dispatch_relay.push.services import read

from tests.protocol.test_calls import recorded
from tests.protocol.test_push import CALM, changed, news, quiet_now, says, stored
from tests.support.attacks import LogBook
from tests.support.person_services import Mail, Ntfy
from tests.support.relay import Relay
from tests.support.waiting import until

Start = Callable[[str], AbstractAsyncContextManager[Relay]]


@pytest.fixture
async def ntfy() -> AsyncIterator[Ntfy]:
    async with Ntfy() as ntfy:
        yield ntfy


@pytest.fixture
def relay_with(tmp_path: Path) -> Start:
    """Give what starts a relay with these lines in its file of services."""

    def start(lines: str) -> Relay:
        file = tmp_path / "services"
        file.touch(mode=0o600)
        file.write_text(lines)
        # Longer than a loaded machine takes for the first of all: apprise is large.
        settings = replace(CALM, push_retry_ms=3_600_000, push_timeout_ms=60_000)
        return Relay(tmp_path / "relay", settings=settings, push=PushOptions(services=file))

    return start


async def test_a_service_is_told_how_a_task_ended_and_nothing_else(relay_with: Start, ntfy: Ntfy, log: LogBook) -> None:
    async with relay_with(f"# mine\n\nntfy://user:hunter2@127.0.0.1:{ntfy.port}/topic\n") as relay:
        pair = relay.pair()
        host = await relay.attach(pair.host)

        await news(host, b"what a person wrote", task_id=b"t" * 16, outcome=pb.OUTCOME_DONE)

        await until(lambda: recorded(relay) == ["sent"])
        [told] = ntfy.got
        assert (told["topic"], told["title"], told["message"]) == ("topic", "Dispatch", "1 task is done.")
        assert await relay.metric("dispatch_relay_push_attempts_total", result="sent", transport="services") == 1
    assert "hunter2" not in str(log.lines)


async def test_a_mail_is_a_service(relay_with: Start) -> None:
    async with (
        Mail() as mail,
        relay_with(f"mailto://127.0.0.1:{mail.port}?from=relay@example.org&to=me@example.org&mode=insecure") as relay,
    ):
        host = await relay.attach(relay.pair().host)

        await news(host, b"a question", pb.PUSH_HINT_QUESTION)

        await until(lambda: recorded(relay) == ["sent"])
        [told] = mail.got
        assert "A question waits." in told
        assert "me@example.org" in told


async def test_a_service_of_one_pairing_hears_of_no_other(relay_with: Start, ntfy: Ntfy, tmp_path: Path) -> None:
    async with relay_with("") as relay:
        mine, other = relay.pair(), relay.pair()
        (tmp_path / "services").write_text(f"{mine.pair_id.hex()} ntfy://127.0.0.1:{ntfy.port}/mine\n")
        await relay.start_again()
        host, other_host = await relay.attach(mine.host), await relay.attach(other.host)

        await news(other_host, b"of somebody else")
        await until(lambda: recorded(relay) == ["no_target"])
        await news(host, b"mine")

        await until(lambda: recorded(relay) == ["no_target", "sent"])
        assert [told["topic"] for told in ntfy.got] == ["mine"]


async def test_a_service_that_is_down_is_told_later(relay_with: Start, ntfy: Ntfy) -> None:
    ntfy.status = 500
    async with relay_with(f"ntfy://127.0.0.1:{ntfy.port}/topic") as relay:
        host = await relay.attach(relay.pair().host)
        await news(host, b"news")
        await relay.metric_above("dispatch_relay_push_attempts_total", 0, result="unreachable", transport="services")
        assert recorded(relay) == [""]
        ntfy.status = 200
        await until(lambda: stored(relay, "SELECT attempts FROM call WHERE due_ms > 0") == [(1,)])
        await relay.stop()
        changed(relay, "UPDATE call SET due_ms = 1")  # as when the relay was away for an hour

        await relay.start()

        await until(lambda: recorded(relay) == ["sent"])
        assert ntfy.got[-1]["message"] == "There is news."


async def test_a_service_writes_in_the_language_that_the_phone_said(relay_with: Start, ntfy: Ntfy) -> None:
    async with relay_with(f"ntfy://127.0.0.1:{ntfy.port}/topic") as relay:
        pair = relay.pair()
        host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
        assert not (await says(phone, pb.PushTarget(language="de-AT"))).reason
        assert (await says(phone, pb.PushTarget(language="x" * 36))).reason == Reason.REASON_BAD_REQUEST
        await relay.stop()
        await relay.start()  # the language is kept
        host = await relay.attach(pair.host)

        await news(host, b"news")

        await until(lambda: recorded(relay) == ["sent"])
        assert ntfy.got[-1]["message"] == "Es gibt Neues."


async def test_quiet_hours_of_the_phone_hold_for_services(relay_with: Start, ntfy: Ntfy) -> None:
    async with relay_with(f"ntfy://127.0.0.1:{ntfy.port}/topic") as relay:
        pair = relay.pair()
        host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
        assert (await phone.got("opened")).opened.push_key == b""
        assert not (await says(phone, pb.PushTarget(quiet=quiet_now()))).reason

        await news(host, b"at night")

        await relay.metric_above("dispatch_relay_push_waiting", 0)
        assert ntfy.got == []


async def test_a_mistake_in_the_file_is_named_by_its_line_and_never_by_what_stands_there(tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.touch(mode=0o600)
    file.write_text(
        "nonsense-with-hunter2\nntfy://ntfy.example/topic\n1234 ntfy://ntfy.example/hunter2\na b c hunter2\n"
    )

    with pytest.raises(ValueError, match="line 1") as told:
        read(file, timeout_ms=1_000)

    assert [f"line {number}" in str(told.value) for number in (1, 2, 3, 4)] == [True, False, True, True]
    assert "hunter2" not in str(told.value)


@pytest.mark.skipif(os.name != "posix", reason="there are no such rights")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_services_that_others_may_read_stop_the_start(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "services"
    file.write_text("ntfy://user:hunter2@ntfy.example/topic\n")
    file.chmod(mode)

    with pytest.raises(ValueError, match="may be read by others"):
        read(file, timeout_ms=1_000)


@pytest.mark.skipif(os.name != "posix", reason="there are no such rights")
def test_a_vapid_key_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "vapid.pem"
    key = keys.public_bytes(keys.load_or_make(file))
    assert keys.public_bytes(keys.load(file)) == key

    file.chmod(0o644)

    for take in (keys.load, keys.load_or_make):
        with pytest.raises(ValueError, match="may be read by others"):
            take(file)
