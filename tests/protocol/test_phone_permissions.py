"""The phone shows what agents may do on a computer, as that last said it; it changes nothing there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.api.thread.v1 import thread_pb2 as words

from tests.support.host_end import HostEnd
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import UNHURRIED, SeededPhone
from tests.support.waiting import until_so

FOLDER = words.Permission(kind=words.PERMISSION_KIND_FOLDER, name="/home/ada/x", write=True)
TERMINAL = words.Permission(kind=words.PERMISSION_KIND_TERMINAL, without_sandbox=True)
RULE = words.AlwaysRule(rule="run make in /home/ada/x", by="pocket", at_ms=7)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with Relay(tmp_path / "relay", settings=replace(QUICK, lease_ms=60_000)) as running:
        yield running


@pytest.fixture
def phone(tmp_path: Path) -> SeededPhone:
    made = SeededPhone.make(tmp_path / "phone")
    made.patience = UNHURRIED
    return made


@pytest.fixture
async def host(phone: SeededPhone, relay: Relay) -> AsyncIterator[HostEnd]:
    mind, device = phone.pair(relay.trust, [relay.address])
    async with HostEnd(mind, device, relay.address) as attached:
        yield attached


async def test_hosts_and_status_say_what_is_permitted_and_hosts_without_a_network_too(
    phone: SeededPhone, host: HostEnd
) -> None:
    (unheard,) = await phone.says("hosts")
    assert (unheard["permissions"], unheard["always"]) == (None, None)
    host.mind.permissions = words.Permissions(permissions=[FOLDER, TERMINAL], always=[RULE])

    (status,) = (await phone.says("status"))[0]["hosts"]

    assert status["permissions"] == [
        {"permission": "folder", "name": "/home/ada/x", "write": True},
        {"permission": "terminal", "without_sandbox": True},
    ]
    assert status["always"] == [{"rule": "run make in /home/ada/x", "by": "pocket", "at": 7}]
    await host.vanish()
    (told,) = await phone.says("hosts")
    assert (told["permissions"], told["always"]) == (status["permissions"], status["always"])


async def test_a_change_is_heard_in_passing_and_far_too_much_is_not_kept(phone: SeededPhone, host: HostEnd) -> None:
    host.mind.permissions = words.Permissions(permissions=[FOLDER])
    async with phone.desk() as desk:
        said: list[dict[str, object]] = []

        async def is_told() -> bool:
            said.clear()
            await desk.do({"do": "hosts"}, say=said.append, hear=_nobody)
            return said[0]["permissions"] == [{"permission": "terminal", "without_sandbox": True}]

        await desk.do({"do": "status"}, say=lambda _: None, hear=_nobody)
        huge = [words.Permission(kind=words.PERMISSION_KIND_FOLDER, name="/" + "x" * 4000) for _ in range(13)]
        await host.show(words.DownLiveItem(permissions=words.Permissions(permissions=huge)))
        await host.show(words.DownLiveItem(permissions=words.Permissions(permissions=[TERMINAL])))
        await until_so(is_told)


async def _nobody() -> bool:
    raise AssertionError("nobody was to be asked")
