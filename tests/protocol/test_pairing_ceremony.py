"""The ceremony as the service sees it, over real gRPC: offers, claims, steps, and what each side is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.pairing_service import PairingService


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        yield service


async def test_two_devices_of_one_account_go_through_the_ceremony_and_get_grants(service: PairingService) -> None:
    host, phone = await service.host(), await service.phone()

    pair_id = await service.paired(host, phone)

    for device in (host, phone):
        renewed = await device.renew(pair_id)
        assert renewed.relays == ["127.0.0.1:7302"]
    assert service.metric("dispatch_pairing_pairings_active") == 1
    assert service.metric("dispatch_pairing_grants_total") == 2
