"""A task and the files that go with it, on the phone: each attempt sends what the first one named, whatever else is sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.files.description import checked
from dispatch.ids import TransferId
from dispatch.sealed.file import TransferEnd as Side

from tests.support.device_end import Identity
from tests.support.host_end import HostEnd
from tests.support.host_mind import HostMind
from tests.support.relay import Relay
from tests.support.seeded_phone import MOST_BYTES, Event, SeededPhone
from tests.support.transfer_end import TransferEnd
from tests.support.waiting import until

CSV = "city,sales\nBonn,3\n"


@pytest.fixture
def phone(tmp_path: Path, calm_relay: Relay) -> SeededPhone:
    return SeededPhone.make(tmp_path / "phone")


@pytest.fixture
def paired(phone: SeededPhone, calm_relay: Relay) -> tuple[HostMind, Identity]:
    return phone.pair(calm_relay.trust, [calm_relay.address])


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return written(tmp_path / "report.csv", CSV)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def moved_away(path: Path) -> Path:
    """Move a file into another folder."""
    folder = path.parent / "elsewhere"
    folder.mkdir()
    return path.rename(folder / path.name)


async def nobody() -> bool:
    raise AssertionError("nobody was to be asked")


async def resend(phone: SeededPhone, task_id: str, **more: Any) -> tuple[int, list[Event]]:
    events: list[Event] = []
    request = {"do": "resend", "id": task_id, "wait": None, "most_bytes": MOST_BYTES, **more}
    async with phone.desk() as desk:
        code = await desk.do(request, say=events.append, hear=nobody)
    return code, events


@contextlib.asynccontextmanager
async def that_has_every_file(host: HostEnd) -> AsyncIterator[None]:
    """Say of each file that is offered to this host that it is here."""

    async def answer() -> None:
        for number in range(100):
            await until(lambda wanted=number: len(host.mind.offers) > wanted)  # type: ignore[misc]
            offer = host.mind.offers[number]
            have = words.TransferWord(have=True).SerializeToString()
            transfer_id = TransferId(offer.transfer_id)
            async with TransferEnd(host.device, host.address) as taker:
                await taker.join(transfer_id)
                await taker.data(checked(offer.file).seal.seal_word(transfer_id, Side.TAKES, have, os.urandom))
                await taker.say(bye=relay_pb2.Bye())
                await taker.ended()

    answering = asyncio.create_task(answer())
    try:
        yield
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


def attachments_of(command: words.UpCommand) -> list[words.Attachment]:
    return list(words.Action.FromString(command.action).task.attachments)


async def test_a_task_goes_again_with_its_file_though_another_task_took_the_same_one(
    phone: SeededPhone, paired: tuple[HostMind, Identity], calm_relay: Relay, report: Path
) -> None:
    _, first = await phone.send("summarise it", attach=[str(report)])
    assert first[-1]["state"] == "refused"
    _, second = await phone.send("count its rows", attach=[str(report)])

    async with HostEnd(*paired, calm_relay.address) as host, that_has_every_file(host):
        for sent in (first, second):
            code, events = await resend(phone, sent[-1]["task_id"])
            assert code == 0, events

        one, other = [attachments_of(command) for command in host.mind.commands]
        assert [file.name for file in one] == ["report.csv"]
        assert one == other


async def test_every_attempt_sends_the_same_bytes(
    phone: SeededPhone, paired: tuple[HostMind, Identity], calm_relay: Relay, report: Path
) -> None:
    _, events = await phone.send("summarise it", attach=[str(report)])
    task_id = events[-1]["task_id"]
    made = sent_bytes(phone)
    moved = moved_away(report)
    with pytest.raises(errors.BadRequest):
        await resend(phone, task_id)

    async with HostEnd(*paired, calm_relay.address) as host, that_has_every_file(host):
        code, events = await resend(phone, task_id, attach=[str(moved)])

        assert code == 0, events
        assert [command.action for command in host.mind.commands] == made


@pytest.mark.usefixtures("paired")
async def test_a_file_that_was_changed_since_is_not_sent_as_the_one_of_the_first_attempt(
    phone: SeededPhone, report: Path, tmp_path: Path
) -> None:
    _, events = await phone.send("summarise it", attach=[str(report)])
    written(report, "city,sales\nBonn,4\n")
    other = written(tmp_path / "other.csv", CSV)

    with pytest.raises(errors.FileChanged):
        await resend(phone, events[-1]["task_id"])
    with pytest.raises(errors.IdReused):
        await resend(phone, events[-1]["task_id"], attach=[str(other)])


@pytest.mark.usefixtures("paired")
async def test_what_is_dropped_leaves_nothing_of_what_was_to_be_sent(phone: SeededPhone, report: Path) -> None:
    _, events = await phone.send("summarise it", attach=[str(report)])
    assert sent_bytes(phone) != [b""]

    await phone.says("drop", id=events[-1]["task_id"])

    assert sent_bytes(phone) == [b""]


def sent_bytes(phone: SeededPhone) -> list[bytes]:
    """Give what the phone keeps of its tasks to send it."""
    with phone.store() as store:
        return [task.action for task in store.tasks.of_pairing(phone.pair_id())]
