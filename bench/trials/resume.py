"""Trial `resume`: how fast a phone gets the rows that it lacks, from a relay as it is and from one that sends each by itself.

Both relays have the same thread: one is filled, stopped, and its folder copied.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from dispatch.api.relay.v1 import relay_pb2 as pb

from bench.subjects.subject import Lost
from bench.trials.ground import UNLIMITED, Ground, a_relay
from bench.trials.trial import Reading, Trial, TrialPlan, ratio_of, readings
from tests.support.device_end import ATTACH, DeviceEnd, Identity
from tests.support.trust_service import TrustService, new_id
from tests.support.wires import open_wire

NAME = "resume"
SEALED_BYTES = 1_024
POSTED_AT_ONCE = 200
"""Below what a relay takes in one message (`frames`)."""
ONE_ROW = {"batch_bytes": 1}
"""A message is over once it is longer than that: it has one row, and one row is read for it."""


async def filled(ground: Ground, rows: int) -> Identity:
    """Have a host keep so many rows for a phone that is not there; gives the phone."""
    phone, host = ground.pair()
    end = await DeviceEnd.attach(host, ground.address)
    for begin in range(0, rows, POSTED_AT_ONCE):
        posts = [_kept() for _ in range(begin, min(begin + POSTED_AT_ONCE, rows))]
        before, last = len(end.frames), posts[-1].message_id
        frames = [pb.DeviceFrame(post=post) for post in posts]
        await end.write(pb.AttachRequest(frames=frames).SerializeToString())
        await end.got("receipt", lambda one, last=last: one.message_id == last, after=before)  # type: ignore[misc]
    await end.drop()
    return phone


def _kept() -> pb.Post:
    sealed = os.urandom(SEALED_BYTES)
    return pb.Post(message_id=sha256(sealed).digest()[:16], task_id=new_id(), kind=pb.KIND_KEEP, sealed=sealed)


async def resumed(phone: Identity, address: str, rows: int) -> float:
    """Attach a phone that has no row yet; gives how many rows a second came. It acknowledges none, so that all come again.

    With as little as possible behind the wire: what reads messages one by one must not be what is measured. Raises Lost.
    """
    wire = open_wire(address, ATTACH, alone=True)
    try:
        hello = phone.hello()
        await wire.write(pb.AttachRequest(frames=[pb.DeviceFrame(hello=hello)]).SerializeToString())
        first = pb.AttachResponse.FromString(await wire.read() or b"")
        proof = phone.prove(hello, first.frames[0].challenge, dialled=address)
        begun, came = time.perf_counter(), 0
        frames = [pb.DeviceFrame(proof=proof), pb.DeviceFrame(open=pb.Open())]
        await wire.write(pb.AttachRequest(frames=frames).SerializeToString())
        while came < rows:
            message = await wire.read()
            if message is None:
                raise Lost(f"the stream ended after {came} of {rows} rows")
            came += sum(frame.HasField("deliver") for frame in pb.AttachResponse.FromString(message).frames)
        return rows / (time.perf_counter() - begun)
    finally:
        await wire.cut()


async def run(plan: TrialPlan, folder: Path) -> Sequence[Reading]:
    """Fill a thread, and resume it from both relays in turns."""
    batched: list[float] = []
    one_by_one: list[float] = []
    async with TrustService() as trust:
        async with a_relay(folder / "batched", trust, **UNLIMITED) as ground:
            phone = await filled(ground, plan.rows)
        shutil.copytree(folder / "batched", folder / "one-by-one")
        async with (
            a_relay(folder / "batched", trust) as as_it_is,
            a_relay(folder / "one-by-one", trust, **ONE_ROW) as by_itself,
        ):
            for _ in range(plan.resumes):
                batched.append(await resumed(phone, as_it_is.address, plan.rows))
                one_by_one.append(await resumed(phone, by_itself.address, plan.rows))
    return readings(
        NAME,
        of=plan.resumes,
        batched_rows_per_second=statistics.median(batched),
        one_by_one_rows_per_second=statistics.median(one_by_one),
        batched_against_one_by_one_ratio=ratio_of(batched, one_by_one),
    )


TRIAL = Trial(
    name=NAME,
    about="rows of 1 KiB that a phone lacks, in batches, and each read and sent by itself (`batch_bytes` 1)",
    figures=("batched_rows_per_second", "one_by_one_rows_per_second", "batched_against_one_by_one_ratio"),
    run=run,
)
