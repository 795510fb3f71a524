"""Trial `sealing`: what the seal and the handshake cost a device by themselves, in one thread of this process."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from dispatch.sealed.frame import Direction, FrameClass
from dispatch.sealed.handshake import PhoneHandshake, answer
from dispatch.sealed.head import Head

from bench.subjects.seal import LENGTH_BYTES, sealer
from bench.trials.trial import Reading, Trial, TrialPlan, readings
from tests.support.pairs import GRANT, make_pair

NAME = "sealing"
SIZES = {"1k": 1_024, "64k": 65_536}
"""Of a text."""


def _sealed(name: str, size: int, times: int) -> list[Reading]:
    """Seal and open bodies one after the other, each with its own key as the chain has it."""
    pair_id, body = os.urandom(16), os.urandom(size - LENGTH_BYTES)
    phone, host = (sealer(pair_id, Direction.UP, FrameClass.COMMAND, rng=os.urandom) for _ in range(2))
    seals: list[float] = []
    opens: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        sealed = phone.seal(body)
        between = time.perf_counter()
        host.open(sealed)
        opens.append(time.perf_counter() - between)
        seals.append(between - begun)
    values = {f"seal_{name}_us": statistics.median(seals) * 1e6, f"open_{name}_us": statistics.median(opens) * 1e6}
    return readings(NAME, of=times, **values)


def _shaken(times: int) -> list[Reading]:
    """Shake hands from message 1 to the keys of both sides."""
    pair = make_pair()
    phones: list[float] = []
    hosts: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        phone = PhoneHandshake(pair.phone, grant=GRANT, head=Head(), now_ms=0, rng=os.urandom)
        sent = time.perf_counter()
        answered = answer(pair.host, phone.message1, host_epoch=None, now_ms=0, rng=os.urandom)
        came = time.perf_counter()
        phone.finish(answered.message2, now_ms=0)
        phones.append(time.perf_counter() - came + sent - begun)
        hosts.append(came - sent)
    phone_us, host_us = statistics.median(phones) * 1e6, statistics.median(hosts) * 1e6
    return readings(NAME, of=times, handshake_phone_us=phone_us, handshake_host_us=host_us)


async def run(plan: TrialPlan, _folder: Path) -> Sequence[Reading]:
    """Seal, open and shake hands."""
    found = [one for name, size in SIZES.items() for one in _sealed(name, size, plan.seals)]
    return [*found, *_shaken(plan.handshakes)]


TRIAL = Trial(
    name=NAME,
    about="seal and open of a text, and a handshake on either side, in one thread: medians",
    figures=(
        *(f"{what}_{size}_us" for size in SIZES for what in ("seal", "open")),
        "handshake_phone_us",
        "handshake_host_us",
    ),
    run=run,
)
