"""The operator's policies: who is refused, where, and what the refusal says. Over real gRPC."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch import errors
from dispatch_pairing.accounts import put_on
from dispatch_pairing.model import Plan
from dispatch_pairing.policy import Policy

from tests.support.pairing_device import ACCOUNT, Device, a_host, a_phone, signed_pairing
from tests.support.pairing_service import PairingService


async def put(service: PairingService, name: str, plan: Plan) -> None:
    async with service.store() as store:
        await put_on(name, plan, store=store)


async def refusal_of(attempt: object) -> errors.DispatchError:
    with pytest.raises(errors.DispatchError) as refused:
        await attempt  # type: ignore[misc] # any call of a device
    return refused.value


@pytest.mark.parametrize("plan", [Plan.TEAM, Plan.ENTERPRISE])
async def test_a_plan_that_may_not_pair_is_refused_at_each_step_towards_a_stream(tmp_path: Path, plan: Plan) -> None:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        host, phone, code = await service.host(), await service.phone(), service.code()
        pair_id = await service.paired(host, phone)
        await host.create_offer(code)
        await put(service, "ada", plan)

        for attempt in (
            host.create_offer(service.code()),
            phone.claim(code),
            host.complete(signed_pairing(host=host, phone=phone, pair_id=b"q" * 16, offer=code)),
            host.renew(pair_id),
            phone.renew(pair_id),
        ):
            refusal = await refusal_of(attempt)
            assert type(refusal) is errors.PlanNotAllowed
            assert refusal.metadata == {"policy": "plans", "current": plan, "required": "pro or max"}

        assert service.metric("dispatch_pairing_refusals_total", reason="PLAN_NOT_ALLOWED") == 5
        await put(service, "ada", Plan.MAX)
        await phone.claim(code)
        await phone.renew(pair_id)


async def test_the_operator_says_which_plans_may_pair(tmp_path: Path) -> None:
    policy = Policy(plans=frozenset({Plan.TEAM}))
    async with PairingService(tmp_path / "pairing", policy=policy) as service:
        await service.add_account("team", plan=Plan.TEAM)
        await service.add_account("ada", plan=Plan.PRO)

        await service.paired(await service.host(account="team"), await service.phone(account="team"))

        refusal = await refusal_of((await service.host()).create_offer(service.code()))
        assert refusal.metadata == {"policy": "plans", "current": "pro", "required": "team"}


async def test_an_app_that_is_too_old_neither_signs_in_nor_renews(tmp_path: Path) -> None:
    policy = Policy(min_phone_version="1.4.0", min_host_version="1.2.0")
    async with PairingService(tmp_path / "pairing", policy=policy) as service:
        await service.add_account("ada")
        phone, host = a_phone(service.address), a_host(service.address)

        async def refused(device: Device, version: str, required: str, name: str) -> None:
            device.app_version = version
            refusal = await refusal_of(device.sign_in())
            assert type(refusal) is errors.AppTooOld
            assert refusal.metadata == {"policy": name, "current": version or "none", "required": required}

        await refused(phone, "1.3.9", "1.4.0", "min_phone_version")
        await refused(phone, "", "1.4.0", "min_phone_version")
        await refused(host, "1.1", "1.2.0", "min_host_version")

        phone.app_version, host.app_version = "1.4.0", "1.2"
        await phone.sign_in()
        await host.sign_in()
        pair_id = await service.paired(host, phone)
        phone.app_version = "1.3.9"
        assert type(await refusal_of(phone.renew(pair_id))) is errors.AppTooOld
        assert service.metric("dispatch_pairing_refusals_total", reason="APP_TOO_OLD") == 4


async def test_a_host_has_one_owner_and_the_refusal_says_so(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        await service.add_account("bob", "another horse")
        host, phone = await service.host(), await service.phone()
        await service.paired(host, phone)

        request = host.sign_in_request("bob", "another horse")
        refusal = await refusal_of(host.call(f"{ACCOUNT}SignIn", request))

        assert type(refusal) is errors.OtherAccount
        assert refusal.detail == "this host is paired in another account, and a host belongs to one: unpair it first"
        assert refusal.metadata == {
            "policy": "owners",
            "current": "another account",
            "required": "one account for each host",
        }
