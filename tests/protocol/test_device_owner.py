"""`devices`, `rename`, `revoke` and `history` as both programs carry them out, at a real pairing service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import OUTCOME_DONE
from dispatch.cli import Exit
from dispatch.device import owner
from dispatch.device.owner_words import words_of
from dispatch.device.pairing_client import PairingClient
from dispatch.ids import DeviceId
from dispatch.thread.client import Identity

from tests.support.pairing_device import HISTORY, Device, a_host
from tests.support.pairing_service import PairingService


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        yield service


async def both(service: PairingService) -> tuple[Device, Device]:
    host = await service.host()
    await service.advance(1)
    return host, await service.phone()


async def done(me: Device, what: str, *, says: bool | None = None, **request: Any) -> tuple[Exit, list[Any]]:
    """Carry a command out as this device; gives the exit code and what it said. `says` is the person's answer."""
    events: list[Any] = []

    async def hear() -> bool:
        assert says is not None, "nobody is there to be asked"
        assert events[-1]["event"] == "confirm"
        return says

    identity = Identity(device_id=DeviceId(me.id), kind=me.kind, sign=me.key.sign)
    async with PairingClient(server=me.server, identity=identity, session=me.session) as client:
        asked = {"do": what, "ask": says is not None, **request}
        return await owner.do(client, asked, say=events.append, hear=hear), events


async def test_devices_are_listed_with_what_a_person_wants_to_know(service: PairingService) -> None:
    host, phone = await both(service)
    await service.paired(host, phone)

    code, events = await done(phone, "devices")

    assert code is Exit.DONE
    desk, pocket = events
    assert (desk["name"], desk["kind"], desk["this_device"]) == ("desk", "host", False)
    assert desk["paired_with"] == [{"device_id": phone.id.hex(), "name": "pocket"}]
    assert (pocket["kind"], pocket["this_device"], pocket["signed_in"], pocket["revoked_at"]) == (
        "phone", True, True, None,
    )  # fmt: skip
    assert "paired with pocket" in words_of(desk)
    assert "(this device)" in words_of(pocket)
    assert pocket["device_id"] in words_of(pocket)


async def test_a_person_who_says_no_revokes_nothing(service: PairingService) -> None:
    host, phone = await both(service)

    code, events = await done(host, "revoke", device="pocket", says=False)

    assert (code, [event["event"] for event in events]) == (Exit.DENIED, ["confirm", "not_revoked"])
    assert [one.revoked_at_ms for one in await phone.devices()] == [0, 0]


async def test_a_person_is_asked_about_the_very_device_and_says_yes(service: PairingService) -> None:
    host, phone = await both(service)

    code, events = await done(host, "revoke", device=phone.id.hex().upper(), says=True)

    assert (code, events[-1]["event"], events[-1]["already"]) == (Exit.DONE, "revoked", False)
    assert words_of(events[0]).startswith("Revoke the phone pocket?")
    with pytest.raises(errors.DeviceRevoked):
        await phone.devices()
    code, events = await done(host, "revoke", device="pocket")
    assert (code, events[-1]["already"]) == (Exit.DONE, True)


async def test_revoking_itself_a_device_is_told_what_follows(service: PairingService) -> None:
    phone = await service.phone()

    _, events = await done(phone, "revoke", device="pocket")

    assert events[-1]["this_device"]
    assert "sign in (login), then pair again" in words_of(events[-1])


async def test_a_revoked_device_of_the_same_name_is_not_meant(service: PairingService) -> None:
    host, lost = await both(service)
    await host.revoke(lost)
    new = await service.phone()

    code, events = await done(host, "revoke", device="pocket")

    assert (code, events[-1]["device_id"]) == (Exit.DONE, new.id.hex())


