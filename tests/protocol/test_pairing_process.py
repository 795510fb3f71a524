"""The pairing service as a real process: its command line, SIGKILL in the middle of things, and what it leaves lying about."""

from __future__ import annotations

import base64
import os
import resource
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb

from tests.support.browser_end import Browser
from tests.support.pairing_device import PAIRING, PASSWORD, Code, Device, a_host, a_phone, signed_pairing, words
from tests.support.ports import address_to_come_back_to
from tests.support.processes import Process, run

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start the service on one folder, as often as wanted; all of them are ended with the test."""
    started: list[Process] = []

    async def start(*more: str, listen: str = "", executed: bool = False) -> Process:
        listen = listen or address_to_come_back_to()
        words = ("dispatch-pairing", "serve", "--listen", listen, "--data", str(tmp_path / "data"), *more)
        process = await Process.start(*words, executed=executed)
        started.append(process)
        return process

    yield start
    for process in started:
        await process.stop()


async def add(tmp_path: Path, name: str = "ada", password: str = PASSWORD) -> tuple[int, list[dict[str, object]]]:
    return await run(
        "dispatch-pairing", "account", "add", name, "--data", str(tmp_path / "data"), "--password-stdin", stdin=password
    )


def page(metrics: str) -> bytes:
    with urlopen(f"http://{metrics}/metrics") as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.big
@pytest.mark.skipif(sys.platform != "linux", reason="asks another process for its limits")
async def test_it_takes_all_the_open_files_that_it_may_have(start: Start) -> None:
    """Else connections of browsers, which are bounded, would leave none for devices, which come by the same process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        service = await start("--relay", "127.0.0.1:1", "--web", "127.0.0.1:0", executed=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await service.event("listening")

    assert resource.prlimit(service.pid, resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.big
async def test_accounts_are_added_while_the_service_is_up_and_before_it_ever_was(tmp_path: Path, start: Start) -> None:
    assert await add(tmp_path) == (0, [{"event": "added", "account": "ada", "plan": "pro"}])
    service = await start("--metrics", "127.0.0.1:0", "--relay", "127.0.0.1:1")
    listening = await service.event("listening")
    assert set(listening) == {"event", "address", "metrics", "services", "web", "name"}
    assert b'dispatch_pairing_refusals_total{reason="OTHER_ACCOUNT"} 0.0' in page(listening["metrics"])

    assert (await add(tmp_path, "bob", "another horse"))[0] == 0

    await a_phone(listening["address"]).sign_in("ada")
    await a_phone(listening["address"]).sign_in("bob", "another horse")
    code, events = await run("dispatch-pairing", "account", "list", "--data", str(tmp_path / "data"))
    assert (code, [event["account"] for event in events]) == (0, ["ada", "bob"])
    assert await service.stop() == 0


@pytest.mark.big
async def test_an_account_that_can_not_be_is_refused_with_a_reason(tmp_path: Path) -> None:
    await add(tmp_path)

    for name, password, code, reason in (
        ("Ada", "long enough", 9, "ACCOUNT_EXISTS"),
        ("bob", "", 2, "BAD_REQUEST"),
        ("bob", "short", 2, "BAD_REQUEST"),
        ("bob\nby", "long enough", 2, "BAD_REQUEST"),
    ):
        left, events = await add(tmp_path, name, password)
        assert (left, events[0]["event"], events[0]["reason"]) == (code, "refused", reason)


@pytest.mark.big
async def test_the_password_is_never_an_argument(tmp_path: Path) -> None:
    code, events = await run("dispatch-pairing", "account", "add", "ada", "--data", str(tmp_path / "data"))

    assert (code, events[0]["reason"]) == (2, "BAD_REQUEST")


@pytest.mark.big
@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:99999", "0.0.0.0:0"])
async def test_an_address_that_will_not_do_is_a_usage_error(start: Start, listen: str) -> None:
    service = await start(listen=listen)

    assert await service.ended() == 2


@pytest.mark.big
async def test_plaintext_off_loopback_takes_the_operators_word(tmp_path: Path) -> None:
    words_ = ("dispatch-pairing", "serve", "--listen", "0.0.0.0:0", "--data", str(tmp_path / "data"))
    service = await Process.start(*words_, env={"DISPATCH_PLAINTEXT": "1"})
    try:
        await service.event("listening")
    finally:
        assert await service.stop() == 0


@pytest.mark.big
async def test_a_second_service_on_the_same_folder_is_refused(start: Start) -> None:
    await (await start()).event("listening")

    second = await start()

    assert await second.ended() == 9
    assert second.events[0]["reason"] == "HOME_IN_USE"


@pytest.mark.big
async def test_an_address_that_is_taken_is_one_clear_error(tmp_path: Path, start: Start) -> None:
    first = await start()
    address = (await first.event("listening"))["address"]

    second = await Process.start("dispatch-pairing", "serve", "--listen", address, "--data", str(tmp_path / "other"))

    assert await second.ended() == 1
    assert address in second.events[0]["text"]
    assert b"Traceback" not in second.stderr


@pytest.mark.big
async def test_a_key_that_others_may_read_stops_the_start(tmp_path: Path, start: Start) -> None:
    first = await start()
    await first.event("listening")
    await first.stop()
    (tmp_path / "data" / "signing.key").chmod(0o644)

    second = await start()

    assert await second.ended() == 1
    assert second.events[0]["reason"] == "STORE_FAILED"


@pytest.mark.big
async def test_everything_it_writes_is_for_its_own_user(tmp_path: Path, start: Start) -> None:
    await (await start()).event("listening")
    await add(tmp_path)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}

    assert {"pairing.db", "signing.key"} <= set(modes)
    assert [name for name, mode in modes.items() if mode & 0o077] == []
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


@pytest.mark.big
async def test_its_name_stays_whatever_it_listens_on(start: Start) -> None:
    first = await start("--advertise", "pairing.example:7301")
    assert (await first.event("listening"))["name"] == "pairing.example:7301"
    await first.stop()

    second = await start()
    assert (await second.event("listening"))["name"] == "pairing.example:7301"
    await second.stop()

    third = await start("--name", "something else")
    assert await third.ended() == 2


@pytest.mark.big
@pytest.mark.parametrize("killed_after", [3, 8])
async def test_a_ceremony_goes_on_after_sigkill(tmp_path: Path, start: Start, killed_after: int) -> None:
    await add(tmp_path)
    service = await start("--relay", "127.0.0.1:1")
    address = (await service.event("listening"))["address"]
    host, phone, code = a_host(address), a_phone(address), Code(os.urandom(16), os.urandom(32))
    await host.sign_in()
    await phone.sign_in()
    await host.create_offer(code)
    await phone.claim(code)
    request = pb.FollowOfferRequest(offer_id=code.offer_id)
    async with phone.follow(f"{PAIRING}FollowOffer", request) as feed:
        assert words(await feed.next()) == "claimed"
        for number in range(1, 9):
            await (phone if number % 2 else host).step(code, number)
            if number == killed_after:
                service.signal(signal.SIGKILL)
                await service.ended()
                service = await start("--relay", "127.0.0.1:1", listen=address)
                await service.event("listening")
        with pytest.raises(errors.NoNetwork):
            await feed.rest()
    await host.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code))

    assert await phone.told(code) == ["claimed", "step 2", "step 4", "step 6", "step 8", "complete"]
    assert (await phone.renew(b"p" * 16)).relays == ["127.0.0.1:1"]


