"""The host's end of transfers against a real relay: the newest offer counts, and nothing is endless."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import SystemClock
from dispatch.files.carrier import RelayCarrier
from dispatch.files.description import Described
from dispatch.files.giving import give
from dispatch.ids import FileId, Instance, PairId, TransferId
from dispatch.thread import Identity, Right
from dispatch_host.files import Artifacts, Attachments, Inbox, Transfers
from dispatch_host.files.transfers import DONE, MOST_ASKED, MOST_OF_PAIRING, Shop
from dispatch_host.journal import Tx, Writer, files, permissions, threads
from dispatch_host.journal.values import Pairing
from dispatch_host.permissions.permission import Grant, Kind, Permission
from dispatch_host.scope import Folder

from tests.support.device_end import KINDS
from tests.support.device_end import Identity as Device
from tests.support.relay import Relay
from tests.support.waiting import DEADLINE_SECONDS, until

CONTENT = os.urandom(200_000)


def described(content: bytes = CONTENT, name: str = "report.csv") -> Described:
    return Described(
        file_id=FileId(os.urandom(16)),
        key=os.urandom(32),
        name=name,
        size=len(content),
        sha256=sha256(content).digest(),
    )


@dataclass
class Bytes:
    """A source in memory."""

    content: bytes

    def read(self, at: int, length: int) -> bytes:
        return self.content[at : at + length]


def identity(device: Device) -> Identity:
    return Identity(device.device_id, KINDS[device.role], device.key.sign)


@dataclass
class Link:
    """What transfers need of a link; keeps what is shown."""

    pairing: Pairing
    relay_address: str
    device: Device
    refused: list[Reason.ValueType] = field(default_factory=list)

    async def right(self, *, fresh: bool) -> Right:
        return Right(self.device.grant(), [self.relay_address])

    def show(self, items: Sequence[pb.DownLiveItem]) -> None:
        self.refused += [item.transfer_refused.reason for item in items]


class Disk:
    """Says how much room there is, when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()

    def free(self, _: Path) -> int:
        self.asked += 1
        assert self.answers.wait(DEADLINE_SECONDS)
        return 2**40


class Host:
    """A host's transfers, for one phone."""

    def __init__(self, folder: Path, relay: Relay, journal: Writer, link: Link, phone: Device) -> None:
        self.link = link
        self.disk = Disk()
        self.ended: list[str] = []
        self.journal = journal
        self._relay = relay
        self._phone = phone
        inbox, clock = Inbox(folder / "attachments", most_bytes=2**30, free=self.disk.free), SystemClock()
        self.shop = Shop(
            journal=journal,
            attachments=Attachments(inbox, journal=journal, clock=clock),
            artifacts=Artifacts(keep_out=[], inbox=inbox, most_bytes=2**30, rng=os.urandom),
            clock=clock,
            rng=os.urandom,
            identity=identity(link.device),
            instance=Instance(os.urandom(16)),
            most_bytes=2**30,
            ended=self.ended.append,
        )
        self.transfers = Transfers(self.shop)

    def offered(self, file: Described) -> TransferId:
        """Hear an offer, as through the link."""
        transfer_id = TransferId(os.urandom(16))
        self.transfers.offered(self.link, pb.FileOffer(transfer_id=transfer_id, file=file.attachment()))
        return transfer_id

    def joined(self, transfer_id: TransferId) -> contextlib.AbstractAsyncContextManager[RelayCarrier]:
        """Be the phone: join."""
        right = Right(self._phone.grant(), [self._relay.address])
        return RelayCarrier.joined(
            right,
            self._relay.address,
            transfer_id,
            identity=identity(self._phone),
            instance=Instance(os.urandom(16)),
            rng=os.urandom,
        )

    async def given(self, file: Described, transfer_id: TransferId) -> None:
        """Be the phone: join, and give the file."""
        async with self.joined(transfer_id) as carrier:
            await give(carrier, file, Bytes(CONTENT), transfer_id=transfer_id, rng=os.urandom, progress=lambda _: None)

    async def arrived(self) -> list[str]:
        """List the attachments that are here."""
        return [one.path.name for one in await self.journal.step(files.attachments) if one.path.is_file()]


@pytest.fixture
async def host(tmp_path: Path, calm_relay: Relay) -> AsyncIterator[Host]:
    pair = calm_relay.pair()
    journal = Writer(tmp_path / "journal.db")
    journal.open()
    with contextlib.closing(journal):
        pairing = Pairing(
            pair_id=PairId(pair.pair_id),
            phone_key=pair.phone.public_key,
            phone_name="pocket",
            attestation=b"",
            phone_signature=b"",
            host_signature=b"",
        )
        joined = await journal.step(lambda tx: threads.join(tx, pairing))
        assert joined is not None
        link = Link(replace(pairing, thread=joined.thread), calm_relay.address, pair.host)
        host = Host(tmp_path, calm_relay, journal, link, pair.phone)
        async with host.transfers:
            yield host


