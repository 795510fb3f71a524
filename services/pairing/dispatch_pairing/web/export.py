"""Everything that the service keeps of an account, as one JSON object, for its owner. No secret, nor what is kept to check one.

Written in pieces, because a history may be long. docs/account-page.md lists the fields.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.errors import SignInRequired
from dispatch.ids import AccountId, TaskId

from dispatch_pairing.model import Account, Device, Pairing, TaskRecord
from dispatch_pairing.offers import Offer
from dispatch_pairing.store import Repositories, Store
from dispatch_pairing.web.words import machine

_CHUNK = 500


async def export(account_id: AccountId, *, store: Store, now_ms: int) -> AsyncIterator[str]:
    """Give the JSON, piece by piece."""
    async with store.read() as kept:
        account = await kept.accounts.get(account_id)
        if account is None:
            raise SignInRequired  # erased a moment ago
        head = await _head(kept, account, now_ms=now_ms)
    # The tasks stand last, behind all else, and are fetched as they are written.
    yield _json(head)[:-2] + ',\n  "tasks": ['
    before: tuple[int, TaskId] | None = None
    separator = "\n    "
    while True:
        async with store.read() as kept:
            tasks = await kept.history.of_account(account_id, before=before, limit=_CHUNK)
        for task in tasks:
            yield separator + json.dumps(_task(task))
            separator = ",\n    "
        if len(tasks) < _CHUNK:
            break
        before = (tasks[-1].posted_ms, tasks[-1].task_id)
    yield "\n  ]\n}\n"


async def _head(kept: Repositories, account: Account, *, now_ms: int) -> dict[str, Any]:
    account_id = account.account_id
    devices = await kept.devices.of_account(account_id)
    offers = [
        offer
        for device in devices
        for offer in await kept.offers.of_host_since(device.device_id, 0)
        if offer.account_id == account_id
    ]
    return {
        "exported_at": machine(now_ms),
        "account": {
            "id": account_id.hex(),
            "name": account.name,
            "plan": account.plan.value,
            "created_at": machine(account.created_ms),
            "has_password": bool(account.password),
        },
        "provider_sign_ins": [
            {"issuer": one.issuer, "subject": one.subject} for one in await kept.accounts.logins(account_id)
        ],
        "web_sessions": [
            {"created_at": machine(one.created_ms), "expires_at": machine(one.expires_ms)}
            for one in await kept.accounts.web_sessions(account_id)
        ],
        "devices": [await _device(kept, one) for one in devices],
        "pairings": [_pairing(one) for one in await kept.pairings.of_account(account_id)],
        "pairing_requests": [{**_offer(one), "messages": len(await kept.offers.steps(one.offer_id))} for one in offers],
    }


async def _device(kept: Repositories, device: Device) -> dict[str, Any]:
    sign_in = await kept.devices.sign_in(device.device_id)
    return {
        "id": device.device_id.hex(),
        "public_key": device.key.hex(),
        "name": device.name,
        "kind": device.role.name.lower(),
        "app_version": device.app_version,
        "created_at": machine(device.created_ms),
        "last_seen_at": _maybe(device.seen_ms),
        "revoked_at": _maybe(device.revoked_ms),
        "sign_in": None
        if sign_in is None
        else {"given_at": machine(sign_in.rotated_ms), "expires_at": machine(sign_in.expires_ms)},
        "left_unknown_pairings": [one.hex() for one in await kept.pairings.farewells_of(device.device_id)],
    }


def _pairing(pairing: Pairing) -> dict[str, Any]:
    return {
        "id": pairing.pair_id.hex(),
        "host": pairing.host_id.hex(),
        "phone": pairing.phone_id.hex(),
        "created_at": machine(pairing.created_ms),
        "active": pairing.active,
        "ended_by": None if pairing.ended_by is None else pairing.ended_by.name.lower(),
    }


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.offer_id.hex(),
        "host": offer.host_id.hex(),
        "phone": None if offer.phone_id is None else offer.phone_id.hex(),
        "created_at": machine(offer.created_ms),
        "state": offer.state.value,
        "reason": None if offer.reason is None else errors.word(offer.reason),
        "wrong_claims": offer.misses,
        "contested": offer.contested,
    }


def _task(task: TaskRecord) -> dict[str, Any]:
    known = task.outcome in Outcome.values() and task.outcome != 0
    outcome = Outcome.Name(Outcome.ValueType(task.outcome)).removeprefix("OUTCOME_").lower() if known else None
    return {
        "id": task.task_id.hex(),
        "pairing": task.pair_id.hex(),
        "phone": task.phone_id.hex(),
        "host": task.host_id.hex(),
        "posted_at": machine(task.posted_ms),
        "accepted": task.accepted,
        "outcome": outcome,
        "reason": errors.word(Reason.ValueType(task.reason)) if task.reason else None,
        "ended_at": _maybe(task.ended_ms),
    }


def _maybe(at_ms: int | None) -> str | None:
    return machine(at_ms) if at_ms else None


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2)
