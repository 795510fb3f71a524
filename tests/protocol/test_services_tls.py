"""Services among themselves: only who shows a certificate of the services' authority is told of trust."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from dispatch import errors
from dispatch.address import Address
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.pairing.v1 import pairing_pb2_grpc
from dispatch.runtime.certificate import CertificateFiles
from dispatch.status import from_rpc
from dispatch.tls import Dialler, KeyFiles
from dispatch_pairing.listeners import ServicesListener

from tests.support.certificates import Certificates
from tests.support.pairing_service import PairingService
from tests.support.relay import Relay
from tests.support.waiting import DEADLINE_SECONDS

LOOPBACK = Address(host="127.0.0.1", port=0)


@pytest.fixture
def public(tmp_path: Path) -> Certificates:
    """The authority that devices are told of."""
    return Certificates(tmp_path / "certificates", "public")


@pytest.fixture
def services(tmp_path: Path) -> Certificates:
    """The authority of the services."""
    return Certificates(tmp_path / "certificates", "services")


@pytest.fixture
async def pairing(tmp_path: Path, public: Certificates, services: Certificates) -> AsyncIterator[PairingService]:
    """A pairing service with a listener of its own for services."""
    async with PairingService(
        tmp_path / "pairing",
        relay=None,
        certificate=public.server(),
        services=ServicesListener(LOOPBACK, services.server(callers=services)),
    ) as service:
        yield service


def own(certificates: Certificates, *, name: str = "relay", caller: bool = True, days: float = 5) -> KeyFiles:
    """What a service shows."""
    return certificates.keys(certificates.issue(["relay"], caller=caller, days=days), name=name)


async def follow(address: str, dialler: Dialler) -> pb.FollowTrustResponse:
    """Follow trust; gives the first word. Raises what a relay would log."""
    async with dialler.dial(address) as channel:
        call = pairing_pb2_grpc.TrustServiceStub(channel).FollowTrust(
            pb.FollowTrustRequest(relay_address="127.0.0.1:1"), timeout=DEADLINE_SECONDS
        )
        try:
            told = await call.read()
        except grpc.aio.AioRpcError as failure:
            raise await dialler.explain(address, from_rpc(failure)) from failure
        finally:
            call.cancel()
    assert isinstance(told, pb.FollowTrustResponse)
    return told


def listener(service: PairingService) -> str:
    return str(service.running.services)


async def test_who_shows_a_certificate_of_the_services_authority_is_told(
    pairing: PairingService, services: Certificates
) -> None:
    told = await follow(listener(pairing), services.dialler(identity=own(services)))

    assert told.keys.keys


@pytest.mark.parametrize("who", ["nobody", "a stranger", "a server", "a device's friend", "too late"])
async def test_nobody_else_is_told(
    who: str, tmp_path: Path, pairing: PairingService, public: Certificates, services: Certificates
) -> None:
    shown: KeyFiles | None = None
    match who:
        case "a stranger":
            shown = own(Certificates(tmp_path / "stranger", "services"))
        case "a server":
            shown = own(services, caller=False)
        case "a device's friend":
            shown = own(public)
        case "too late":
            shown = own(services, days=-1)

    with pytest.raises(errors.TlsFailed) as said:
        await follow(listener(pairing), services.dialler(identity=shown))

    assert str(said.value) == (
        f"{listener(pairing)} hung up after the handshake, "
        "as one does that wants a certificate of another authority from its callers"
    )


async def test_the_services_listener_is_not_spoken_to_in_the_clear(pairing: PairingService) -> None:
    with pytest.raises(errors.TlsFailed, match="speaks TLS"):
        await follow(listener(pairing), Dialler())


async def test_a_service_believes_only_its_own_authority(
    pairing: PairingService, public: Certificates, services: Certificates
) -> None:
    with pytest.raises(errors.TlsFailed, match="an authority that is not trusted here"):
        await follow(listener(pairing), public.dialler(identity=own(services)))


async def test_trust_is_not_served_where_devices_connect(
    pairing: PairingService, public: Certificates, services: Certificates
) -> None:
    for dialler in (public.dialler(), public.dialler(identity=own(services))):
        with pytest.raises(errors.NotSupported):
            await follow(pairing.address, dialler)


async def test_history_is_taken_where_services_connect_and_not_from_devices(
    pairing: PairingService, public: Certificates, services: Certificates
) -> None:
    async def report(address: str, dialler: Dialler) -> None:
        async with dialler.dial(address) as channel:
            call: Any = pairing_pb2_grpc.HistoryServiceStub(channel).Report
            await call(pb.ReportRequest(), timeout=DEADLINE_SECONDS)

    await report(listener(pairing), services.dialler(identity=own(services)))

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await report(pairing.address, public.dialler())
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_devices_are_not_served_where_services_connect(pairing: PairingService, services: Certificates) -> None:
    async with services.dialler(identity=own(services)).dial(listener(pairing)) as channel:
        call: Any = pairing_pb2_grpc.AccountServiceStub(channel).SignIn
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(pb.SignInRequest(), timeout=DEADLINE_SECONDS)

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_on_one_computer_relays_follow_where_devices_connect(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing") as service:
        assert service.running.services is None
        assert (await follow(service.address, Dialler())).keys.keys


async def test_a_relay_with_a_certificate_follows_trust_and_hears_of_an_ended_pairing(
    tmp_path: Path, pairing: PairingService, public: Certificates, services: Certificates
) -> None:
    relay = Relay(
        tmp_path / "relay",
        dialler=public.dialler(),
        certificate=public.server(),
        pairing=Address.parse(listener(pairing)),
        services_ca=services.file,
        services=own(services),
    )

    async with relay:
        assert await relay.metric("dispatch_relay_trust_feed_connected") == 1


async def test_a_relay_takes_its_new_certificate_when_it_follows_anew(
    tmp_path: Path, pairing: PairingService, public: Certificates, services: Certificates
) -> None:
    keys = own(services, days=-1)
    relay = Relay(
        tmp_path / "relay",
        dialler=public.dialler(),
        certificate=public.server(),
        pairing=Address.parse(listener(pairing)),
        services_ca=services.file,
        services=keys,
    )
    await relay.trust.__aenter__()
    try:
        await relay.start(until_serving=False)
        await relay.serving(False)

        assert own(services) == keys

        await relay.serving()
    finally:
        await relay.__aexit__(None, None, None)


async def test_an_authority_taken_away_from_the_services_file_lets_nobody_new_in(
    pairing: PairingService, services: Certificates, tmp_path: Path
) -> None:
    mine = services.dialler(identity=own(services))
    await follow(listener(pairing), mine)

    services.file.write_bytes(Certificates(tmp_path / "next").authority.pem)

    with pytest.raises(errors.TlsFailed):
        await follow(listener(pairing), mine)


def test_a_listener_for_services_without_their_authority_is_refused(services: Certificates) -> None:
    with pytest.raises(ValueError, match="--services-ca"):
        ServicesListener(LOOPBACK, CertificateFiles(keys=services.keys()))
