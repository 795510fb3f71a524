"""What the desk answers: to the end once the caller is let in, whether they are still there or not."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch_pairing.bell import TRUST
from dispatch_pairing.model import Visitor
from dispatch_pairing.oidc.provider import DeviceCode
from sqlalchemy.exc import SQLAlchemyError
from structlog.testing import capture_logs

from tests.support.pairing_desk import PairingDesk, pairing_desk
from tests.support.pairing_device import Code, signed_pairing

PAIR_ID = b"p" * 16


class GatedProvider:
    """A provider that is asked for a device's person, and says yes when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def begin_device(self) -> DeviceCode:
        return DeviceCode(
            device_code="device",
            user_code="person",
            verification_uri="https://id.example/enter",
            verification_uri_complete="https://id.example/enter?code=person",
            expires_ms=600_000,
            interval_ms=0,
        )

    async def ask_device(self, _code: str) -> Visitor:
        self.asked += 1
        self.is_asked.set()
        await self.may_answer.wait()
        return Visitor(issuer="https://id.example", subject="1815", name="Ada Lovelace")


@pytest.fixture
def provider() -> GatedProvider:
    return GatedProvider()


@pytest.fixture
async def at(tmp_path: Path, provider: GatedProvider) -> AsyncIterator[PairingDesk]:
    async with pairing_desk(tmp_path, provider=provider) as at:
        yield at


class Both:
    """A phone and a host in the middle of a ceremony."""

    def __init__(self, at: PairingDesk) -> None:
        self.host, self.phone = at.host(), at.phone()
        self.code = Code(offer_id=os.urandom(16), token=os.urandom(32))

    async def begin(self) -> None:
        """Sign both in, and have the phone claim the host's offer."""
        await self.host.sign_in()
        await self.phone.sign_in()
        await self.host.create_offer(self.code)
        await self.phone.claim(self.code)

    async def complete(self) -> None:
        """Make them a pair."""
        request = signed_pairing(host=self.host, phone=self.phone, pair_id=PAIR_ID, offer=self.code)
        await self.host.complete(request)

    async def end_offer(self) -> None:
        """End the offer."""
        await self.host.end_offer(self.code, Reason.REASON_HANDSHAKE_FAILED)

    async def replace_offer(self) -> None:
        """Open another offer in its place."""
        await self.host.create_offer(Code(offer_id=b"another offer...", token=os.urandom(32)))


def fail() -> None:
    """Fail as a store does."""
    raise SQLAlchemyError("the disk is full")


Does = Callable[[Both], Coroutine[Any, Any, None]]


@pytest.mark.parametrize(
    ("paired", "does", "topic", "counted"),
    [
        (False, Both.complete, None, {"pairings_active": 1, "offers_total complete": 1}),
        (False, Both.end_offer, None, {"offers_total HANDSHAKE_FAILED": 1}),
        (False, Both.replace_offer, None, {"offers_total OFFER_REPLACED": 1, "offers_total open": 2}),
        (True, lambda both: both.phone.end_pairing(PAIR_ID), TRUST, {"pairings_active": 0, "pairings_ended_total": 1}),
        (True, lambda both: both.phone.revoke(both.host), TRUST, {"pairings_active": 0, "devices_revoked_total": 1}),
    ],
    ids=["complete", "end offer", "replace offer", "end pairing", "revoke"],
)
async def test_what_was_committed_is_told_and_counted_though_the_caller_hung_up(
    at: PairingDesk, paired: bool, does: Does, topic: bytes | None, counted: dict[str, float]
) -> None:
    """The bell and the counts stand behind the commit: who follows heard of it seconds later, and the gauge never did."""
    both = Both(at)
    await both.begin()
    if paired:
        await both.complete()

    with at.bell.listen(topic or both.code.offer_id) as ear:
        await at.hangs_up_at_the_commit(does(both))

        assert ear.rung
    for said, value in counted.items():
        name, _, result = said.partition(" ")
        assert at.metric(name, **({"result": result} if result else {})) == value


async def test_a_copied_token_is_told_though_who_showed_it_hung_up(at: PairingDesk) -> None:
    phone = at.phone()
    await phone.sign_in()
    phone.session = phone.session[:16] + bytes(16)

    await at.hangs_up_at_the_commit(phone.devices())

    assert at.metric("sign_ins_ended_total", cause="copied") == 1


@pytest.mark.parametrize(
    ("does", "result"),
    [(Both.complete, "complete"), (lambda both: both.phone.revoke(both.host), "OFFER_EXPIRED")],
    ids=["complete", "revoke"],
)
async def test_what_was_not_committed_is_not_counted(at: PairingDesk, does: Does, result: str) -> None:
    both = Both(at)
    await both.begin()
    at.at_the_next_commit(fail)
    with pytest.raises(errors.StoreFailed):
        await does(both)
    assert at.metric("offers_total", result=result) == 0
    await does(both)

    assert at.metric("offers_total", result=result) == 1


async def test_a_yes_of_the_provider_is_kept_though_the_device_hung_up(
    at: PairingDesk, provider: GatedProvider
) -> None:
    """The provider gives it once: the code is used up by the asking."""
    phone = at.phone()
    begun = await phone.begin_at_provider()
    calling = asyncio.create_task(phone.finish_at_provider(begun.attempt_id))
    await provider.is_asked.wait()

    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    provider.may_answer.set()
    await at.desk.finish(grace_seconds=60)
    await phone.finish_at_provider(begun.attempt_id)

    assert phone.signed_in.account == "Ada Lovelace"
    assert provider.asked == 1


async def test_what_fails_behind_a_caller_who_hung_up_is_logged_and_counted(
    at: PairingDesk, caplog: pytest.LogCaptureFixture
) -> None:
    gc.collect()  # what an earlier test has left is not of this one
    caplog.clear()
    phone = at.phone()
    await phone.sign_in()

    with capture_logs() as lines:
        await at.hangs_up_at_the_commit(phone.end_pairing(PAIR_ID), then=fail)
        gc.collect()

    assert [(line["event"], line["reason"]) for line in lines] == [("refused", "STORE_FAILED")]
    assert at.metric("refusals_total", reason="STORE_FAILED") == 1
    assert not caplog.records  # no failed task that nobody looked at
