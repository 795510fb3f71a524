"""TLS between devices and servers: whom a device believes, what it says when it does not, and certificates that change."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from dispatch import errors
from dispatch.address import Address
from dispatch.api.relay.v1.relay_pb2 import DEVICE_KIND_PHONE, Opened, RelayFrame
from dispatch.clock import SystemClock
from dispatch.device.home import Home
from dispatch.device.keys import PlainFiles
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn, sign_in
from dispatch.ids import Instance
from dispatch.runtime.certificate import Certificate
from dispatch.runtime.server import Server
from dispatch.status import from_rpc
from dispatch.thread import Backoff, Identity, Right, ThreadClient
from dispatch.tls import Dialler
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from deploy.certs import HERE
from tests.support import device_end
from tests.support.certificates import Certificates, is_shown, replaced, served, shown_by
from tests.support.pairing_device import PASSWORD
from tests.support.pairing_service import PairingService
from tests.support.proxy import Proxy
from tests.support.relay import Relay
from tests.support.waiting import DEADLINE_SECONDS

ANYWHERE = Address(host="127.0.0.1", port=0)
EVERYWHERE = Address(host="0.0.0.0", port=0)  # noqa: S104 -- to speak of an address that is not this computer's alone


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """An authority that the devices of a test are told of."""
    return Certificates(tmp_path / "certificates")


@contextlib.asynccontextmanager
async def server(certificate: Certificate | None, *, listen: Address = ANYWHERE) -> AsyncIterator[str]:
    """A server of ours with nothing but health; gives its address."""
    running = Server(services=())
    address = str(await running.start(listen, certificate=certificate))
    await running.serving(True)
    try:
        yield address
    finally:
        await running.stop(grace_seconds=0)


class End:
    """What stands behind a thread stream: one relay, a grant, and a list of what happened."""

    def __init__(self, right: Right) -> None:
        self._right = right
        self.open = asyncio.Event()
        self.lost: asyncio.Queue[errors.DispatchError] = asyncio.Queue()

    async def right(self, *, fresh: bool) -> Right:
        return self._right

    def resume_after(self) -> int:
        return 0

    def looking(self) -> bool:
        return True

    async def opened(self, opened: Opened) -> None:
        self.open.set()

    async def received(self, frames: Sequence[RelayFrame]) -> None:
        pass

    async def closed(self, error: errors.DispatchError) -> None:
        await self.lost.put(error)


@contextlib.asynccontextmanager
async def attached(
    device: device_end.Identity, relay: str, dialler: Dialler
) -> AsyncIterator[tuple[End, ThreadClient]]:
    """A device's thread client, running."""
    end = End(Right(grant=device.grant(), relays=[relay], dialler=dialler))
    identity = Identity(device_id=device.device_id, kind=DEVICE_KIND_PHONE, sign=device.key.sign)
    client = ThreadClient(
        end,
        identity=identity,
        instance=Instance(device.instance),
        clock=SystemClock(),
        rng=lambda count: bytes(range(count)),
        backoff=Backoff(random.Random(1)),
    )
    running = asyncio.create_task(client.run())
    try:
        yield end, client
    finally:
        client.leave(None)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# ---- It works.


async def test_a_device_signs_in_over_tls_and_remembers_whom_it_believed(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with PairingService(tmp_path / "pairing", certificate=certificates.server()) as service:
        await service.add_account()
        home = Home(tmp_path / "phone")
        home.create()
        store = PlainFiles.of(home)

        await sign_in(
            home,
            store,
            server=service.address,
            account="ada",
            password=PASSWORD,
            device_name="pocket",
            kind=DEVICE_KIND_PHONE,
            rng=lambda count: bytes(range(count)),
            dialler=certificates.dialler(),
        )

        kept = SignIn.required(home)
        assert kept.dialler(plaintext=False) == certificates.dialler()


async def test_a_thread_is_carried_over_tls_with_the_address_that_was_dialled(
    tmp_path: Path, certificates: Certificates
) -> None:
    dialler = certificates.dialler()
    async with Relay(tmp_path / "relay", certificate=certificates.server(), dialler=dialler) as relay:
        pair = relay.pair()
        async with attached(pair.phone, relay.address, dialler) as (end, client):
            async with asyncio.timeout(DEADLINE_SECONDS):
                await end.open.wait()

            assert client.relay == relay.address
            assert await relay.metric("dispatch_relay_streams", kind="phone", carrier="grpc") == 1


async def test_without_an_authority_of_ones_own_those_of_the_computer_are_believed(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To connect to 0.0.0.0 is to connect to this computer, but it is not among the addresses that may be plain.
    issued = certificates.issue(["elsewhere", EVERYWHERE.host])
    async with server(served(certificates.server(issued)), listen=EVERYWHERE) as address:
        with pytest.raises(errors.TlsFailed, match="an authority that is not trusted here"):
            await why_not(address, Dialler())

        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.file))

        await why_not(address, Dialler())


