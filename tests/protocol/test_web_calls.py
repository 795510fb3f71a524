"""What only calls of browsers have: pages and names, the question beforehand. The rest is tested over both carriers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dispatch import errors
from dispatch.address import Address
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DEVICE_KIND_HOST
from dispatch.runtime.origins import Origins
from dispatch_pairing.listeners import WebListener

from tests.support.certificates import Certificates, is_shown, shown_by
from tests.support.connect_end import PAGE, headers_of
from tests.support.pairing_device import ACCOUNT, PAIRING, TRUST, Device, a_phone
from tests.support.pairing_service import PairingService, with_limits
from tests.support.ports import address_to_come_back_to
from tests.support.waiting import DEADLINE_SECONDS

TURNED = "dispatch_pairing_web_turned_away_total"
SIGN_IN = f"{ACCOUNT}SignIn"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing", carrier="web") as service:
        await service.add_account("ada")
        yield service


def proved(phone: Device) -> tuple[bytes, list[tuple[str, str]]]:
    """Give a sign-in that would be let in, but for its nonce; so that what a page may is not all that is asked."""
    call = phone.prepare(SIGN_IN, phone.sign_in_request())
    return call.body, headers_of(call.metadata)


async def asked(service: PairingService, method: str = "POST", path: str = SIGN_IN, **options: Any) -> httpx.Response:
    """Ask the listener for browsers."""
    async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE_SECONDS) as client:
        return await client.request(method, f"http://{service.address}{path}", **options)


async def test_a_phone_in_a_browser_signs_in_pairs_and_renews_its_grant(service: PairingService) -> None:
    """The host comes by gRPC, the phone by Connect: the service is one."""
    host = Device(server=service.grpc_address, kind=DEVICE_KIND_HOST, name="desk")
    await host.sign_in()
    phone = await service.phone()

    pair_id = await service.paired(host, phone)

    assert (await phone.renew(pair_id)).grant.grant
    assert service.metric("dispatch_pairing_calls_total", method="RenewGrant", code="OK", carrier="web") == 1
    assert service.metric("dispatch_pairing_calls_total", method="CreateOffer", code="OK", carrier="grpc") == 1


async def test_a_browser_is_told_where_relays_take_browsers(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", carrier="web", relay=None) as service:
        await service.add_account("ada")
        pair_id = await service.paired(host := await service.host(), phone := await service.phone())
        relay = Device(server=service.grpc_address, kind=DEVICE_KIND_HOST, name="relay")
        request = pb.FollowTrustRequest(relay_address="relay.example:7302", web_address="relay.example:7305")
        relay.nonce = b"none is needed"
        async with relay.follow(f"{TRUST}FollowTrust", request) as feed:
            await feed.next()

            for device in (host, phone):
                renewed = await device.renew(pair_id)
                assert list(renewed.relays) == ["relay.example:7302"]
                assert list(renewed.web_relays) == ["relay.example:7305"]


@pytest.mark.parametrize(
    ("status", "reason", "changed"),
    [
        (403, "cross_site", {"origin": "https://hostile.example"}),
        (403, "cross_site", {"origin": "null"}),
        (403, "cross_site", {"origin": f"{PAGE}.hostile.example"}),
        (421, "host", {"host": "rebound.example"}),
        (415, "media_type", {"content-type": "application/json"}),
        (415, "media_type", {"content-type": "text/plain"}),
        (415, "media_type", {"content-type": "application/grpc-web+proto"}),
    ],
)
async def test_who_may_not_call_is_turned_away_unread_and_told_nothing(
    service: PairingService, status: int, reason: str, changed: dict[str, str]
) -> None:
    body, headers = proved(a_phone(service.address))
    before = service.metric("dispatch_pairing_refusals_total", reason="NONCE_EXPIRED")

    response = await asked(service, content=body, headers={**dict(headers), **changed})

    assert response.status_code == status
    assert "access-control-allow-origin" not in response.headers
    assert "dispatch-next-nonce-bin" not in response.headers
    assert service.metric(TURNED, reason=reason) == 1
    assert service.metric("dispatch_pairing_refusals_total", reason="NONCE_EXPIRED") == before


async def test_a_page_of_a_listed_origin_may_ask_beforehand_and_no_other(service: PairingService) -> None:
    question = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,connect-protocol-version,dispatch-device-bin,dispatch-dialled",
    }

    yes = await asked(service, "OPTIONS", headers={**question, "origin": PAGE})
    no = await asked(service, "OPTIONS", headers={**question, "origin": "https://hostile.example"})
    other_headers = {**question, "origin": PAGE, "access-control-request-headers": "authorization"}
    no_more = await asked(service, "OPTIONS", headers=other_headers)

    assert (yes.status_code, yes.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "access-control-allow-credentials" not in yes.headers
    assert "Origin" in yes.headers["vary"]
    assert (no.status_code, "access-control-allow-origin" in no.headers) == (403, False)
    assert no_more.status_code == 400


async def test_an_answer_is_for_its_page_and_for_no_cache(service: PairingService) -> None:
    body, headers = proved(a_phone(service.address))

    response = await asked(service, content=body, headers=headers)

    assert response.status_code == 401  # no nonce yet: it comes with the refusal
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-expose-headers"] == "dispatch-next-nonce-bin"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in response.headers
    assert response.json()["details"][0]["type"] == "google.rpc.ErrorInfo"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_nothing_is_called_but_by_post(service: PairingService, method: str) -> None:
    body, headers = proved(a_phone(service.address))

    response = await asked(service, method, content=body, headers=headers)

    assert response.status_code == 405


async def test_what_is_for_services_and_what_is_not_there_can_not_be_called(service: PairingService) -> None:
    _, headers = proved(a_phone(service.address))
    for path in (f"{TRUST}FollowTrust", f"{PAIRING}Nothing", "/dispatch.api."):
        assert (await asked(service, path=path, content=b"", headers=headers)).status_code == 404


async def test_compressed_requests_are_refused(service: PairingService) -> None:
    body, headers = proved(a_phone(service.address))

    response = await asked(service, content=body, headers=[*headers, ("content-encoding", "gzip")])

    assert response.json()["code"] == "unimplemented"


@pytest.mark.parametrize(("value", "status"), [("!", 400), ("%", 400), ("A", 400), ("é", 401), ("AAA\x80", 401)])
async def test_a_header_that_is_no_base64_is_refused_and_one_that_is_no_text_is_as_if_it_were_not_there(
    service: PairingService, value: str, status: int
) -> None:
    body, headers = proved(a_phone(service.address))
    spoilt = [
        (name.encode(), (value if name == "dispatch-proof-bin" else said).encode("latin-1")) for name, said in headers
    ]

    response = await asked(service, content=body, headers=spoilt)

    assert response.status_code == status
    assert response.json()["details"][0]["type"] == "google.rpc.ErrorInfo"


async def test_a_request_that_does_not_end_is_not_waited_for(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", carrier="web", limits=with_limits(web_read_ms=100)) as service:
        host, port = str(service.address).split(":")
        reader, writer = await asyncio.open_connection(host, port)
        head = f"POST {SIGN_IN} HTTP/1.1\r\nHost: {service.address}\r\nContent-Type: application/proto\r\nContent-Length: 9"

        writer.write(f"{head}\r\n\r\nhalf".encode())

        async with asyncio.timeout(DEADLINE_SECONDS):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        assert service.metric(TURNED, reason="too_slow") == 1
        writer.close()
        await writer.wait_closed()


async def test_without_origins_there_are_pages_and_no_calls(tmp_path: Path) -> None:
    web = WebListener(listen=_free())
    async with PairingService(tmp_path / "pairing", carrier="web", web=web) as service:
        body, headers = proved(a_phone(service.address))

        assert (await asked(service, content=body, headers=headers)).status_code in {403, 404, 415}
        assert (await asked(service, "GET", "/sign-in")).status_code == 200


async def test_the_account_page_is_beside_the_calls_and_no_page_may_script_it(service: PairingService) -> None:
    page = await asked(service, "GET", "/sign-in", headers={"origin": PAGE})

    assert page.status_code == 200
    assert "access-control-allow-origin" not in page.headers


async def test_calls_go_over_tls_and_a_new_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    old, new = certificates.issue(), certificates.issue(days=9)
    web = WebListener(_free(), certificates.server(old), Origins.parse([PAGE]))
    async with PairingService(tmp_path / "pairing", carrier="web", web=web) as service:
        body, headers = proved(a_phone(service.address))
        async with httpx.AsyncClient(
            verify=certificates.believing(), trust_env=False, timeout=DEADLINE_SECONDS
        ) as client:
            response = await client.post(f"https://{service.address}{SIGN_IN}", content=body, headers=headers)
        assert response.status_code == 401
        assert "strict-transport-security" in response.headers
        assert is_shown(old, await shown_by(service.address))

        certificates.keys(new)

        assert is_shown(new, await shown_by(service.address))


async def test_who_follows_an_offer_is_sent_away_when_the_service_closes(service: PairingService) -> None:
    host = await service.host()
    code = service.code()
    await host.create_offer(code)
    phone = await service.phone()
    await phone.claim(code)
    async with phone.follow(f"{PAIRING}FollowOffer", pb.FollowOfferRequest(offer_id=code.offer_id)) as feed:
        await feed.next()
        stopping = asyncio.create_task(service.stop())

        with pytest.raises(errors.Draining) as sent_away:
            await feed.next()

        assert sent_away.value.retry_after_ms > 0
        await stopping


def _free() -> Address:
    return Address.parse(address_to_come_back_to())
