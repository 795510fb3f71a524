"""Limits by address behind a load balancer: whoever it names is counted, and nobody names himself (docs/scale.md).

Everything here comes from 127.0.0.1. Where that is the balancer's network, its word counts; where it is not, it is an attacker's.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch import errors
from dispatch.address import Address
from dispatch.runtime.peer import FORWARDED, Proxies
from dispatch_pairing.limits import Rate
from dispatch_pairing.listeners import WebListener

from tests.support.browser_end import Browser
from tests.support.certificates import Certificates
from tests.support.device_end import DeviceEnd
from tests.support.pairing_device import ACCOUNT, Device, a_phone
from tests.support.pairing_service import PairingService, with_limits
from tests.support.relay import Relay
from tests.support.wires import BOTH_CARRIERS

BALANCERS = Proxies.parse(["127.0.0.0/8"])
ELSEWHERE = Proxies.parse(["192.0.2.0/24"])
ADA, MALLORY, VICTIM = "203.0.113.7", "203.0.113.8", "198.51.100.1"
ONE_FAILURE = with_limits(per_address=Rate(burst=1, refill_ms=60_000))


async def sign_in(phone: Device, *, password: str, said: tuple[str, ...]) -> None:
    """Sign in once the device has a nonce, with these headers."""
    name = f"{ACCOUNT}SignIn"
    for _ in range(2):
        call = phone.prepare(name, phone.sign_in_request("ada", password))
        call = type(call)(call.method, call.body, (*call.metadata, *((FORWARDED, one) for one in said)))
        try:
            await phone.send(call)
        except errors.NonceExpired:
            continue
        return


class TestPairing:
    async def test_failed_sign_ins_count_for_whom_the_balancer_names(self, tmp_path: Path) -> None:
        async with PairingService(tmp_path / "pairing", limits=ONE_FAILURE, proxies=BALANCERS) as service:
            await service.add_account("ada")
            with pytest.raises(errors.SignInFailed):
                await sign_in(a_phone(service.address), password="wrong horse", said=(MALLORY,))

            with pytest.raises(errors.RateLimited):
                await sign_in(a_phone(service.address), password="wrong horse", said=(MALLORY,))
            await sign_in(a_phone(service.address), password="correct horse battery staple", said=(ADA,))

    @pytest.mark.parametrize("said", ["earlier", "in one value"])
    async def test_an_attacker_behind_the_balancer_who_sends_the_header_himself_is_counted_as_himself(
        self, tmp_path: Path, said: str
    ) -> None:
        async with PairingService(tmp_path / "pairing", limits=ONE_FAILURE, proxies=BALANCERS) as service:
            await service.add_account("ada")
            pretended = [f"{VICTIM[:-1]}{number}" for number in range(3)]
            through = [(one, MALLORY) if said == "earlier" else (f"{one}, {MALLORY}",) for one in pretended]
            with pytest.raises(errors.SignInFailed):
                await sign_in(a_phone(service.address), password="wrong horse", said=through[0])

            for words in through[1:]:
                with pytest.raises(errors.RateLimited):
                    await sign_in(a_phone(service.address), password="wrong horse", said=words)

    @pytest.mark.parametrize("proxies", [Proxies(), ELSEWHERE])
    async def test_an_attacker_who_is_no_balancer_gets_no_new_count_by_the_header(
        self, tmp_path: Path, proxies: Proxies
    ) -> None:
        async with PairingService(tmp_path / "pairing", limits=ONE_FAILURE, proxies=proxies) as service:
            await service.add_account("ada")
            with pytest.raises(errors.SignInFailed):
                await sign_in(a_phone(service.address), password="wrong horse", said=(MALLORY,))

            with pytest.raises(errors.RateLimited):
                await sign_in(a_phone(service.address), password="wrong horse", said=(VICTIM,))

    @pytest.mark.parametrize(("proxies", "others_status"), [(BALANCERS, 303), (ELSEWHERE, 429)])
    async def test_the_account_page_goes_by_the_same_rule(
        self, tmp_path: Path, proxies: Proxies, others_status: int
    ) -> None:
        # With TLS: in the clear on this computer it believes a proxy here without being told to.
        certificates = Certificates(tmp_path)
        web = WebListener(Address.parse("127.0.0.1:0"), certificates.server())
        async with PairingService(tmp_path / "pairing", limits=ONE_FAILURE, web=web, proxies=proxies) as service:
            await service.add_account("ada")
            address, tls = str(service.running.web), certificates.believing()
            async with Browser(address, verify=tls, headers={FORWARDED: f"{VICTIM}, {MALLORY}"}) as browser:
                assert (await browser.sign_in("ada", "wrong horse")).status_code == 403
                assert (await browser.sign_in("ada")).status_code == 429
            async with Browser(address, verify=tls, headers={FORWARDED: VICTIM}) as browser:
                assert (await browser.sign_in("ada")).status_code == others_status


@BOTH_CARRIERS
class TestRelay:
    async def test_streams_that_open_count_for_whom_the_balancer_names(self, tmp_path: Path, carrier: str) -> None:
        async with Relay(tmp_path / "relay", carrier=carrier, proxies=BALANCERS) as relay:
            await relay.stop()
            await relay.start(openings=1, hello_ms=60_000)
            phone = relay.pair().phone
            silent = DeviceEnd(relay.address, sent_along=[(FORWARDED, MALLORY)])
            await silent.say(hello=phone.hello())
            await silent.got("challenge")

            again = await DeviceEnd(relay.address, sent_along=[(FORWARDED, VICTIM), (FORWARDED, MALLORY)]).ended()
            other = DeviceEnd(relay.address, sent_along=[(FORWARDED, ADA)])
            await other.say(hello=phone.hello())

            assert isinstance(again, errors.RateLimited)
            await other.got("challenge")
            for end in (silent, other):
                await end.drop()

    async def test_an_attacker_who_is_no_balancer_gets_no_new_count_by_the_header(
        self, tmp_path: Path, carrier: str
    ) -> None:
        async with Relay(tmp_path / "relay", carrier=carrier, proxies=ELSEWHERE) as relay:
            await relay.stop()
            await relay.start(openings=1, hello_ms=60_000)
            silent = DeviceEnd(relay.address, sent_along=[(FORWARDED, MALLORY)])
            await silent.say(hello=relay.pair().phone.hello())
            await silent.got("challenge")

            again = await DeviceEnd(relay.address, sent_along=[(FORWARDED, VICTIM)]).ended()

            assert isinstance(again, errors.RateLimited)
            await silent.drop()
