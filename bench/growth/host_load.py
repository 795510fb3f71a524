"""One process that holds attached hosts, which answer when they are asked and do nothing else.

`bench.growth.idle` starts it and speaks to it: a HostShare is the first line of its standard input, then each line is how many
hosts more are to be attached; it says {"event": "attached"} when they are. It ends when its input does.
"""

from __future__ import annotations

import asyncio
from random import Random

import grpc
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch.channel import dial

from bench.ends import HostEnd
from bench.growth.files import allowed
from bench.growth.plan import HostShare
from bench.pair_load import OPENING_AT_ONCE, lines, say
from bench.tally import Tally
from tests.support.device_end import Identity
from tests.support.trust_service import TrustService, new_id


class Hosts:
    """All hosts of this process."""

    def __init__(self, share: HostShare) -> None:
        self._address, self._connections = share.address, share.connections
        self._trust = TrustService()  # signs only, with the key of the one that the relay follows
        self._trust.signers = [Ed25519PrivateKey.from_private_bytes(bytes.fromhex(share.signer))]
        self._channels: list[grpc.aio.Channel] = []
        self._hosts: list[HostEnd] = []
        self.tally = Tally()

    async def attach(self, count: int) -> None:
        """Attach so many more. Raises the reason for which the relay does not let one in."""
        at_once = asyncio.Semaphore(OPENING_AT_ONCE)

        async def open_one() -> None:
            async with at_once:
                device = Identity("host", new_id(), self._trust)
                host = HostEnd(device, self._line(), self._address, self.tally, sealed_bytes=32, rng=Random(1))
                await host.attach()
                self._hosts.append(host)

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(open_one())

    def _line(self) -> grpc.aio.Channel:
        """Give a new connection, or where there are as many as are to be shared, the one that was used least lately."""
        if self._connections and len(self._channels) == self._connections:
            self._channels.append(self._channels.pop(0))
        else:
            self._channels.append(dial(self._address, alone=True))
        return self._channels[-1]

    def held(self) -> int:
        """Give how many are attached."""
        return sum(host.attached for host in self._hosts)

    async def leave(self) -> None:
        """Break every stream."""
        await asyncio.gather(*(host.leave() for host in self._hosts))
        await asyncio.gather(*(channel.close() for channel in self._channels))


async def main() -> None:
    """Do what standard input says."""
    allowed()
    line = await lines()
    hosts = Hosts(HostShare.read((await line()).decode()))
    while more := await line():
        await hosts.attach(int(more))
        say(event="attached", held=hosts.held(), ended=hosts.tally.ended.total())
    await hosts.leave()


if __name__ == "__main__":
    uvloop.run(main())
