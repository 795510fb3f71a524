"""The faults, as a table: what each does to a part of a laboratory, and how it is undone.

docs/faults.md lists them for people. A fault knows nothing of tasks; when it comes and what must follow is said in `cells`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from tests.faults.network import Direction, Network, Part, Weather

if TYPE_CHECKING:
    from tests.faults.laboratory import Laboratory

DELAY_LEASES = 0.2
"""How long each piece takes one way, while a network is slow."""
TRICKLE_BYTES_PER_SECOND = 6_000
JUMP_SECONDS = 3_600
_SHARE_OF_A_LEASE = 0.5

Act: TypeAlias = "Callable[[Laboratory, Part], Awaitable[None]]"


class Harm(StrEnum):
    """What a fault does to its part, which decides what may become of a task."""

    BRIEF = "brief"  # it stumbles, or is slow, and goes on by itself
    AWAY = "away"  # nobody reaches it for longer than a lease; its process goes on
    DEAD = "dead"  # its process ends, and is started again
    DISK = "disk"  # it can't remember anything new
    CLOCK = "clock"  # its wall clock is wrong


class Lasts(StrEnum):
    """How long a fault lasts before it is undone."""

    MOMENT = "a moment"  # what it takes to bring it about
    KNOWN = "until the phone says so, or three leases"
    TASK = "until the task is over"
    VALIDITY = "longer than a command is valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break a part."""

    name: str
    about: str
    harm: Harm
    lasts: Lasts
    strike: Act
    mend: Act
    before: Act | None = None
    """What has to be so before the task is sent."""
    network: bool = False
    needs_disk: bool = False
    needs_faketime: bool = False


def _paths(lab: Laboratory, part: Part) -> list[tuple[Network, frozenset[Part]]]:
    """Give the networks that a part depends on, and who dials there on its behalf."""
    if part is Part.LAN:
        return [(lab.lan, frozenset(Part))]
    if part is Part.RELAY:
        return [(lab.to_relay, frozenset(Part)), (lab.to_pairing, frozenset({Part.RELAY}))]
    if part is Part.PAIRING:
        return [(lab.to_pairing, frozenset(Part))]
    return [(lab.to_relay, frozenset({part})), (lab.to_pairing, frozenset({part})), (lab.lan, frozenset(Part))]


def _made(make: Callable[[Laboratory], Weather], lab: Laboratory, part: Part, network: Network) -> Weather:
    """Make the weather of a network. Where the part is dialled, what it says goes down: directions are turned round."""
    weather = make(lab)
    if part is Part.HOST and network is lab.lan and len(weather.held) == 1:
        weather.held = frozenset(Direction) - weather.held
    return weather


async def _nothing(lab: Laboratory, part: Part) -> None:
    del lab, part


async def _clear(lab: Laboratory, part: Part) -> None:
    for network, _ in _paths(lab, part):
        network.clear()


async def _cut(lab: Laboratory, part: Part) -> None:
    for network, parts in _paths(lab, part):
        network.cut(parts)


def _weather(make: Callable[[Laboratory], Weather], *, cut: bool = False) -> Act:
    async def begin(lab: Laboratory, part: Part) -> None:
        for network, parts in _paths(lab, part):
            network.change(parts, partial(_made, make, lab, part, network))
            if cut:
                network.cut(parts)

    return begin


async def _reorder(lab: Laboratory, part: Part) -> None:
    """Hold what is said on the old connection; the new one is there before it is heard."""
    network, parts = _paths(lab, part)[0]
    network.mute_now(parts)
    await asyncio.sleep(_SHARE_OF_A_LEASE * lab.lease_ms / 1000)  # the fault itself: what is said meanwhile is held
    opened = network.count("opened")
    network.strand(parts)
    await network.wait_for("opened", more_than=opened, within_seconds=3 * lab.lease_ms / 1000)


async def _kill(lab: Laboratory, part: Part) -> None:
    await lab.kill(part)


async def _terminate(lab: Laboratory, part: Part) -> None:
    await lab.kill(part, signal.SIGTERM)


