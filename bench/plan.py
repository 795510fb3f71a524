"""What a run of `bench.pairs` is to do, and the share of one load process, which it gets as JSON. Values only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run."""

    pairs: int
    relays: int = 1
    rate: float = 0.2
    """Commands a second and pair, in an open loop: they are posted when they are due, whatever became of the ones before."""
    in_flight: int = 0
    """Not 0: a closed loop. Each pair has so many commands under way, and posts the next when one is over; `rate` is not used."""
    seconds: float = 60.0
    idle_seconds: float = 5.0
    """How long everybody is attached and silent before the first command; what the relays use meanwhile is that of idle streams."""
    sealed_bytes: int = 1024
    """Of a command, and of the keep row that answers it."""
    processes: int = 2
    """That make the load."""
    connections: int = 4
    """Of each of them to each relay; the streams share them."""
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one load process does. Handed over on its standard input: `signer` is a secret, if only of this run."""

    plan: Plan
    number: int
    addresses: tuple[str, ...]
    signer: str
    """Seed of the key that signs grants, hex."""

    def told(self) -> str:
        """Give it as a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> Share:
        """Read such a line."""
        said = json.loads(line)
        return cls(**{**said, "plan": Plan(**said["plan"]), "addresses": tuple(said["addresses"])})


def shares(plan: Plan, *, addresses: tuple[str, ...], signer: str) -> list[Share]:
    """Divide the pairs among the load processes."""
    each, more = divmod(plan.pairs, plan.processes)
    return [
        Share(plan=replace(plan, pairs=each + (number < more)), number=number, addresses=addresses, signer=signer)
        for number in range(plan.processes)
    ]
