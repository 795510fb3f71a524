"""The settings of the phone's screen, at real services: its name, a device that is revoked, where it is called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch_relay.push.opening import PushOptions
from dispatch_relay.settings import Settings
from textual.widgets import Input

from tests.protocol.test_push import LOOPBACK
from tests.support.certificates import Certificates
from tests.support.device_end import DeviceEnd
from tests.support.pairing_device import PASSWORD
from tests.support.pairing_service import PairingService
from tests.support.phone_screen import PhoneScreen, phone_screen
from tests.support.push_service import PushService
from tests.support.relay import Relay
from tests.support.seeded_phone import UNHURRIED, SeededPhone

pytestmark = pytest.mark.big


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        yield service


async def chosen(screen: PhoneScreen, entry: str) -> None:
    """Choose an entry of the settings, as a person goes down the list."""
    from mobile_sim.tui.settings_page import SettingsPage

    await screen.press("home", *["down"] * SettingsPage.ENTRIES.index(entry), "enter")


async def typed(screen: PhoneScreen, *values: str) -> None:
    """Fill in what is asked, one after the other."""
    for value in values:
        await screen.pilot.pause()
        assert isinstance(screen.app.focused, Input)
        screen.app.focused.clear()
        await screen.write(value)
        await screen.press("enter")


async def test_a_phone_is_renamed_and_another_device_loses_its_rights_when_the_person_is_sure(
    tmp_path: Path, service: PairingService
) -> None:
    desk = await service.host()
    async with phone_screen(tmp_path / "phone", size=(100, 40)) as screen:
        await screen.shows("Not signed in")
        await screen.press("f5")
        await screen.shows("Settings")
        await chosen(screen, "sign_in")
        await screen.shows("The pairing service")
        await typed(screen, service.address, "pocket", "ada", PASSWORD, "")
        await screen.shows("Signed in to")
        await screen.press("escape")

        await chosen(screen, "rename")
        await screen.shows("What is this phone to be called?")
        await typed(screen, "Tasche")
        await screen.shows("pocket is now called Tasche.")

        await chosen(screen, "revoke")
        await screen.shows("Which device is to lose all rights", "desk")
        await typed(screen, "desk")
        await screen.shows("Revoke the computer desk?", "Yes", "No")
        await screen.press("enter", "down", "down", "enter")  # nothing is marked at first; the second answer is no
        await screen.shows("desk keeps its rights.")
        assert [one.revoked_at_ms for one in await desk.devices()] == [0, 0]
        await chosen(screen, "revoke")
        await screen.shows("Which device is to lose all rights")
        await typed(screen, "desk")
        await screen.shows("Revoke the computer desk?")
        await screen.press("down", "enter")
        await screen.shows("desk is revoked")
        screen.picture("revoked")


async def test_a_phone_says_where_it_is_called_and_when_not_and_turns_it_off(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    settings = replace(Settings(), push_networks=LOOPBACK, push_group_ms=1)
    options = PushOptions(contact="https://relay.example.org", ca=certificates.file)
    phone = SeededPhone.make(tmp_path / "phone")
    async with (
        PushService(certificates) as service,
        Relay(tmp_path / "relay", settings=settings, push=options) as relay,
    ):
        _, device = phone.pair(relay.trust, [relay.address])
        subscription = service.subscribe(opens_here=False)
        async with phone_screen(phone.path, patience=UNHURRIED, size=(100, 40)) as screen:
            await screen.shows("desk")
            await screen.press("f5")
            await screen.shows("Settings")
            await chosen(screen, "notifications")
            await screen.shows("The address that a push service")
            await typed(screen, subscription.endpoint)
            await screen.shows("Quiet hours")
            await typed(screen, "at night")
            await screen.shows("Their time zone:")
            await typed(screen, "UTC")
            await screen.shows("Quiet hours are HH:MM-HH:MM")

            await chosen(screen, "notifications")
            await typed(screen, subscription.endpoint, "")
            await screen.shows("While you do not look, what comes from desk calls there.")

        desk = await DeviceEnd.attach(device, relay.address)
        await desk.receipt(await desk.keep(b"a question", push_hint=pb.PUSH_HINT_QUESTION))
        await subscription.got()
        async with phone_screen(phone.path, patience=UNHURRIED, size=(100, 40)) as screen:
            await screen.shows("desk")
            await screen.press("f5")
            await screen.shows("Settings")
            await chosen(screen, "silence")
            await screen.shows("calls nowhere.")
        await desk.drop()
