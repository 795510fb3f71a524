"""Several phones at one host, and pairings that somebody else has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors
from dispatch.api.host.v1 import host_pb2
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.device.home import Home
from dispatch_host.agents import Result

from tests.protocol.test_device_ceremony import Device
from tests.support.host_bench import Bench
from tests.support.pairing_service import PairingService
from tests.support.phone_end import PhoneEnd
from tests.support.relay_end import RelayEnd
from tests.support.waiting import DEADLINE_SECONDS, turns


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Bench, PhoneEnd]]:
    """Give a host with two phones, each with a session."""
    async with RelayEnd() as relay, Bench(tmp_path) as bench:
        other = await bench.pairs_with(Ed25519PrivateKey.generate(), relay, phone_name="tablet")
        await bench.ready()
        await relay.attached()
        await other.shakes_hands()
        await other.catches_up()
        yield bench, other


async def test_one_task_runs_at_a_time_over_all_phones_and_each_sees_its_own(two: tuple[Bench, PhoneEnd]) -> None:
    bench, other = two
    first = await bench.phone.sends("first")
    await bench.phone.sees(first.task_id, "started")
    second = await other.sends("second")
    assert (await other.sees(second.task_id, "waiting")).waiting.position == 1

    bench.agent.says("first", Result("one"))
    await bench.phone.sees_end(first.task_id)
    await other.sees(second.task_id, "started")
    bench.agent.says("second", Result("two"))
    await other.sees_end(second.task_id)

    assert bench.agent.closed == ["first", "second"]
    assert bench.agent.histories == [[], []]
    assert bench.phone.of(second.task_id) == other.of(first.task_id) == []


async def test_a_task_of_one_phone_is_not_another_s_to_cancel(two: tuple[Bench, PhoneEnd]) -> None:
    bench, other = two
    sent = await bench.phone.sends("mine")
    await bench.phone.sees(sent.task_id, "started")

    assert await other.posts(other.cancel(sent.task_id)) == errors.TaskUnknown.reason
    assert await other.posts(other.task("mine", task_id=sent.task_id)) == errors.IdReused.reason


async def test_with_several_phones_one_must_be_named(two: tuple[Bench, PhoneEnd]) -> None:
    bench, other = two
    async with bench.control() as control:
        with pytest.raises(errors.TargetNeeded) as needed:
            await control.unpair("")
        await control.unpair("tablet")
        status = await control.status()

    assert needed.value.said() == {"phones": ["pocket", "tablet"]}
    assert [pairing.phone_name for pairing in status.pairings] == ["pocket"]
    assert (other.revoked, bench.phone.revoked) == (True, False)
    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)


def keys_of(bench: Bench) -> list[str]:
    return [path.name for path in (bench.home / "keys").iterdir() if path.name.startswith("pair-")]


async def test_a_pairing_that_the_service_calls_over_is_dropped_with_its_keys_and_its_tasks(
    two: tuple[Bench, PhoneEnd],
) -> None:
    bench, other = two
    running = await bench.phone.sends("long")
    await bench.phone.sees(running.task_id, "started")
    await bench.until(lambda: bench.agent.runs)
    waiting = await other.sends("quick")
    bench.pairing.tombstones.add(bench.pair_id)

    await bench.relay.ends(errors.NotPaired())

    await bench.until(lambda: "over" in bench.told)
    assert keys_of(bench) == [f"pair-{other.keys.pair_id.hex()}"]
    assert bench.agent.closed[0] == "long"
    assert bench.pairing.ended == []  # it knows
    await bench.knows(lambda status: [one.phone_name for one in status.pairings] == ["tablet"])
    await other.sees_end(waiting.task_id)


async def test_a_pairing_that_was_ended_while_the_host_was_off_is_dropped_at_the_next_start(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        bench.pairing.tombstones.add(bench.pair_id)

        bench.starts()

        await bench.until(lambda: "over" in bench.told)
        assert bench.relay.hellos == []
        assert keys_of(bench) == []


@pytest.mark.parametrize("error", [errors.NotPaired(), errors.DeviceRevoked()], ids=["not paired", "revoked"])
async def test_a_relay_that_lies_about_the_end_costs_no_key(tmp_path: Path, error: errors.DispatchError) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()

        await bench.relay.ends(error, for_good=False)

        await bench.relay.until(lambda: len(bench.relay.hellos) == 2)
        await bench.relay.attached()
        await bench.phone.shakes_hands()
        sent = await bench.phone.sends("quick")
        await bench.phone.sees_end(sent.task_id)
        assert "over" not in bench.told


async def test_nothing_is_dropped_until_the_pairing_service_can_be_asked(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        bench.pairing.away = True
        bench.pairing.tombstones.add(bench.pair_id)
        await bench.relay.ends(errors.NotPaired())
        await bench.knows(lambda status: status.pairings[0].reason == errors.NotPaired.reason)
        assert keys_of(bench)

        bench.pairing.away = False

        await bench.until(lambda: "over" in bench.told)
        assert not keys_of(bench)


async def test_a_pairing_that_the_service_only_does_not_know_is_kept_and_said(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        bench.pairing.forgotten.add(bench.pair_id)
        bench.pairing.vague = True
        bench.starts()
        await bench.until(bench.home.socket().exists)
        await bench.knows(lambda status: status.pairings[0].reason == errors.NotPaired.reason)

        assert bench.relay.hellos == []
        await bench.stops()
        assert keys_of(bench)
        bench.pairing.forgotten.clear()
        await bench.ready()


async def test_a_host_that_was_revoked_ends_and_says_so(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        sent = await bench.phone.sends("long")
        await bench.phone.sees(sent.task_id, "started")
        await bench.until(lambda: bench.agent.runs)
        bench.pairing.revoked = True

        await bench.relay.ends(errors.DeviceRevoked())

        with pytest.raises(errors.DeviceRevoked):
            await bench.ended()
        assert bench.agent.closed == ["long"]
        # What it was is dropped by the next sign-in, not by a word of the service alone.
        assert keys_of(bench)


async def test_rows_that_the_relay_no_longer_has_are_passed_over(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        sent = await bench.phone.sends("quick")
        await bench.phone.sees_end(sent.task_id)
        await bench.is_quiet()
        bench.relay.oldest = len(bench.relay.rows)
        await bench.dies()
        bench.change("UPDATE pairing SET cursor = 1")
        await bench.runs()

        assert [opening.resume_after for opening in bench.relay.opens][-2:] == [1, bench.relay.oldest]
        await bench.phone.shakes_hands()
        after = await bench.phone.sends("quick after")
        await bench.phone.sees_end(after.task_id)


async def test_a_pairing_whose_keys_are_gone_is_left_alone(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        (bench.home / "keys" / f"pair-{bench.pair_id.hex()}").unlink()
        bench.starts()
        await bench.until(bench.home.socket().exists)
        await bench.knows(lambda status: status.running)

        assert bench.relay.hellos == []


class Mishap(list[str]):
    """What a host says goes here, until a defect comes to light."""

    def append(self, word: str) -> None:
        super().append(word)
        if self.count("connected") == 1 and word == "connected":
            raise RuntimeError("a defect")


async def test_a_link_that_breaks_by_a_defect_says_so_and_the_other_goes_on(tmp_path: Path) -> None:
    async with RelayEnd() as relay, Bench(tmp_path) as bench:
        other = await bench.pairs_with(Ed25519PrivateKey.generate(), relay, phone_name="tablet")
        bench.told = Mishap()
        bench.starts()
        await bench.until(bench.home.socket().exists)

        await bench.knows(lambda status: errors.Internal.reason in {one.reason for one in status.pairings})

        async with bench.control() as control:
            pairings = (await control.status()).pairings
        broken = next(one for one in pairings if one.reason == errors.Internal.reason)
        alive, at = (bench.phone, bench.relay) if broken.phone_name == "tablet" else (other, relay)
        assert not broken.connected
        await at.attached()
        await alive.shakes_hands()
        await alive.catches_up()
        sent = await alive.sends("quick")
        await alive.sees_end(sent.task_id)


async def test_a_pairing_is_told_when_a_relay_has_let_the_running_host_in(tmp_path: Path) -> None:
    """The phone's first task, right behind it, was refused: the computer had not connected since it was paired."""
    async with (
        RelayEnd() as relay,
        Bench(tmp_path / "host") as bench,
        PairingService(tmp_path / "pairing", relay=relay.address) as service,
    ):
        bench.attached_seconds = DEADLINE_SECONDS
        relay.closed = errors.NoNetwork()
        await bench.ready()
        await service.add_account()
        phone = Device(Home(tmp_path / "tablet"), DeviceKind.DEVICE_KIND_PHONE)
        desk = Device(bench.home, DeviceKind.DEVICE_KIND_HOST)
        for device in (phone, desk):
            await device.sign_in(service.address)
        answers: asyncio.Queue[bool] = asyncio.Queue()
        said: list[str | None] = []

        async def pairs() -> None:
            async with bench.control() as control:
                async for event in control.pair(host_pb2.PairStart(), answers):
                    said.append(event.WhichOneof("event"))
                    if event.HasField("qr"):
                        scanning.append(asyncio.create_task(phone.scan(event.qr.link)))
                    elif event.HasField("code"):
                        answers.put_nowait(True)

        scanning: list[asyncio.Task[object]] = []
        pairing = asyncio.create_task(pairs())
        await relay.until(lambda: len(relay.hellos) >= 2)
        await turns()
        assert said == ["qr", "code"]

        relay.closed = None
        await pairing
        await scanning[0]

        assert said == ["qr", "code", "ended"]
        assert relay.opens
