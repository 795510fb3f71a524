"""One process that makes load: holds its share of the pairs and has their phones post. `bench.pairs` starts it and speaks to it.

Reads a Share as a line of its standard input and says {"event": "attached"}; on a line "go" it begins, and says {"event": "done"}
with all that it counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any

import grpc
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch.channel import dial

from bench.ends import HostEnd, PhoneEnd
from bench.plan import Share
from bench.tally import Tally
from tests.support.device_end import Identity
from tests.support.trust_service import TrustService, new_id

OPENING_AT_ONCE = 16
"""More take no less time in all, and each of them longer; a relay lets 256 streams of one address be opening at once."""
ANSWERED_WITHIN_SECONDS = 60.0


class Load:
    """All pairs of this process."""

    def __init__(self, share: Share) -> None:
        self.plan, self.tally = share.plan, Tally()
        self._rng = Random(share.plan.seed * 1_000 + share.number)
        self._trust = TrustService()  # signs only, with the key of the one that the relays follow
        self._trust.signers = [Ed25519PrivateKey.from_private_bytes(bytes.fromhex(share.signer))]
        self._channels = {
            address: [dial(address, alone=True) for _ in range(share.plan.connections)] for address in share.addresses
        }
        self._addresses = share.addresses
        self._ends_at = 0.0
        self._posting: set[asyncio.Task[None]] = set()
        self._all_over = asyncio.Condition()
        self.phones: list[PhoneEnd] = []
        self.hosts: list[HostEnd] = []

    async def attach(self) -> None:
        """Attach every pair, its phone on one relay and its host on the next one, if there are several."""
        at_once = asyncio.Semaphore(OPENING_AT_ONCE)

        async def open_one(end: HostEnd | PhoneEnd) -> None:
            async with at_once:
                await end.attach()

        for number in range(self.plan.pairs):
            pair_id = new_id()
            made: dict[str, Any] = {"sealed_bytes": self.plan.sealed_bytes, "rng": self._rng}
            host, phone = (Identity(role, pair_id, self._trust) for role in ("host", "phone"))
            self.hosts.append(HostEnd(host, *self._line(number + 1), self.tally, **made))
            self.phones.append(PhoneEnd(phone, *self._line(number), self.tally, **made, over=self._over))
        for ends in (self.hosts, self.phones):
            async with asyncio.TaskGroup() as group:
                for end in ends:
                    group.create_task(open_one(end))

    async def run(self) -> int:
        """Post for as long as the plan says, then wait for what is under way; gives how much of that was never answered."""
        begun = time.perf_counter()
        self._ends_at = begun + self.plan.seconds
        await (self._closed_loop(begun) if self.plan.in_flight else self._open_loop(begun))
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_SECONDS), self._all_over:
                await self._all_over.wait_for(lambda: not self._under_way())
        except TimeoutError:
            pass
        return self._under_way()

    def held(self) -> int:
        """Give how many pairs have both ends attached."""
        return sum(phone.attached and host.attached for phone, host in zip(self.phones, self.hosts, strict=True))

    async def leave(self) -> None:
        """Break every stream."""
        await asyncio.gather(*(end.leave() for end in (*self.phones, *self.hosts)))
        await asyncio.gather(*(channel.close() for channels in self._channels.values() for channel in channels))

    async def _open_loop(self, begun: float) -> None:
        due, rate = begun, self.plan.rate * self.plan.pairs
        while rate and (due := due + self._rng.expovariate(rate)) < self._ends_at:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            self._post(self._rng.choice(self.phones), due)
        await asyncio.sleep(max(0.0, self._ends_at - time.perf_counter()))

    async def _closed_loop(self, begun: float) -> None:
        for phone in self.phones * self.plan.in_flight:
            self._post(phone, begun)
        await asyncio.sleep(self.plan.seconds)

    def _over(self, phone: PhoneEnd) -> None:
        now = time.perf_counter()
        if self.plan.in_flight and now < self._ends_at:
            self._post(phone, now)
        elif now >= self._ends_at:
            self._later(self._look())

    async def _look(self) -> None:
        async with self._all_over:
            self._all_over.notify_all()

    def _post(self, phone: PhoneEnd, due: float) -> None:
        self._later(phone.post(due))

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    def _under_way(self) -> int:
        return sum(len(phone.under_way) for phone in self.phones)

    def _line(self, number: int) -> tuple[grpc.aio.Channel, str]:
        address = self._addresses[number % len(self._addresses)]
        return self._channels[address][number // len(self._addresses) % self.plan.connections], address


async def lines() -> Callable[[], Any]:
    """Give what reads the next line of standard input; empty when it has ended."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader.readline


def say(**event: Any) -> None:
    """Tell whoever started this process something, as a line of JSON."""
    print(json.dumps(event), flush=True)


async def main() -> None:
    """Do what standard input says."""
    line = await lines()
    load = Load(Share.read((await line()).decode()))
    await load.attach()
    say(event="attached", pairs=len(load.phones))
    if await line():
        unanswered = await load.run()
        say(event="done", unanswered=unanswered, held=load.held(), **load.tally.told())
    await load.leave()


if __name__ == "__main__":
    uvloop.run(main())
