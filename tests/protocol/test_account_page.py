"""What the owner of an account does on the account page: devices, pairing requests, tasks, export, password, the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import OUTCOME_FAILED, OUTCOME_UNSPECIFIED
from dispatch.ids import AccountId, DeviceId, TaskId
from dispatch_pairing.model import Login

from tests.support.account_page import LOOPBACK, everything_kept, kept, put_task, rename_in_store
from tests.support.browser_end import Browser, forms, text
from tests.support.pairing_device import PASSWORD, Device
from tests.support.pairing_service import PairingService, with_limits

NEW = "another good password"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    """A service with an account page and two accounts."""
    async with PairingService(tmp_path / "pairing", web=LOOPBACK, limits=with_limits(web_tasks=3)) as service:
        await service.add_account("ada")
        await service.add_account("bob")
        yield service


@pytest.fixture
async def ada(service: PairingService) -> AsyncIterator[Browser]:
    """Ada's browser, signed in."""
    async with Browser(str(service.running.web)) as browser:
        await browser.sign_in()
        yield browser


def page_of(device: Device, what: str) -> str:
    return f"/devices/{device.id.hex()}/{what}"


# ---- devices ----


async def test_the_owner_sees_each_device_with_what_it_is_and_whom_it_is_paired_with(
    service: PairingService, ada: Browser
) -> None:
    host, phone = await service.host("desk"), await service.phone("pocket")
    await service.phone("tablet")
    await service.paired(host, phone)
    await service.phone("bob's", account="bob")

    seen = text(await ada.get("/devices"))

    assert "desk Computer" in seen
    assert "pocket Phone" in seen
    assert "Paired with pocket" in seen
    assert "Paired with desk" in seen
    assert "Paired with nothing" in seen
    assert "bob" not in seen


async def test_a_renamed_device_has_its_new_name_everywhere(service: PairingService, ada: Browser) -> None:
    phone = await service.phone("pocket")

    answer = await ada.send(page_of(phone, "rename"), page_of(phone, "rename"), name="  Ada's phone ")

    assert (answer.status_code, answer.headers["location"]) == (303, "/devices?done=renamed")
    shown = text(await ada.get(answer.headers["location"]))
    assert "Ada's phone" in shown
    assert "The device has its new name." in shown
    assert "pocket" not in shown


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "two\nlines", "turned \u202e round"])
async def test_a_name_that_could_play_tricks_is_refused_and_says_why(
    service: PairingService, ada: Browser, name: str
) -> None:
    phone = await service.phone("pocket")

    answer = await ada.send(page_of(phone, "rename"), page_of(phone, "rename"), name=name)

    assert answer.status_code == 400
    assert "The name" in text(answer)
    assert "pocket" in text(await ada.get("/devices"))


async def test_revoking_asks_first_and_then_ends_all_rights_at_once(service: PairingService, ada: Browser) -> None:
    host, phone = await service.host("desk"), await service.phone("pocket")
    pair_id = await service.paired(host, phone)
    asked = await ada.get(page_of(phone, "revoke"))
    assert "no longer paired with desk" in text(asked)
    await phone.renew(pair_id)  # asking has ended nothing

    answer = await ada.send(page_of(phone, "revoke"), page_of(phone, "revoke"))

    assert answer.headers["location"] == "/devices?done=revoked"
    assert "Revoked pocket Phone, revoked just now" in text(await ada.get("/devices"))
    with pytest.raises(errors.DispatchError):
        await phone.renew(pair_id)
    with pytest.raises(errors.NotPaired):
        await host.renew(pair_id)
    async with kept(service) as repositories:
        assert await repositories.feed.has_revoked(DeviceId(phone.id))
        assert await repositories.feed.has_ended(pair_id)  # type: ignore[arg-type] # made by a test


async def test_revoking_twice_changes_nothing_more(service: PairingService, ada: Browser) -> None:
    phone = await service.phone("pocket")
    form = forms(await ada.get(page_of(phone, "revoke")))[page_of(phone, "revoke")]
    await ada.post(page_of(phone, "revoke"), form)
    async with kept(service) as repositories:
        before = await repositories.service.identity()

    answer = await ada.post(page_of(phone, "revoke"), form)

    assert answer.status_code == 303
    assert (await ada.get(page_of(phone, "revoke"))).headers["location"] == "/devices"
    async with kept(service) as repositories:
        assert await repositories.service.identity() == before


