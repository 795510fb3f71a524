"""What a run of `bench.growth` is to do: its parts, and how large each is. Values only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

PARTS = ("idle", "pairs", "thread", "hosts")
"""In the order in which they run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPlan:
    """One run."""

    streams: tuple[int, ...] = (1_000, 5_000, 10_000)
    """Attached hosts that are silent, each over a connection of its own; the same relay gets more and more of them."""
    shared: tuple[int, ...] = (10_000,)
    """The same over a few connections that they share: what a connection costs is the difference."""
    settle_seconds: float = 5.0
    """From the last one that is let in until its relay's processor is looked at."""
    idle_seconds: float = 60.0
    """For how long. The long lease is 30 s: each host is asked twice."""
    pairs: tuple[int, ...] = (50, 100, 200, 400)
    """Each on a relay of its own, in a closed loop with one command of each pair under way."""
    pair_seconds: float = 10.0
    rows: tuple[int, ...] = (10, 1_000, 100_000, 1_000_000)
    """That a thread has before anything is measured; each on a relay of its own."""
    thread_rounds: int = 6
    thread_seconds: float = 4.0
    """Of one turn of one relay."""
    thread_in_flight: int = 4
    hosts: tuple[int, ...] = (1, 10, 100, 1_000)
    """Of one account, each paired with its one phone."""
    host_seconds: float = 5.0
    """For how long each call is repeated."""
    sealed_bytes: int = 1_024
    """Of a command, and of the keep row that answers it."""
    seed: int = 1


FULL = GrowthPlan()
QUICK = GrowthPlan(
    streams=(100, 500, 1_000),
    shared=(1_000,),
    settle_seconds=1.0,
    idle_seconds=30.0,
    pairs=(10, 20, 40),
    pair_seconds=4.0,
    rows=(10, 1_000, 100_000),
    thread_rounds=3,
    thread_seconds=2.0,
    hosts=(1, 10, 100),
    host_seconds=2.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostShare:
    """What a process that holds hosts needs. Handed over on its standard input: `signer` is a secret, if only of this run."""

    address: str
    signer: str
    """Seed of the key that signs grants, hex."""
    connections: int = 0
    """That the hosts share; 0: each has its own."""

    def told(self) -> str:
        """Give it as a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> HostShare:
        """Read such a line."""
        return cls(**json.loads(line))


def divided(count: int, processes: int) -> list[int]:
    """Divide so many of something among processes, as evenly as it goes."""
    each, more = divmod(count, processes)
    return [each + (number < more) for number in range(processes)]