async def why_not(address: str, dialler: Dialler) -> None:
    """Ask for health. Raises what a device would be told."""
    async with dialler.dial(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as failure:
            raise await dialler.explain(address, from_rpc(failure)) from failure


async def test_over_a_line_where_shaking_hands_takes_more_than_a_second_there_is_a_connection(
    certificates: Certificates,
) -> None:
    async with server(served(certificates.server())) as address, Proxy(address) as line:
        line.latency_seconds = 0.3

        await why_not(line.address, certificates.dialler())

        assert line.connections == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken(certificates: Certificates, version: ssl.TLSVersion) -> None:
    async with server(served(certificates.server())) as address:
        assert await shown_by(address, maximum_version=version)


@pytest.mark.filterwarnings("ignore:.*TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_1_1_is_not_spoken(certificates: Certificates) -> None:
    async with server(served(certificates.server())) as address:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await shown_by(address, minimum_version=ssl.TLSVersion.TLSv1_1, maximum_version=ssl.TLSVersion.TLSv1_1)


# ---- It does not work, and says why.

WRONG = {
    "wrong authority": "shows a certificate of an authority that is not trusted here",
    "expired": "shows a certificate that has expired",
    "another name": "shows a certificate that is for another name",
    "plaintext server": "does not speak TLS",
    "plaintext device": "speaks TLS, and this side was not told whom to believe",
}


@contextlib.asynccontextmanager
async def going_wrong(how: str, certificates: Certificates, other: Certificates) -> AsyncIterator[tuple[str, Dialler]]:
    """A server and a way to dial it that do not fit."""
    certificate: Certificate | None = None
    match how:
        case "wrong authority":
            certificate = served(other.server())
        case "expired":
            certificate = served(certificates.server(certificates.issue(days=-1)), days_ago=2)
        case "another name":
            certificate = served(certificates.server(certificates.issue(["elsewhere"])))
        case "plaintext device":
            certificate = served(certificates.server())
    async with server(certificate) as address:
        yield address, Dialler() if how == "plaintext device" else certificates.dialler()


@pytest.mark.parametrize("how", WRONG)
async def test_a_call_that_tls_stops_says_so_in_one_sentence(
    how: str, tmp_path: Path, certificates: Certificates
) -> None:
    device = device_end.Identity("phone", b"p" * 16, trust=Any)  # type: ignore[arg-type] # it never gets that far
    identity = Identity(device_id=device.device_id, kind=DEVICE_KIND_PHONE, sign=device.key.sign)
    async with (
        going_wrong(how, certificates, Certificates(tmp_path / "other")) as (address, dialler),
        PairingClient(server=address, identity=identity, dialler=dialler) as client,
    ):
        with pytest.raises(errors.TlsFailed) as said:
            await client.sign_out()
        followed = client.follow_offer(b"o" * 16)
        with pytest.raises(errors.TlsFailed) as said_of_stream:
            await anext(followed)

    assert str(said.value) == str(said_of_stream.value) == f"{address} {WRONG[how]}"


@pytest.mark.parametrize("how", WRONG)
async def test_a_thread_that_tls_stops_says_so_in_one_sentence(
    how: str, tmp_path: Path, relay: Relay, certificates: Certificates
) -> None:
    phone = relay.pair().phone  # of another relay, which is enough for a grant
    async with (
        going_wrong(how, certificates, Certificates(tmp_path / "other")) as (address, dialler),
        attached(phone, address, dialler) as (end, _),
        asyncio.timeout(DEADLINE_SECONDS),
    ):
        error = await end.lost.get()

    assert type(error) is errors.TlsFailed
    assert str(error) == f"{address} {WRONG[how]}"


async def test_a_server_that_is_not_there_is_no_matter_of_tls(certificates: Certificates) -> None:
    async with server(None) as address:
        pass

    for dialler in (Dialler(), certificates.dialler()):
        with pytest.raises(errors.NoNetwork) as said:
            await why_not(address, dialler)
        assert type(said.value) is errors.NoNetwork


async def test_a_server_that_says_nothing_is_no_matter_of_tls(certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = errors.NoNetwork("as gRPC said")

        assert await certificates.dialler().explain(f"127.0.0.1:{silent.getsockname()[1]}", error) is error


async def test_what_was_understood_is_not_explained_again(certificates: Certificates) -> None:
    refused = errors.SignInFailed()

    assert await certificates.dialler().explain("127.0.0.1:1", refused) is refused


# ---- Certificates change.


async def test_a_new_certificate_is_shown_without_a_restart_and_open_streams_go_on(
    tmp_path: Path, certificates: Certificates
) -> None:
    old, new = certificates.issue(), certificates.issue(days=9)
    dialler = certificates.dialler()
    async with Relay(tmp_path / "relay", certificate=certificates.server(old), dialler=dialler) as relay:
        async with attached(relay.pair().phone, relay.address, dialler) as (end, client):
            async with asyncio.timeout(DEADLINE_SECONDS):
                await end.open.wait()
            assert is_shown(old, await shown_by(relay.address))

            certificates.keys(new)

            assert is_shown(new, await shown_by(relay.address))
            async with attached(relay.pair().phone, relay.address, dialler) as (other, _):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await other.open.wait()
            assert end.lost.empty()
            assert client.send()  # the stream still takes frames
        assert await relay.metric("dispatch_relay_certificate_loads_total", listener="devices", result="ok") == 1


def broken_files(how: str, certificates: Certificates) -> None:
    """Put files in place that can't be used."""
    keys = certificates.keys()
    match how:
        case "garbage":
            replaced(keys.certificate, b"not a certificate")
        case "another's key":
            replaced(keys.key, certificates.issue().key)
        case "expired":
            certificates.keys(certificates.issue(days=-1))
        case "no key":
            replaced(keys.key, b"")
        case "gone":
            keys.certificate.unlink()


@pytest.mark.parametrize("how", ["garbage", "another's key", "expired", "no key", "gone"])
async def test_a_new_certificate_that_can_not_be_used_leaves_the_old_one_in_place(
    how: str, certificates: Certificates
) -> None:
    old, new = certificates.issue(), certificates.issue(days=9)
    registry = CollectorRegistry()

    def sample(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"listener": "devices", **labels})

    certificate = served(certificates.server(old), registry=registry)
    expiry = sample("test_certificate_expiry_seconds")
    async with server(certificate) as address:
        broken_files(how, certificates)

        assert is_shown(old, await shown_by(address))
        assert is_shown(old, await shown_by(address))
        broken = sample("test_certificate_loads_total", result="broken")
        assert broken is not None
        assert broken >= 1
        assert sample("test_certificate_expiry_seconds") == expiry

        certificates.keys(new)

        assert is_shown(new, await shown_by(address))
        await why_not(address, certificates.dialler())
        assert sample("test_certificate_loads_total", result="ok") == 1
        assert expiry is not None
        assert sample("test_certificate_expiry_seconds") == pytest.approx(expiry + 4 * 86_400, abs=60)


async def test_a_change_that_a_scrape_saw_first_is_shown_all_the_same(certificates: Certificates) -> None:
    new = certificates.issue(days=9)
    certificate = served(certificates.server())
    async with server(certificate) as address:
        certificates.keys(new)
        assert (certificate.expires - datetime.now(UTC)).days >= 8

        assert is_shown(new, await shown_by(address))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("garbage", "holds no certificate"),
        ("another's key", "is not the key of"),
        ("expired", "expired on"),
        ("no key", "holds no private key"),
        ("gone", "can't be read: No such file"),
    ],
)
def test_a_server_does_not_start_with_a_certificate_that_can_not_be_used(
    how: str, said: str, certificates: Certificates
) -> None:
    files = certificates.server()
    broken_files(how, certificates)

    with pytest.raises(ValueError, match=said):
        served(files)


async def test_the_probe_sees_what_grpc_sees_behind_the_computers_names(certificates: Certificates) -> None:
    async with server(served(certificates.server())) as address:
        port = Address.parse(address).port
        for name in HERE[:2]:
            await why_not(f"{name}:{port}", certificates.dialler())


async def test_the_public_name_may_be_asked_for_behind_another_address(certificates: Certificates) -> None:
    async with server(served(certificates.server(certificates.issue(["elsewhere"])))) as address:
        await why_not(address, Dialler(ca=certificates.pem, name="elsewhere"))