async def test_another_accounts_device_is_answered_as_one_that_is_not_there(
    service: PairingService, ada: Browser
) -> None:
    theirs = await service.phone("bob's", account="bob")
    token = forms(await ada.get("/devices"))["/sign-out"]
    nobody = theirs.id[::-1].hex()

    for what in ("rename", "revoke"):
        for method, fields in (("GET", None), ("POST", {**token, "name": "mine now"})):
            one = await ada.client.request(method, page_of(theirs, what), data=fields)
            other = await ada.client.request(method, f"/devices/{nobody}/{what}", data=fields)
            assert (one.status_code, text(one)) == (404, text(other))

    async with kept(service) as repositories:
        device = await repositories.devices.get(DeviceId(theirs.id))
        assert device is not None
        assert (device.name, device.revoked_ms) == ("bob's", None)


@pytest.mark.parametrize("device", ["zz", "00", "0" * 31, "0" * 33, "%00", "ünicode"])
async def test_what_is_no_device_id_is_no_device(ada: Browser, device: str) -> None:
    assert (await ada.get(f"/devices/{device}/rename")).status_code == 404


async def test_names_are_text_whatever_stands_in_them(service: PairingService, ada: Browser) -> None:
    host, phone = await service.host("desk"), await service.phone("pocket")
    await service.paired(host, phone)
    await put_task(service, 1, host=host, phone=phone)
    await host.create_offer(service.code())
    bad = "\"><script>alert(1)</script><img src=x onerror='alert(1)'>&lt;"
    for device in (host, phone):
        await rename_in_store(service, device, bad)

    for path in ("/devices", page_of(phone, "rename"), page_of(phone, "revoke"), "/tasks", "/requests"):
        page = (await ada.get(path)).text
        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page
        assert '""' not in page  # no attribute was closed early


# ---- pairing requests ----


async def test_a_code_on_a_screen_is_a_request_that_can_be_refused(service: PairingService, ada: Browser) -> None:
    host, phone = await service.host("desk"), await service.phone("pocket")
    code = service.code()
    await host.create_offer(code)
    await service.advance(30_000)
    assert "desk waits for a phone" in text(await ada.get("/requests"))
    assert "90 seconds left" in text(await ada.get("/requests"))
    await phone.claim(code)
    assert "pocket has scanned the code" in text(await ada.get("/requests"))

    answer = await ada.send("/requests", f"/requests/{code.offer_id.hex()}/refuse")

    assert answer.headers["location"] == "/requests?done=refused"
    assert (await host.told(code))[-1] == "ended PAIRING_REFUSED"
    assert (await phone.told(code))[-1] == "ended PAIRING_REFUSED"
    assert "None of your computers shows a code now." in text(await ada.get("/requests"))
    assert service.metric("dispatch_pairing_offers_total", result="PAIRING_REFUSED") == 1


async def test_a_request_that_is_over_is_not_shown_and_refusing_it_says_so(
    service: PairingService, ada: Browser
) -> None:
    host = await service.host("desk")
    code = service.code()
    await host.create_offer(code)
    form = forms(await ada.get("/requests"))[f"/requests/{code.offer_id.hex()}/refuse"]
    await service.advance(120_000)

    answer = await ada.post(f"/requests/{code.offer_id.hex()}/refuse", form)

    assert answer.headers["location"] == "/requests?done=too-late"
    assert await host.told(code) == ["ended OFFER_EXPIRED"]


async def test_a_code_that_two_have_seen_is_marked(service: PairingService, ada: Browser) -> None:
    host, phone, other = await service.host(), await service.phone(), await service.phone("other")
    code = service.code()
    await host.create_offer(code)
    await phone.claim(code)
    with pytest.raises(errors.OfferClaimed):
        await other.claim(code)

    assert "A second device has seen this code." in text(await ada.get("/requests"))


async def test_another_accounts_request_can_not_be_refused(service: PairingService, ada: Browser) -> None:
    theirs = await service.host("bob's", account="bob")
    code = service.code()
    await theirs.create_offer(code)
    token = forms(await ada.get("/requests"))["/sign-out"]

    answer = await ada.post(f"/requests/{code.offer_id.hex()}/refuse", token)

    assert answer.status_code == 404
    assert "bob's" not in text(await ada.get("/requests"))
    await theirs.create_offer(code)  # it still stands


# ---- tasks ----


