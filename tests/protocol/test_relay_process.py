"""The relay as a process: its words, its exit codes, its end."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.support.device_end import DeviceEnd
from tests.support.processes import Process, run
from tests.support.relay import Pair
from tests.support.trust_service import TrustService


def words(data: Path, **options: str) -> list[str]:
    """Write a command line."""
    given = {"listen": "127.0.0.1:0", "data": str(data), "pairing": "127.0.0.1:1", **options}
    return ["dispatch-relay", "serve", *(part for name, value in given.items() for part in (f"--{name}", value))]


async def test_it_says_where_it_listens_and_ends_in_peace(tmp_path: Path) -> None:
    """Before there is any pairing service: either may start first."""
    relay = await Process.start(*words(tmp_path, metrics="127.0.0.1:0", web="127.0.0.1:0"))
    listening = await relay.event("listening")
    for name in ("address", "metrics", "web"):
        assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", listening[name])
    assert await relay.stop() == 0


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        ({"listen": "nowhere"}, {}, "HOST:PORT"),
        ({"listen": "0.0.0.0:0"}, {}, "DISPATCH_PLAINTEXT"),
        ({"pairing": "pairing.example:7301"}, {}, "--services-ca"),
        ({"listen": "0.0.0.0:0"}, {"DISPATCH_PLAINTEXT": "1"}, "--advertise"),
        ({"web": "0.0.0.0:0"}, {}, "DISPATCH_PLAINTEXT"),
        ({"web": "0.0.0.0:0"}, {"DISPATCH_PLAINTEXT": "1"}, "--web-advertise"),
        ({"web": "127.0.0.1:0"}, {"DISPATCH_RELAY_WEB_CONNECTIONS": "900000000"}, "or lower DISPATCH_RELAY_WEB_CONN"),
        ({"web-origin": "https://phone.example"}, {}, "--web HOST:PORT"),
        ({"web": "127.0.0.1:0", "web-origin": "*"}, {}, "not an origin"),
        ({}, {"DISPATCH_RELAY_LEASE_MS": "soon", "DISPATCH_RELAY_LEES_MS": "1"}, "DISPATCH_RELAY_LEES_MS"),
        ({}, {"DISPATCH_RELAY_PUSH_NETWORKS": "home"}, "is no network"),
        ({"push-contact": "nobody"}, {}, "mailto:"),
        ({"push-ca": "some.pem"}, {}, "--push-contact"),
    ],
)
async def test_a_wrong_word_is_one_clear_refusal(
    tmp_path: Path, options: dict[str, str], environment: dict[str, str], said: str
) -> None:
    code, events = await run(*words(tmp_path, **options), env=environment)
    assert code == 2
    assert said in json.dumps(events)
    assert [event["event"] for event in events] == ["refused"]


@pytest.mark.big
async def test_a_taken_port_is_a_failure_that_names_it(tmp_path: Path) -> None:
    first = await Process.start(*words(tmp_path / "first"))
    address = (await first.event("listening"))["address"]
    code, events = await run(*words(tmp_path / "second", listen=address))
    assert code == 1
    assert address in events[-1]["text"]
    await first.stop()


async def test_a_data_folder_that_can_not_be_used_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    code, events = await run(*words(tmp_path / "data"))
    assert code == 2
    assert events[0]["mistakes"] == [f"--data: {tmp_path / 'data'} is no folder"]


async def test_the_log_follows_a_task_and_holds_nothing_that_is_sealed(tmp_path: Path) -> None:
    async with TrustService() as trust:
        relay = await Process.start(*words(tmp_path, pairing=trust.address))
        address = (await relay.event("listening"))["address"]
        phone = Pair(trust).phone
        end = await DeviceEnd.attach_soon(phone, address)
        task_id = b"\xca\xfe" * 8
        await end.refusal(await end.post(b"the sealed words", task_id=task_id))
        await end.bye()  # a stream that breaks just as the relay ends makes grpc print a line of its own
        assert await relay.stop() == 0
    lines = [json.loads(line) for line in relay.stderr.decode().splitlines()]
    (verdict,) = [line for line in lines if line["event"] == "verdict"]
    assert (verdict["task"], verdict["reason"]) == ("cafecafe", "HOST_NEVER_CONNECTED")
    assert {line["service"] for line in lines} == {"relay"}
    assert b"sealed words" not in relay.stderr
    assert phone.grant()[:8].hex() not in relay.stderr.decode()


async def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    relay = await Process.start(*words(tmp_path))
    await relay.event("listening")
    relay.signal(signal.SIGINT)
    relay.signal(signal.SIGTERM)
    assert await relay.ended() == 0