async def _start(lab: Laboratory, part: Part) -> None:
    await lab.start_part(part)


async def _freeze(lab: Laboratory, part: Part) -> None:
    lab.freeze(part, frozen=True)


async def _thaw(lab: Laboratory, part: Part) -> None:
    lab.freeze(part, frozen=False)


async def _stumble(lab: Laboratory, part: Part) -> None:
    lab.freeze(part, frozen=True)
    await asyncio.sleep(_SHARE_OF_A_LEASE * lab.lease_ms / 1000)  # the fault itself
    lab.freeze(part, frozen=False)


async def _fill(lab: Laboratory, part: Part) -> None:
    lab.disks.fill(part)


async def _make_room(lab: Laboratory, part: Part) -> None:
    lab.disks.make_room(part)


async def _no_writes(lab: Laboratory, part: Part) -> None:
    lab.let_write(part, may=False)


async def _writes(lab: Laboratory, part: Part) -> None:
    lab.let_write(part, may=True)


async def _read_only(lab: Laboratory, part: Part) -> None:
    await lab.kill(part)
    lab.disks.remount(part, writable=False)
    await lab.must_not_run(part)


async def _read_write(lab: Laboratory, part: Part) -> None:
    lab.disks.remount(part, writable=True)
    await lab.start_part(part)


async def _spoil(lab: Laboratory, part: Part) -> None:
    await lab.kill(part)
    lab.disks.spoil(part)
    await lab.must_not_run(part)


async def _restore(lab: Laboratory, part: Part) -> None:
    lab.disks.restore(part)
    await lab.start_part(part)


async def _with_clock(lab: Laboratory, part: Part) -> None:
    """Start the part anew, with a clock that can be set."""
    lab.clocks.want(part, wanted=True)
    if part is not Part.PHONE:
        await lab.kill(part, signal.SIGTERM)
        await lab.start_part(part)
        await lab.connected()
        await lab.host_is_back()


async def _true_clock(lab: Laboratory, part: Part) -> None:
    """Start the part anew, without a clock that can be set: what stands in for it costs time with each look at a clock."""
    lab.clocks.want(part, wanted=False)
    if part is not Part.PHONE:
        await lab.kill(part, signal.SIGTERM)
        await lab.start_part(part)


def _clock(seconds: int) -> Act:
    async def jump(lab: Laboratory, part: Part) -> None:
        lab.clocks.set(part, seconds)

    return jump


_HELD_UP, _HELD_DOWN = frozenset({Direction.UP}), frozenset({Direction.DOWN})

