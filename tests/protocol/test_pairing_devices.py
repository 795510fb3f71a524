"""What an account's owner sees of its devices and tasks, and revocation. Over real gRPC."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DEVICE_KIND_HOST, DEVICE_KIND_PHONE, OUTCOME_DONE

from tests.support.pairing_device import DEVICE, HISTORY, TRUST, Device, a_host, signed_pairing
from tests.support.pairing_service import PairingService, with_limits

DAY_MS = 24 * 3_600_000


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        await service.add_account("bob")
        yield service


def reported(service: PairingService, pair_id: bytes, **said: object) -> pb.TaskReport:
    base = {"task_id": os.urandom(16), "posted_at_ms": service.clock.now_ms, "accepted": True}
    return pb.TaskReport(pair_id=pair_id, **{**base, **said})  # type: ignore[arg-type] # fields of the message


async def report(service: PairingService, *reports: pb.TaskReport) -> None:
    """Report as a relay does: without any proof of a device."""
    await a_host(service.address).call(f"{HISTORY}Report", pb.ReportRequest(reports=reports))


async def both(service: PairingService) -> tuple[Device, Device]:
    """Give a host and a phone that signed in after it."""
    host = await service.host()
    await service.advance(1)
    return host, await service.phone()


# ---- Devices.


async def test_any_device_of_the_account_lists_all_of_them_and_says_which_it_is(service: PairingService) -> None:
    host, phone = await both(service)
    await service.phone("hers", account="bob")
    await service.paired(host, phone)
    await host.sign_out()

    listed = await phone.devices()

    assert [(one.name, one.kind, one.signed_in, one.this_device) for one in listed] == [
        ("desk", DEVICE_KIND_HOST, False, False),
        ("pocket", DEVICE_KIND_PHONE, True, True),
    ]
    assert [list(one.paired_with) for one in listed] == [[phone.id], [host.id]]
    assert [one.device_id for one in listed] == [host.id, phone.id]


async def test_a_device_is_called_something_else_from_any_other(service: PairingService) -> None:
    host, phone = await both(service)

    await host.rename(phone, " Ada\u2019s phone ")

    assert [one.name for one in await phone.devices()] == ["desk", "Ada\u2019s phone"]
    for name in ("", "x" * 65, "a\u202eb", "two\nlines"):
        with pytest.raises(errors.BadRequest) as refused:
            await host.rename(phone, name)
        assert refused.value.metadata["field"] == "name"


Act = Callable[[Device, Device], Awaitable[object]]


@pytest.mark.parametrize(
    "act",
    [lambda me, other: me.rename(other, "mine now"), lambda me, other: me.revoke(other)],
    ids=["rename", "revoke"],
)
async def test_a_device_of_another_account_is_as_unknown_as_one_that_never_was(
    service: PairingService, act: Act
) -> None:
    mine, hers = await service.phone(), await service.phone("hers", account="bob")

    for other in (hers, a_host(service.address, "never signed in")):
        with pytest.raises(errors.DeviceUnknown) as refused:
            await act(mine, other)
        assert (refused.value.detail, refused.value.metadata) == (errors.DeviceUnknown.sentence, {})

    assert [(one.name, one.revoked_at_ms) for one in await hers.devices()] == [("hers", 0)]


async def test_all_of_it_needs_a_live_sign_in_of_the_device(service: PairingService) -> None:
    host, phone = await both(service)
    await phone.sign_out()

    for ask in (phone.devices(), phone.rename(host, "x"), phone.revoke(host), phone.tasks()):
        with pytest.raises(errors.SignInRequired):
            await ask

    assert [(one.name, one.revoked_at_ms) for one in await host.devices()] == [("desk", 0), ("pocket", 0)]


# ---- Revocation.


async def test_a_revoked_device_gets_no_grant_and_is_told_why(service: PairingService) -> None:
    host, phone = await both(service)
    pair_id = await service.paired(host, phone)

    await host.revoke(phone)

    with pytest.raises(errors.DeviceRevoked):
        await phone.renew(pair_id)
    with pytest.raises(errors.NotPaired) as refused:
        await host.renew(pair_id)
    assert refused.value.metadata == {"pairing": "ended"}
    (_, listed) = await host.devices()
    assert (listed.name, listed.revoked_at_ms, listed.signed_in) == ("pocket", service.clock.now_ms, False)
    assert list(listed.paired_with) == []
    assert service.metric("dispatch_pairing_pairings_active") == 0
    assert service.metric("dispatch_pairing_devices_revoked_total") == 1


async def test_a_phone_of_a_revoked_host_is_told_so(service: PairingService) -> None:
    host, phone = await both(service)
    pair_id = await service.paired(host, phone)

    await phone.revoke(host)

    with pytest.raises(errors.HostRevoked):
        await phone.renew(pair_id)


async def test_relays_hear_of_a_revoked_device_at_once_the_device_before_its_pairings(service: PairingService) -> None:
    host, phone = await both(service)
    pair_id = await service.paired(host, phone)
    relay = a_host(service.address)
    relay.nonce = b"not looked at"
    async with relay.follow(f"{TRUST}FollowTrust", pb.FollowTrustRequest(relay_address="relay:1")) as feed:
        first = await feed.next()

        await host.revoke(phone)

        told = await feed.next()
    (revoked,), (ended,) = told.revoked_devices, told.ended_pairings
    assert (revoked.device_id, ended.pair_id, ended.ended_by) == (phone.id, pair_id, DEVICE_KIND_PHONE)
    assert first.sequence < revoked.sequence < ended.sequence == told.sequence


async def test_revoking_again_changes_nothing(service: PairingService) -> None:
    host, phone = await both(service)
    await service.paired(host, phone)

    await asyncio.gather(*(host.revoke(phone) for _ in range(4)))

    assert service.metric("dispatch_pairing_devices_revoked_total") == 1
    assert service.metric("dispatch_pairing_pairings_ended_total") == 1


async def test_one_of_several_phones_is_revoked_alone(service: PairingService) -> None:
    host, pocket, tablet = await service.host(), await service.phone(), await service.phone("tablet")
    await service.paired(host, pocket)
    kept = await service.paired(host, tablet)

    await tablet.revoke(pocket)

    await tablet.renew(kept)
    await host.renew(kept)


async def test_a_device_may_revoke_itself(service: PairingService) -> None:
    phone = await service.phone()

    await phone.revoke(phone)

    with pytest.raises(errors.DeviceRevoked):
        await phone.devices()


async def test_a_host_that_is_revoked_while_it_shows_a_code_pairs_with_nobody(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)

    await phone.revoke(host)

    with pytest.raises(errors.OfferExpired):
        await phone.claim(code)


async def test_a_phone_that_is_revoked_in_the_middle_of_a_ceremony_is_not_paired(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)
    await phone.claim(code)
    for number in range(1, 9):
        await (phone if number % 2 else host).step(code, number)

    await host.revoke(phone)

    with pytest.raises(errors.NotPaired):
        await host.complete(signed_pairing(host=host, phone=phone, pair_id=os.urandom(16), offer=code))


async def test_a_revoked_device_stays_revoked_when_the_service_starts_again(service: PairingService) -> None:
    host, phone = await both(service)
    await host.revoke(phone)

    await service.restart()

    with pytest.raises(errors.DeviceRevoked):
        await phone.devices()


# ---- History.


async def test_what_relays_report_is_read_by_both_devices_alike(service: PairingService) -> None:
    host, phone = await both(service)
    pair_id = await service.paired(host, phone)
    now_ms = service.clock.now_ms
    done = reported(service, pair_id, outcome=OUTCOME_DONE, ended_at_ms=now_ms + 5_000)
    refused = reported(service, pair_id, accepted=False, reason=Reason.REASON_HOST_ASLEEP, posted_at_ms=now_ms + 60_000)

    await report(service, done, refused)

    on_phone, on_host = await phone.tasks(), await host.tasks()
    assert on_phone == on_host
    newest, oldest = on_phone.tasks
    assert (newest.task_id, newest.accepted, newest.reason) == (refused.task_id, False, Reason.REASON_HOST_ASLEEP)
    assert oldest == pb.TaskRecord(
        task_id=done.task_id,
        phone_id=phone.id,
        host_id=host.id,
        posted_at_ms=now_ms,
        accepted=True,
        outcome=OUTCOME_DONE,
        ended_at_ms=now_ms + 5_000,
    )


async def test_nobody_reads_the_history_of_another_account(service: PairingService) -> None:
    host, phone = await both(service)
    await report(service, reported(service, await service.paired(host, phone)))
    stranger = await service.phone("hers", account="bob")
    (page,) = [await phone.tasks(size=1)]

    assert list((await stranger.tasks()).tasks) == []
    # Not even with a place in the list of somebody else.
    assert list((await stranger.tasks(token=page.next_page_token)).tasks) == []


async def test_a_report_that_comes_again_changes_nothing(service: PairingService) -> None:
    host, phone = await both(service)
    pair_id = await service.paired(host, phone)
    accepted = reported(service, pair_id)
    done = pb.TaskReport()
    done.CopyFrom(accepted)
    done.outcome, done.ended_at_ms = OUTCOME_DONE, service.clock.now_ms + 1

    for said in (done, accepted, accepted, done):
        await report(service, said)

    (task,) = (await phone.tasks()).tasks
    assert task.outcome == OUTCOME_DONE


async def test_reports_of_unknown_pairings_and_nonsense_are_dropped_and_counted(service: PairingService) -> None:
    host, phone = await both(service)
    pair_id = await service.paired(host, phone)

    await report(
        service,
        reported(service, os.urandom(16)),
        reported(service, pair_id, task_id=b"short"),
        reported(service, pair_id, posted_at_ms=service.clock.now_ms - 91 * DAY_MS),
        reported(service, pair_id),
    )

    assert len((await phone.tasks()).tasks) == 1
    counted = {
        result: service.metric("dispatch_pairing_reports_total", result=result)
        for result in ("kept", "unknown_pairing", "too_old", "unsound")
    }
    assert counted == {"kept": 1, "unknown_pairing": 1, "too_old": 1, "unsound": 1}


async def test_a_thousand_reports_come_in_one_call_and_one_more_does_not(service: PairingService) -> None:
    host, phone = await both(service)
    pair_id = await service.paired(host, phone)
    many = [reported(service, pair_id, reason=Reason.REASON_HOST_ASLEEP) for _ in range(1_001)]

    await report(service, *many[:1_000])

    with pytest.raises(errors.BadRequest) as refused:
        await report(service, *many)
    assert refused.value.metadata == {"field": "reports"}


async def test_the_history_is_read_in_pages_without_gaps_or_repeats(service: PairingService) -> None:
    host, phone = await both(service)
    pair_id = await service.paired(host, phone)
    # Several at one moment: the place in the list is not the time alone.
    said = [reported(service, pair_id, posted_at_ms=service.clock.now_ms + number // 3) for number in range(25)]
    await report(service, *said)

    found, token = [], ""
    for _ in range(3):
        page = await phone.tasks(token=token, size=10)
        found += [task.task_id for task in page.tasks]
        token = page.next_page_token

    assert token == ""
    newest_first = sorted(said, key=lambda one: (one.posted_at_ms, one.task_id), reverse=True)
    assert found == [one.task_id for one in newest_first]


@pytest.mark.parametrize("request_", [{"page_token": "%%%"}, {"page_token": "AAAA"}, {"page_size": 501}], ids=str)
async def test_a_page_that_can_not_be_is_refused(service: PairingService, request_: dict[str, object]) -> None:
    phone = await service.phone()

    with pytest.raises(errors.BadRequest) as refused:
        await phone.call(f"{DEVICE}ListTasks", pb.ListTasksRequest(**request_))  # type: ignore[arg-type] # one field

    assert refused.value.metadata["field"] == next(iter(request_))


async def test_what_is_older_than_the_limit_is_forgotten(tmp_path: Path) -> None:
    limits = with_limits(history_ms=10 * DAY_MS)
    async with PairingService(tmp_path / "pairing", limits=limits) as service:
        await service.add_account("ada")
        host, phone = await both(service)
        pair_id = await service.paired(host, phone)
        await report(service, reported(service, pair_id))

        await service.advance(10 * DAY_MS + 1)

        assert list((await host.tasks()).tasks) == []
        young = reported(service, pair_id)
        await report(service, young)
        assert [task.task_id for task in (await host.tasks()).tasks] == [young.task_id]