async def test_an_offer_arrives_whole_and_the_same_one_again_is_answered_without_the_file(host: Host) -> None:
    file = described()
    for number in (1, 2):
        await host.given(file, host.offered(file))
        await until(lambda ended=number: len(host.ended) == ended)  # type: ignore[misc]

    assert host.ended == [DONE, DONE]
    assert await host.arrived() == ["report.csv"]


async def test_of_three_offers_of_one_file_the_newest_counts_when_the_others_have_let_go(host: Host) -> None:
    file = described()
    host.disk.answers.clear()
    host.offered(file)
    await until(lambda: host.disk.asked == 1)  # a slow disk holds the first
    host.offered(file)
    await asyncio.sleep(0)
    newest = host.offered(file)
    giving = asyncio.create_task(host.given(file, newest))
    host.disk.answers.set()

    await giving

    await until(lambda: host.ended)
    assert (host.ended, host.link.refused) == ([DONE], [])
    assert await host.arrived() == ["report.csv"]


async def test_a_known_id_with_another_digest_is_refused_and_the_file_stays(host: Host) -> None:
    file = described()
    await host.given(file, host.offered(file))
    other = described(b"other")

    host.transfers.offered(
        host.link,
        pb.FileOffer(
            transfer_id=os.urandom(16),
            file=pb.Attachment(file_id=file.file_id, key=other.key, name="a", size=5, sha256=other.sha256),
        ),
    )

    await until(lambda: host.link.refused)
    assert host.link.refused == [Reason.REASON_ID_REUSED]
    assert await host.arrived() == ["report.csv"]


async def test_offers_without_end_are_refused_and_do_not_reach_the_disk(host: Host) -> None:
    file = described()
    for _ in range(MOST_ASKED + 10):
        host.offered(file)
    wishes = [pb.FileWanted(transfer_id=os.urandom(16), file_id=os.urandom(16)) for _ in range(10)]
    for wish in wishes:
        host.transfers.wanted(host.link, wish)

    assert host.link.refused == [Reason.REASON_RATE_LIMITED] * 20


async def test_a_phone_has_so_many_transfers_at_once(host: Host) -> None:
    host.disk.answers.clear()
    for _ in range(MOST_OF_PAIRING + 1):
        host.offered(described())

    assert host.link.refused == [Reason.REASON_RATE_LIMITED]
    host.disk.answers.set()


async def test_when_a_pairing_is_over_nothing_of_it_touches_the_disk_any_more(host: Host, tmp_path: Path) -> None:
    host.disk.answers.clear()
    host.offered(described())
    await until(lambda: host.disk.asked == 1)

    dropping = asyncio.create_task(host.transfers.drop(host.link.pairing.pair_id))
    await asyncio.sleep(0)

    assert not dropping.done()
    host.disk.answers.set()
    await dropping
    assert await host.arrived() == []


async def test_a_file_that_is_being_given_ends_with_the_approval_of_its_folder(host: Host, tmp_path: Path) -> None:
    """It went on to its last byte: what had been opened once was not looked at again."""
    folder = tmp_path / "Documents"
    folder.mkdir()
    (folder / "report.csv").write_bytes(CONTENT)
    approved = [Folder(folder)]
    stored = host.shop.artifacts.name(
        folder / "report.csv", approved, thread=host.link.pairing.thread, at_ms=host.shop.clock.wall_ms()
    )

    def write(tx: Tx) -> None:
        permissions.allow(tx, Grant(permission=Permission(Kind.FOLDER, str(folder))), host.shop.clock.wall_ms())
        files.add(tx, stored)

    await host.journal.step(write)
    # The phone joins and takes nothing: the file is open, and waits.
    transfer_id = TransferId(os.urandom(16))
    host.transfers.wanted(host.link, pb.FileWanted(transfer_id=transfer_id, file_id=stored.file.file_id))
    async with host.joined(transfer_id):
        host.transfers.permissions_changed(approved)

        def refused() -> object:
            host.transfers.permissions_changed([Folder(tmp_path / "Pictures")])
            return host.link.refused

        await until(refused)  # whenever the host has joined, and however often it hears of it
    assert host.link.refused == [Reason.REASON_FOLDER_NOT_APPROVED]
    assert host.ended == ["FOLDER_NOT_APPROVED"]