def shapes(secret: bytes) -> Iterator[bytes]:
    """Give the forms in which a secret might be lying about."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield "".join(f"\\x{byte:02x}" for byte in secret).encode()
    yield repr(secret)[2:-1].encode()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + secret)
        yield text[4:-4]
        yield text[4:-4].replace(b"+", b"-").replace(b"/", b"_")
    if secret.isascii():
        yield secret.decode().encode("utf-16-le")


def found(secret: bytes, places: dict[str, bytes]) -> list[str]:
    return [place for place, content in places.items() for shape in shapes(secret) if shape in content]


def test_the_search_finds_what_is_planted() -> None:
    secret = os.urandom(32)
    for shape in shapes(secret):
        assert found(secret, {"here": b"before" + shape + b"after"})


@pytest.mark.big
async def test_no_secret_is_lying_about(tmp_path: Path, start: Start) -> None:
    password = "the canary sings at midnight"
    await add(tmp_path, "ada", password)
    service = await start("--metrics", "127.0.0.1:0", "--relay", "127.0.0.1:1")
    listening = await service.event("listening")
    host, phone, code = (
        a_host(listening["address"]),
        a_phone(listening["address"]),
        Code(os.urandom(16), os.urandom(32)),
    )
    secrets = [password.encode(), code.token]

    async def use(device: Device) -> None:
        await device.sign_in("ada", password)
        secrets.extend((device.session, device.nonce, device.key.private_bytes_raw()))

    await use(host)
    await use(phone)
    with pytest.raises(errors.SignInFailed):
        await a_phone(listening["address"]).sign_in("ada", "a wrong canary entirely")
    secrets.append(b"a wrong canary entirely")
    await host.create_offer(code)
    with pytest.raises(errors.OfferUnknown):
        await phone.claim(code, token=b"t" * 16 + code.offer_id)
    secrets.append(b"t" * 16 + code.offer_id)
    await phone.claim(code)
    await host.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code))
    secrets.append((await phone.renew(b"p" * 16)).grant.signature)
    last = phone.prepare(f"{PAIRING}EndPairing", pb.EndPairingRequest(pair_id=b"q" * 16))
    secrets.append(bytes(dict(last.metadata)["dispatch-proof-bin"]))  # type: ignore[arg-type]
    await phone.send(last)
    secrets.append((tmp_path / "data" / "signing.key").read_bytes())
    places = {"metrics": page(listening["metrics"])}
    files = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir() if path.name != "signing.key"}
    assert any(name.endswith("-wal") for name in files)
    service.signal(signal.SIGKILL)
    await service.ended()
    places |= files | {"log": bytes(service.stderr), "output": repr(service.events).encode()}
    assert b"signed in" in places["log"]

    assert [place for secret in secrets for place in found(secret, places)] == []


@pytest.mark.big
async def test_the_account_page_is_where_the_service_says(tmp_path: Path, start: Start) -> None:
    await add(tmp_path)
    service = await start("--web", "127.0.0.1:0")
    async with Browser((await service.event("listening"))["web"]) as browser:
        assert (await browser.sign_in()).headers["location"] == "/devices"
        session = browser.cookies["dispatch"]

    assert await service.stop() == 0
    assert session.encode() not in service.stderr
    assert PASSWORD.encode() not in service.stderr
    assert b"Traceback" not in service.stderr


@pytest.mark.big
@pytest.mark.parametrize(
    "words",
    [
        ("--web", "0.0.0.0:0"),
        ("--web", "nowhere"),
        ("--web-cert", "tls.pem", "--web-key", "tls.key"),
        ("--web", "127.0.0.1:0", "--web-cert", "tls.pem"),
        ("--web", "127.0.0.1:0", "--web-cert", "missing.pem", "--web-key", "missing.key"),
    ],
)
async def test_an_account_page_that_can_not_be_served_as_told_is_refused_at_the_start(
    start: Start, words: tuple[str, ...]
) -> None:
    service = await start(*words)

    assert await service.ended() == 2
    assert service.events[0]["reason"] == "BAD_REQUEST"


@pytest.mark.big
async def test_an_address_of_the_account_page_that_is_taken_is_a_fault(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = await start("--web", f"127.0.0.1:{taken.getsockname()[1]}")

        assert await service.ended() == 1
        assert "can't listen on 127.0.0.1" in service.events[0]["text"]