async def test_tasks_say_when_from_to_how_they_ended_why_and_how_long(service: PairingService, ada: Browser) -> None:
    host, phone = await service.host("desk"), await service.phone("pocket")
    await put_task(service, 1, host=host, phone=phone)
    await put_task(service, 2, host=host, phone=phone, accepted=False, reason=Reason.REASON_HOST_ASLEEP)
    await put_task(service, 3, host=host, phone=phone, outcome=OUTCOME_FAILED, reason=Reason.REASON_AGENT_FAILED)

    seen = text(await ada.get("/tasks"))

    assert "Done pocket → to desk 2027-01-15 07:01 UTC · took 2 min 5 s" in seen
    assert "Refused pocket → to desk 2027-01-15 07:02 UTC The computer is asleep. It never ran." in seen
    assert "Failed pocket → to desk 2027-01-15 07:03 UTC · took 2 min 5 s The agent broke." in seen


async def test_tasks_come_newest_first_in_pages_that_neither_repeat_nor_skip(
    service: PairingService, ada: Browser
) -> None:
    host, phone = await service.host(), await service.phone()
    for number in range(1, 8):
        await put_task(service, number, host=host, phone=phone, outcome=OUTCOME_UNSPECIFIED)
    path, minutes = "/tasks", []
    for _ in range(3):
        page = await ada.get(path)
        minutes += [int(moment[3:5]) for moment in text(page).split() if moment.startswith("07:")]
        path = page.text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]

    assert minutes == [7, 6, 5, 4, 3, 2, 1]
    assert 'rel="next"' not in page.text


@pytest.mark.parametrize("token", ["nonsense", "é", "=" * 500, "AAAA", "_" * 32, "%ff"])
async def test_a_page_of_tasks_that_was_never_given_is_refused(ada: Browser, token: str) -> None:
    assert (await ada.client.get("/tasks", params={"after": token})).status_code == 400


async def test_another_accounts_tasks_are_not_shown_by_any_token(service: PairingService, ada: Browser) -> None:
    mine, theirs = await service.host("desk"), await service.host("bob's", account="bob")
    phone, their_phone = await service.phone(), await service.phone("bob's phone", account="bob")
    for number in range(1, 8):
        await put_task(service, number, host=theirs, phone=their_phone)
    await put_task(service, 8, host=mine, phone=phone)
    async with Browser(str(service.running.web)) as bob:
        await bob.sign_in("bob")
        page = (await bob.get("/tasks")).text
    token = page.partition("/tasks?after=")[2].partition('"')[0]

    for path in ("/tasks", f"/tasks?after={token}"):
        assert "bob" not in text(await ada.get(path))


# ---- the account itself ----


async def test_the_export_holds_all_that_is_kept_and_no_secret(service: PairingService, ada: Browser) -> None:
    host, phone = await service.host("desk"), await service.phone("pocket")
    pair_id = await service.paired(host, phone)
    await phone.end_pairing(b"q" * 16)
    await put_task(service, 1, host=host, phone=phone, pair_id=pair_id)
    theirs = await service.phone("bob's", account="bob")
    async with kept(service) as repositories:
        await repositories.accounts.put_login(
            Login("https://id.example", "ada@id", AccountId(host.signed_in.account_id))
        )

    answer = await ada.get("/account/export.json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="dispatch-account.json"'
    told = json.loads(answer.text)
    assert told["account"]["name"] == "ada"
    devices = {device["name"]: device for device in told["devices"]}
    assert devices.keys() == {"desk", "pocket"}
    assert devices["pocket"]["left_unknown_pairings"] == [(b"q" * 16).hex()]
    assert [one["id"] for one in told["pairings"]] == [pair_id.hex()]
    assert [one["state"] for one in told["pairing_requests"]] == ["complete"]
    assert told["provider_sign_ins"] == [{"issuer": "https://id.example", "subject": "ada@id"}]
    assert len(told["web_sessions"]) == 1
    assert [task["outcome"] for task in told["tasks"]] == ["done"]
    assert theirs.id.hex() not in answer.text
    session = bytes.fromhex(ada.cookies["dispatch"])
    for secret in (phone.session, session):
        assert secret.hex() not in answer.text
        assert hashlib.sha256(secret).hexdigest() not in answer.text
    assert "argon2" not in answer.text


async def test_an_export_of_more_than_a_chunk_is_whole(service: PairingService, ada: Browser) -> None:
    host, phone = await service.host(), await service.phone()
    await put_task(service, 0, host=host, phone=phone)
    async with kept(service) as repositories:
        (first,) = await repositories.history.of_account(AccountId(host.signed_in.account_id), before=None, limit=1)
        for number in range(1, 1_001):
            await repositories.history.put(replace(first, task_id=TaskId(number.to_bytes(16, "big"))))

    told = json.loads((await ada.get("/account/export.json")).text)

    assert len({task["id"] for task in told["tasks"]}) == 1_001


async def test_a_changed_password_signs_everything_else_out_and_gives_this_browser_a_new_session(
    service: PairingService, ada: Browser
) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)
    before = ada.cookies["dispatch"]
    async with Browser(str(service.running.web)) as other:
        await other.sign_in()

        answer = await ada.send(
            "/account/password",
            "/account/password",
            old_password=PASSWORD,
            new_password=NEW,
            new_password_again=NEW,
        )

        assert answer.headers["location"] == "/account?done=password"
        assert (await other.get("/devices")).headers["location"] == "/sign-in"
        assert (await other.sign_in()).status_code == 403
        assert (await other.sign_in(password=NEW)).status_code == 303
    assert ada.cookies["dispatch"] != before
    assert "The password is changed." in text(await ada.get(answer.headers["location"]))
    with pytest.raises(errors.SignInRequired):
        await phone.renew(pair_id)


