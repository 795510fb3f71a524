"""The attacker of the pairing service: what mallory has, and what the service is to say of it."""

from __future__ import annotations

from hashlib import sha256

from tests.support.attacks import Watch
from tests.support.pairing_device import Code, Device, a_phone
from tests.support.pairing_service import PairingService

REFUSALS = "dispatch_pairing_refusals_total"
OFFERS = "dispatch_pairing_offers_total"
SIGN_INS = "dispatch_pairing_sign_ins_total"
HERS = "another horse, another staple"


def refused(method: str, word: str) -> dict[str, str]:
    """Give the line that the service logs."""
    return {"event": "refused", "method": method, "reason": word}


async def mallorys(service: PairingService) -> Device:
    """Give a phone of the attacker's."""
    device = a_phone(service.address, "burner")
    await device.sign_in("mallory", HERS)
    return device


def keeps_secret(watched: Watch, *devices: Device, code: Code | None = None) -> None:
    """Look for what these devices, and the code, hold."""
    for device in devices:
        watched.secrets += [one for one in (device.key.private_bytes_raw(), device.nonce, device.session) if one]
        watched.ids += [device.id]
    if code is not None:
        watched.secrets += [code.token, sha256(code.token).digest()]
        watched.ids += [code.offer_id]
