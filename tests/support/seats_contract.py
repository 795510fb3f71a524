"""What the seats of several relays do, as one function: `await check_seats(make)`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dispatch.ids import PairId
from dispatch_relay.log import Done, Failed, Log
from dispatch_relay.seats import Seats

from tests.support.log_contract import done, kept, posted, result

Relay = tuple[Log, Seats]
Make = Callable[[], Awaitable[Relay]]
"""Opens the same store for one relay more."""

PAIR, OTHER = PairId(b"1" * 16), PairId(b"2" * 16)


async def check_seats(make: Make) -> None:
    """Run every check, by three relays."""
    one, two, three = [await make() for _ in range(3)]
    assert len({seats.relay for _, seats in (one, two, three)}) == 3
    await _a_seat_is_one_relays(one, two)
    await _who_has_no_seat_writes_nothing(one, two)
    await _a_seat_is_given_back_behind_what_was_written(one, two)
    await _of_several_that_take_at_once_one_gets_it([one, two, three])
    await _what_a_relay_left_is_adopted_once([one, two, three])


async def _a_seat_is_one_relays(one: Relay, two: Relay) -> None:
    assert await one[1].take(PAIR) is None
    assert await one[1].take(PAIR) is None
    assert await two[1].take(PAIR) == one[1].relay


async def _who_has_no_seat_writes_nothing(one: Relay, two: Relay) -> None:
    assert await two[1].take(OTHER) is None
    # One batch: what can't be written takes nothing else along.
    written = [result(two[0], kept(f"row {place}", pair_id=pair_id)) for place, pair_id in enumerate((PAIR, OTHER) * 2)]
    told = await asyncio.gather(*written)
    assert [isinstance(came, Failed) and came.seat_lost for came in told] == [True, False, True, False]
    assert [isinstance(came, Done) for came in told] == [False, True, False, True]
    assert (await one[0].thread(PAIR)).head_seq == 0
    assert (await one[0].thread(OTHER)).head_seq == 2


async def _a_seat_is_given_back_behind_what_was_written(one: Relay, two: Relay) -> None:
    written = asyncio.gather(*(result(one[0], kept(f"row {number}", pair_id=PAIR)) for number in range(20)))
    await asyncio.sleep(0)  # all of them are submitted
    one[1].give_back(PAIR)
    late = await result(one[0], kept("too late", pair_id=PAIR))
    assert isinstance(late, Failed)
    assert late.seat_lost
    assert all(isinstance(came, Done) for came in await written)
    assert await one[1].take(PAIR) is None  # waits until it is back, and has it anew
    await done(one[0], kept("again", pair_id=PAIR))
    one[1].give_back(PAIR)
    await done(one[0], posted("of another", pair_id=await _taken(one)))  # behind it: so it is back
    assert await two[1].take(PAIR) is None
    assert (await two[0].thread(PAIR)).head_seq == 21


async def _taken(relay: Relay) -> PairId:
    pair_id = PairId(b"t" * 16)
    assert await relay[1].take(pair_id) is None
    return pair_id


async def _of_several_that_take_at_once_one_gets_it(relays: Sequence[Relay]) -> None:
    for number in range(20):
        pair_id = PairId(bytes([number]) * 16)
        said = await asyncio.gather(*(seats.take(pair_id) for _, seats in relays))
        (winner,) = [seats.relay for (_, seats), answer in zip(relays, said, strict=True) if answer is None]
        assert {answer for answer in said if answer is not None} == {winner}


async def _what_a_relay_left_is_adopted_once(relays: Sequence[Relay]) -> None:
    (log, seats), *others = relays
    left = {PairId(bytes([100 + number]) * 16) for number in range(30)}
    for pair_id in left:
        assert await seats.take(pair_id) is None
    await asyncio.gather(*(done(log, posted("waits", pair_id=pair_id)) for pair_id in left))
    assert not await others[0][1].adopt(100)  # its relay lives
    await log.close()
    first = await others[0][1].adopt(5)
    assert len(first) == 5
    rest = await asyncio.gather(*(one.adopt(100) for _, one in others))
    adopted = [*first, *rest[0], *rest[1]]
    # Of what the relay left, also in the checks before, nothing is left and nothing is adopted twice.
    assert set(adopted) == left | {PairId(b"t" * 16)}
    assert len(adopted) == len(set(adopted))
    for pair_id in first:
        await done(others[0][0], kept("taken over", pair_id=pair_id))