@pytest.mark.parametrize(
    ("old", "new", "again", "said"),
    [
        ("wrong horse", NEW, NEW, "Account and password do not fit."),
        (PASSWORD, "short", "short", "fewer than 8 characters"),
        (PASSWORD, NEW, "something else", "not the same"),
        (PASSWORD, "x" * 1_025, "x" * 1_025, "longer than 1024 bytes"),
    ],
)
async def test_a_password_is_not_changed_by_mistake_or_by_somebody_else(
    service: PairingService, ada: Browser, old: str, new: str, again: str, said: str
) -> None:
    answer = await ada.send(
        "/account/password", "/account/password", old_password=old, new_password=new, new_password_again=again
    )

    assert answer.status_code in (400, 403)
    assert said in text(answer)
    assert new not in answer.text
    assert (await ada.get("/account")).status_code == 200
    await service.phone()  # the password is what it was


async def test_erasing_asks_for_the_password_and_leaves_no_row_that_names_the_account(
    service: PairingService, ada: Browser
) -> None:
    host, phone = await service.host("desk of ada"), await service.phone("pocket of ada")
    pair_id = await service.paired(host, phone)
    await put_task(service, 1, host=host, phone=phone, pair_id=pair_id)
    await host.create_offer(service.code())
    account_id = host.signed_in.account_id
    assert account_id in everything_kept(service.folder)
    wrong = await ada.send("/account/erase", "/account/erase", password="wrong horse")
    assert wrong.status_code == 403
    assert "Account and password do not fit." in text(wrong)
    await phone.renew(pair_id)

    answer = await ada.send("/account/erase", "/account/erase", password=PASSWORD)

    assert answer.headers["location"] == "/sign-in?done=erased"
    assert "dispatch" not in ada.cookies
    rest = everything_kept(service.folder)
    for name in (account_id, b"desk of ada", b"pocket of ada", host.public, phone.public):
        assert name not in rest
    async with kept(service) as repositories:
        # What relays are told stays: they must turn these away.
        assert await repositories.feed.has_revoked(DeviceId(phone.id))
        assert await repositories.feed.has_revoked(DeviceId(host.id))
        assert await repositories.feed.has_ended(pair_id)  # type: ignore[arg-type] # made by a test
    assert (await ada.sign_in()).status_code == 403
    assert service.metric("dispatch_pairing_pairings_active") == 0
    async with Browser(str(service.running.web)) as bob:
        assert (await bob.sign_in("bob")).status_code == 303


async def test_an_account_without_a_password_is_erased_after_a_fresh_sign_in_only(
    service: PairingService, ada: Browser
) -> None:
    async with kept(service) as repositories:
        account = await repositories.accounts.find("ada")
        assert account is not None
        await repositories.accounts.put(replace(account, password=""))
    await service.advance(5 * 60_000 + 1)

    stale = await ada.send("/account/erase", "/account/erase")

    assert stale.status_code == 403
    async with kept(service) as repositories:
        assert await repositories.accounts.find("ada") is not None


async def test_signing_out_everywhere_ends_every_browser_and_every_device(
    service: PairingService, ada: Browser
) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)
    stolen = ada.cookies["dispatch"]
    async with Browser(str(service.running.web)) as other:
        await other.sign_in()

        answer = await ada.send("/account", "/sign-out-everywhere")

        assert answer.headers["location"] == "/sign-in?done=signed-out-everywhere"
        assert (await other.get("/devices")).headers["location"] == "/sign-in"
    ada.client.cookies.set("dispatch", stolen)
    assert (await ada.get("/devices")).headers["location"] == "/sign-in"
    with pytest.raises(errors.SignInRequired):
        await phone.renew(pair_id)