async def test_of_several_with_one_name_none_is_chosen_and_all_are_listed(service: PairingService) -> None:
    host, first = await both(service)
    await service.advance(1)
    second = await service.phone()
    events: list[Any] = []
    identity = Identity(device_id=DeviceId(host.id), kind=host.kind, sign=host.key.sign)
    async with PairingClient(server=host.server, identity=identity, session=host.session) as client:
        with pytest.raises(errors.TargetNeeded) as needed:
            await owner.do(client, {"do": "revoke", "device": "pocket", "ask": False}, say=events.append, hear=never)

    assert needed.value.metadata["devices"] == f"{first.id.hex()}, {second.id.hex()}"
    assert [event["device_id"] for event in events] == [first.id.hex(), second.id.hex()]
    assert [one.revoked_at_ms for one in await host.devices()] == [0, 0, 0]


async def never() -> bool:
    raise AssertionError("nobody is asked")


async def test_a_device_that_nobody_has_is_unknown(service: PairingService) -> None:
    host, _ = await both(service)

    for attempt in (done(host, "rename", device="nobody", name="x"), done(host, "revoke", device="nobody")):
        with pytest.raises(errors.DeviceUnknown):
            await attempt


async def test_a_new_name_is_said_as_the_service_keeps_it(service: PairingService) -> None:
    host, _ = await both(service)

    _, events = await done(host, "rename", device="pocket", name="  Ada\u2019s ")

    assert (events[-1]["before"], events[-1]["name"]) == ("pocket", "Ada\u2019s")
    assert words_of(events[-1]) == "pocket is now called Ada\u2019s."


async def test_the_history_says_how_each_task_ended(service: PairingService) -> None:
    host, phone = await both(service)
    pair_id, now_ms = await service.paired(host, phone), service.clock.now_ms

    def report(number: int, **said: Any) -> pb.TaskReport:
        return pb.TaskReport(pair_id=pair_id, task_id=bytes([number]) * 16, posted_at_ms=now_ms + number, **said)

    reports = [
        report(1, accepted=True, outcome=OUTCOME_DONE, ended_at_ms=now_ms + 65_001),
        report(2, accepted=False, reason=Reason.REASON_HOST_ASLEEP),
        report(3, accepted=True),
        report(4, accepted=True, reason=Reason.REASON_NOT_PAIRED, ended_at_ms=now_ms + 5),
    ]
    await a_host(service.address).call(f"{HISTORY}Report", pb.ReportRequest(reports=reports))

    code, events = await done(host, "history", limit=50)

    assert code is Exit.DONE
    assert [(event["outcome"], event.get("reason"), event.get("duration_ms")) for event in events] == [
        ("untold", "NOT_PAIRED", 1), ("running", None, None), ("refused", "HOST_ASLEEP", None), ("done", None, 65_000),
    ]  # fmt: skip
    assert {(event["phone"], event["host"]) for event in events} == {("pocket", "desk")}
    assert words_of(events[-1]).endswith("done  1 min 5 s")
    assert words_of(events[2]).endswith("refused: HOST_ASLEEP")


@pytest.mark.parametrize(("limit", "shown"), [(3, 3), (500, 500), (600, 600), (5_000, 700)])
async def test_the_history_is_as_long_as_one_asks(service: PairingService, limit: int, shown: int) -> None:
    host, phone = await both(service)
    pair_id = await service.paired(host, phone)
    reports = [
        pb.TaskReport(pair_id=pair_id, task_id=os.urandom(16), posted_at_ms=service.clock.now_ms + number)
        for number in range(700)
    ]
    await a_host(service.address).call(f"{HISTORY}Report", pb.ReportRequest(reports=reports))

    _, events = await done(host, "history", limit=limit)

    assert [event["at"] for event in events] == [one.posted_at_ms for one in reversed(reports)][:shown]


async def test_names_of_others_do_not_command_a_terminal(service: PairingService) -> None:
    host, _ = await both(service)
    told = owner.device_told(pb.Device(device_id=b"d" * 16, name="a\x1b[2Jb\u202ec", created_at_ms=1), [])

    assert "\x1b" not in words_of({"event": "device", **told})
    assert "\u202e" not in words_of({"event": "device", **told})
    assert host