_ALL = (
    Fault(
        name="cut", about="all connections are reset; new ones work at once",
        harm=Harm.BRIEF, lasts=Lasts.MOMENT, strike=_cut, mend=_clear, network=True,
    ),
    Fault(
        name="outage", about="all connections are reset, and so is each new one",
        harm=Harm.AWAY, lasts=Lasts.KNOWN, network=True,
        strike=_weather(lambda _: Weather(refused=True), cut=True), mend=_clear,
    ),
    Fault(
        name="mute", about="half open: what the dialling side says is not heard, and nobody is told",
        harm=Harm.AWAY, lasts=Lasts.KNOWN, network=True,
        strike=_weather(lambda _: Weather(held=_HELD_UP)), mend=_clear,
    ),
    Fault(
        name="deaf", about="half open: the dialling side hears nothing, and nobody is told",
        harm=Harm.AWAY, lasts=Lasts.KNOWN, network=True,
        strike=_weather(lambda _: Weather(held=_HELD_DOWN)), mend=_clear,
    ),
    Fault(
        name="blackhole", about="nothing comes through in either direction, and nobody is told",
        harm=Harm.AWAY, lasts=Lasts.KNOWN, network=True,
        strike=_weather(lambda _: Weather(held=_HELD_UP | _HELD_DOWN)), mend=_clear,
    ),
    Fault(
        name="blackhole-long", about="the same, for longer than a command is valid",
        harm=Harm.AWAY, lasts=Lasts.VALIDITY, network=True,
        strike=_weather(lambda _: Weather(held=_HELD_UP | _HELD_DOWN)), mend=_clear,
    ),
    Fault(
        name="delay", about=f"each piece takes {DELAY_LEASES} of a lease, both ways",
        harm=Harm.BRIEF, lasts=Lasts.TASK, network=True,
        strike=_weather(lambda lab: Weather(delay_seconds=DELAY_LEASES * lab.lease_ms / 1000)), mend=_clear,
    ),
    Fault(
        name="throttle", about=f"{TRICKLE_BYTES_PER_SECOND:,} bytes a second, both ways",
        harm=Harm.BRIEF, lasts=Lasts.TASK, network=True,
        strike=_weather(lambda _: Weather(bytes_per_second=TRICKLE_BYTES_PER_SECOND)), mend=_clear,
    ),
    Fault(
        name="twice", about="each message of an open stream comes twice, both ways",
        harm=Harm.BRIEF, lasts=Lasts.TASK, network=True,
        strike=_weather(lambda _: Weather(twice=True)), mend=_clear,
    ),
    Fault(
        name="reorder", about="what was said on the old connection is heard behind what is said on the new one",
        harm=Harm.BRIEF, lasts=Lasts.MOMENT, network=True, strike=_reorder, mend=_clear,
    ),
    Fault(
        name="sigkill", about="SIGKILL, and a new start afterwards",
        harm=Harm.DEAD, lasts=Lasts.KNOWN, strike=_kill, mend=_start,
    ),
    Fault(
        name="sigterm", about="SIGTERM, and a new start afterwards",
        harm=Harm.DEAD, lasts=Lasts.KNOWN, strike=_terminate, mend=_start,
    ),
    Fault(
        name="freeze", about="SIGSTOP, and SIGCONT afterwards",
        harm=Harm.AWAY, lasts=Lasts.KNOWN, strike=_freeze, mend=_thaw,
    ),
    Fault(
        name="stumble", about="SIGSTOP, and SIGCONT after half a lease",
        harm=Harm.BRIEF, lasts=Lasts.MOMENT, strike=_stumble, mend=_nothing,
    ),
    Fault(
        name="full", about="not a free byte on the disk",
        harm=Harm.DISK, lasts=Lasts.KNOWN, strike=_fill, mend=_make_room, needs_disk=True,
    ),
    Fault(
        name="full-long", about="the same, for longer than a command is valid",
        harm=Harm.DISK, lasts=Lasts.VALIDITY, strike=_fill, mend=_make_room, needs_disk=True,
    ),
    Fault(
        name="no-write", about="each write of the running process to a file fails",
        harm=Harm.DISK, lasts=Lasts.KNOWN, strike=_no_writes, mend=_writes,
    ),
    Fault(
        name="read-only", about="SIGKILL; on a read-only disk it must not run; then on a writable one",
        harm=Harm.DEAD, lasts=Lasts.KNOWN, strike=_read_only, mend=_read_write, needs_disk=True,
    ),
    Fault(
        name="corrupt", about="SIGKILL; with a spoilt page in its store it must not run; then with the page as it was",
        harm=Harm.DEAD, lasts=Lasts.KNOWN, strike=_spoil, mend=_restore,
    ),
    Fault(
        name="ahead", about=f"its wall clock jumps {JUMP_SECONDS:,} s forward",
        harm=Harm.CLOCK, lasts=Lasts.TASK, before=_with_clock, strike=_clock(JUMP_SECONDS), mend=_true_clock,
        needs_faketime=True,
    ),
    Fault(
        name="behind", about=f"its wall clock jumps {JUMP_SECONDS:,} s back",
        harm=Harm.CLOCK, lasts=Lasts.TASK, before=_with_clock, strike=_clock(-JUMP_SECONDS), mend=_true_clock,
        needs_faketime=True,
    ),
)  # fmt: skip

FAULTS = {fault.name: fault for fault in _ALL}
