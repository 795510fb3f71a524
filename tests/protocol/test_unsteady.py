"""A host that comes and goes many times in a short while: the phone hears what it needs, and the person is not called each time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.device_end import DeviceEnd
from tests.support.relay import Relay
from tests.support.waiting import until_so

DROPS = 8


async def dozes(host: DeviceEnd, times: int) -> None:
    """Say so often that the computer falls asleep, and that it does not."""
    for _ in range(times):
        await host.say(notice=pb.Notice(condition=pb.CONDITION_ASLEEP))
        await host.say(notice=pb.Notice(condition=pb.CONDITION_AWAKE))


async def test_a_host_that_comes_and_goes_is_called_unsteady_and_does_not_flood_its_phone(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)

    await dozes(host, DROPS)
    await host.receipt(await host.keep(b"behind all of it"))

    await phone.got("deliver")
    assert len(phone.all("presence")) < DROPS
    assert phone.all("presence")[-1].state == pb.REACHABILITY_REACHABLE
    await phone.say(looking=pb.Looking(looking=True))
    asked = await phone.got("presence", lambda one: one.unsteady)
    assert asked.presence.state == pb.REACHABILITY_REACHABLE


async def test_what_was_held_back_is_told_within_a_lease(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)

    await dozes(host, DROPS)
    await host.say(notice=pb.Notice(condition=pb.CONDITION_ASLEEP))

    # Not any word that it is away: the first two losses were told at once, and as of a steady host.
    await phone.got("presence", lambda one: one.unsteady and one.state == pb.REACHABILITY_ABSENT)


async def test_a_device_that_asks_is_told_how_old_the_lease_is(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    await phone.presence(pb.REACHABILITY_REACHABLE)
    host.frozen = True  # it says nothing more, so its lease grows old

    async def age_ms() -> int:
        told = len(phone.all("presence"))
        await phone.say(looking=pb.Looking(looking=True))
        await phone.until(lambda: len(phone.all("presence")) > told)
        last = phone.all("presence")[-1]
        assert not last.unsteady
        return int(last.lease_age_ms)

    first = await age_ms()
    await until_so(lambda: _grown(age_ms, first))


async def _grown(age_ms: Callable[[], Awaitable[int]], first: int) -> bool:
    return await age_ms() > first


async def test_the_person_is_called_once_or_twice_for_a_host_that_comes_and_goes(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    command = await phone.post(b"a long task")
    await host.got("handover")
    await host.say(take=pb.Take(message_id=command))
    await phone.receipt(command)

    await dozes(host, DROPS)
    await host.receipt(await host.keep(b"behind all of it"))

    suppressed = await calm_relay.metric("dispatch_relay_pushes_total", outcome="suppressed_unsteady")
    sent = await calm_relay.metric("dispatch_relay_pushes_total", outcome="sent")
    assert (sent, suppressed) == (2, DROPS - 2)
    assert len(calm_relay.push.calls) == 2
