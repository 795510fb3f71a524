"""Runs one cell in a laboratory: brings a task to the phase, breaks the part, mends it, and asks the oracle.

Every step waits for something that can be seen from outside: a frame at a gate, an event on the phone, a number of the relay.
Called by `__main__` and `soak`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from dispatch.api.relay.v1.relay_pb2 import DeviceFrame

from tests.faults import oracle
from tests.faults.cells import AMISS, BUSY, DIRECTLY, OVER, VALID_SECONDS, Cell, End, Known, Phase
from tests.faults.faults import Harm, Lasts
from tests.faults.laboratory import Laboratory, now
from tests.faults.network import Direction, Gate, Network, Part
from tests.faults.timing import Knew, Timing, of_two
from tests.faults.wire import Frame
from tests.support.processes import Event, Process
from tests.support.waiting import DEADLINE_SECONDS

FILE_BYTES = 65 * 1024
"""Of an attachment or artifact: two chunks, of which the second is held. No more, as some networks here trickle."""
FATE_WITHIN_SECONDS = 90.0
"""Without a fate by then it is lost. Generous: this is no measure of speed."""
HISTORY_WITHIN_SECONDS = 40.0
LONGEST_LEASES = 3.0
"""A fault that nobody hears of is mended after so many leases."""
_AGAIN_SECONDS = 0.3
_TRIES = 5
_ENDED_AS_DONE = 'dispatch_relay_tasks_total{outcome="done"}'


@dataclass(slots=True)
class Result:
    """What came of a cell."""

    cell: Cell
    wrong: list[str] = field(default_factory=list)
    end: End = ("", "")
    timing: Timing | None = None
    """How long it was until the phone knew; None when the experiment did not come so far."""
    knew: Knew = Knew.NOTHING
    took_seconds: float = 0.0
    at_first: End | None = None
    """How the first trial ended, where that was a busy computer's end and not a right one."""
    story: list[str] = field(default_factory=list)
    """What the phone said, for whoever looks into a failure."""

    @property
    def to_repeat(self) -> bool:
        """Tell whether all is right but for the time, or for an end that is a busy computer's: that is tried once more."""
        if self.wrong:
            return self.end in BUSY and self.wrong == oracle.end_differs(self.end, self.cell.ends)
        return self.knew in {Knew.LATE, Knew.NOT_JUDGED}

    def after(self, first: Result) -> None:
        """Judge the time by both; this is the second one, and what is wrong with it counts."""
        self.took_seconds += first.took_seconds
        self.at_first = first.end if first.wrong else None
        self.knew = of_two(first.knew, self.knew)
        if self.knew is Knew.LATE and first.timing is not None and self.timing is not None:
            both = f"{first.timing.leases:.1f} and again {self.timing.leases:.1f} leases"
            self.wrong.append(f"the phone knew after {both}, the bound is {self.timing.bound_leases:.1f}")


class _Refused(Exception):
    """The task has ended before it came to the phase."""

    def __init__(self, last: Event) -> None:
        super().__init__(str(last))
        self.last = last


class Trial:
    """One cell, once."""

    def __init__(self, lab: Laboratory, cell: Cell, rng: Random) -> None:
        self.lab = lab
        self.cell = cell
        self.others: list[tuple[uuid.UUID, str, Process]] = []
        self._rng = rng
        self._struck_at = 0.0
        self._heard_at: float | None = None
        self._amiss = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._done: Event = {}
        self.task_id: uuid.UUID
        self.token: str
        self._be_another()

    async def run(self) -> Result:
        """Run it; what is wrong, also with the experiment itself, is in the result. Raises nothing but cancellation."""
        result = Result(self.cell)
        began = now()
        try:
            await self._run(result)
        except Exception as failure:
            result.wrong.append(f"the experiment broke off: {type(failure).__name__} {failure}")
        finally:
            result.took_seconds = now() - began
            if self._listening is not None:
                self._listening.cancel()
        return result

    async def _run(self, result: Result) -> None:
        lab, fault, part = self.lab, self.cell.fault, self.cell.part
        if fault.before is not None:
            await fault.before(lab, part)
        await self._bring_about()
        if fault.lasts is Lasts.KNOWN:
            await self._until_known()
        if fault.lasts is Lasts.VALIDITY:
            await asyncio.sleep(VALID_SECONDS + 2)  # the fault itself
        if self.cell.phase in {Phase.WAITING, Phase.RUNNING, Phase.DIRECT}:
            lab.let_go()  # its end comes while the fault is there, if it can
        last = await self._fate(result) if fault.lasts is Lasts.TASK else None
        await fault.mend(lab, part)
        if last is None:
            last = await self._fate(result)
        result.timing = self._timing()
        result.knew = result.timing.knew
        result.end = oracle.end_of(last)
        result.wrong += await self._judge(last)

    # ---- To the phase, and the fault.

    async def _bring_about(self) -> None:
        """Bring the task to the phase, and strike.

        On a computer that is busy enough a host may miss its lease with nothing broken, and a task be refused before it gets
        there. That is right, and no experiment yet: another task is sent.
        """
        for _ in range(_TRIES):
            try:
                await self._to_phase_and_strike()
            except _Refused as refused:
                self._become_another(refused.last)
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await self.lab.host_is_back()
            else:
                return
        raise AssertionError("no task came as far as the phase")

    def _become_another(self, last: Event) -> None:
        self.lab.let_go()
        for network in self.lab.networks:
            network.forget_gates()
        known = Known(task_id=str(self.task_id), token=self.token, last=last, cell=f"{self.cell.name} (refused before)")
        self.lab.tasks.append(known)
        self._be_another()

    async def _to_phase_and_strike(self) -> None:
        match self.cell.phase:
            case Phase.UNSENT:
                await self._strike()
                self._listening = asyncio.create_task(self._listen(await self._send(), skip=0))
            case Phase.POSTED:
                await self._strike_at(Part.HOST, Direction.DOWN, lambda frame: _is(frame, "handover"))
            case Phase.HANDED:
                await self._strike_at(Part.HOST, Direction.UP, lambda frame: _is(frame, "take"))
            case Phase.TAKEN:
                await self._strike_at(Part.HOST, Direction.DOWN, lambda frame: _is(frame, "deliver"))
            case Phase.WAITING:
                self.lab.hold_tasks()
                if not self.others:
                    await self._send_another()
                await self._seen(await self._send(), "waiting")
                await self._strike()
            case Phase.RUNNING:
                await self._start_held()
                await self._strike()
            case Phase.ENDED:
                await self._start_held()
                await self._strike_at(Part.HOST, Direction.UP, _ends_a_task)
            case Phase.AWAY:
                await self._start_held()
                ended = await self.lab.sample(_ENDED_AS_DONE)
                await self.lab.kill(Part.PHONE, signal.SIGKILL)
                self.lab.let_go()
                async with asyncio.timeout(DEADLINE_SECONDS):
                    while await self.lab.sample(_ENDED_AS_DONE) == ended:  # noqa: ASYNC110 -- a number on a page announces nothing
                        await asyncio.sleep(0.05)
                await self._strike()
            case Phase.TRANSFER:
                await self._strike_at(Part.PHONE, Direction.UP, _Nth("data", 2))
            case Phase.FETCH:
                await self._make_an_artifact()
                await self._strike_at(Part.PHONE, Direction.DOWN, _Nth("data", 2))
            case Phase.ASKED:
                await self._strike_at(Part.PHONE, Direction.UP, _Nth("post", 1), on=self.lab.lan)
            case Phase.AGREED:
                posted = self.lab.lan.gate(Part.PHONE, Direction.UP, _Nth("post", 1))
                await self._send()
                await self._stands_at(posted)
                # What comes down behind the Post is its Taken; the seal hides which.
                await self._strike_at(Part.PHONE, Direction.DOWN, _Nth("live", 1), on=self.lab.lan, behind=posted)
            case Phase.DIRECT:
                met = self.lab.lan.count("live")
                await self._start_held()
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await self.lab.lan.passed("live", more_than=met + 1)
                await self._strike()

    async def _make_an_artifact(self) -> None:
        """Have a task done that sends a file."""
        (self.lab.folder / "files" / f"{self.token}.bin").write_bytes(self._content())
        phone = await self._send()
        await phone.ended()
        last = phone.events[-1] if phone.events else {}
        if last.get("state") != "done":
            raise _Refused(last)
        self._done = last

    def _content(self) -> bytes:
        return Random(self.token).randbytes(FILE_BYTES)

    async def _seen(self, phone: Process, name: str) -> None:
        """Wait for an event on the phone. Raises _Refused when the task has ended before."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for event in phone.stream():
                if event["event"] == name:
                    return
        raise _Refused(phone.events[-1] if phone.events else {})

    async def _strike(self) -> None:
        phone = self.lab.phone
        self._struck_at = now()
        if phone is not None and phone.returncode is None:
            self._listening = asyncio.create_task(self._listen(phone, skip=len(phone.events)))
        await self.cell.fault.strike(self.lab, self.cell.part)

    async def _strike_at(
        self,
        part: Part,
        direction: Direction,
        wants: Callable[[Frame], bool],
        *,
        on: Network | None = None,
        behind: Gate | None = None,
    ) -> None:
        """Strike while a frame is held on its way, then let it go on, if it still can.

        What brings the frame about is that the task is sent, or goes on, or that a gate `behind` which it comes is opened.
        """
        gate = (on or self.lab.to_relay).gate(part, direction, wants)
        if behind is not None:
            behind.opened.set()
        elif self.cell.phase is Phase.ENDED:
            self.lab.let_go()
        elif self.cell.phase is Phase.FETCH:
            await self._fetch()
        else:
            await self._send()
        await self._stands_at(gate)
        await self._strike()
        gate.opened.set()

    async def _stands_at(self, gate: Gate) -> None:
        """Wait until a frame stands at a gate. Raises _Refused when the phone has ended before."""
        phone = self.lab.phone
        while not gate.reached.is_set():
            if phone is not None and phone.returncode is not None:
                await phone.ended()
                # Of one that fetches, the task is done, and its last word says nothing of it.
                raise _Refused(self._done or (phone.events[-1] if phone.events else {}))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_SECONDS):
                    await gate.reached.wait()

    async def _send(self) -> Process:
        """Send the task, or ask again what has become of it."""
        phase = self.cell.phase
        if phase is Phase.FETCH:
            return await self.lab.sends(f"Send me {self.token}.bin", self.task_id)
        options: list[str] = []
        if phase is Phase.TRANSFER:
            attachment = self.lab.folder / f"{self.token}.bin"
            attachment.write_bytes(self._content())
            options = ["--attach", str(attachment)]
        path = "relay"
        if phase in DIRECTLY:
            # By itself a phone takes what is there first, which is not for the laboratory to say.
            path = "direct" if phase is not Phase.DIRECT and not self._struck_at else "auto"
        return await self.lab.sends(f"Search for {self.token}", self.task_id, *options, path=path)

    async def _fetch(self) -> Process:
        into = self.lab.folder / "fetched" / self.token
        into.mkdir(parents=True, exist_ok=True)
        return await self.lab.fetches(f"{self.token}.bin", into)

    async def _start_held(self) -> Process:
        self.lab.hold_tasks()
        phone = await self._send()
        await self._seen(phone, "started")
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not self.lab.runs(self.token):  # noqa: ASYNC110 -- a line in a file announces nothing
                await asyncio.sleep(0.02)
        return phone

    async def _send_another(self) -> None:
        """Send a task that stands before the other."""
        phone = await self._start_held()
        self.others.append((self.task_id, self.token, phone))
        self._be_another()

    def _be_another(self) -> None:
        self._done = {}
        self.task_id = uuid.UUID(bytes=self._rng.randbytes(16), version=4)
        self.token = f"cell{self._rng.randbytes(6).hex()}"

    # ---- What the phone knows.

    async def _until_known(self) -> None:
        """Wait until the phone says that something is amiss, or for as long as the fault is to last."""
        lease_ms = self.lab.lease_ms
        longest = max(LONGEST_LEASES * lease_ms / 1000, self.cell.bound_seconds(lease_ms) + 0.5)
        if self.cell.fault.harm is Harm.DISK or self._listening is None or self._listening.done():
            longest /= 3
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._amiss.wait()

    async def _listen(self, phone: Process, *, skip: int) -> None:
        """Note when the phone knows, behind so many events, and when it says that something is amiss."""
        seen = 0
        async for event in phone.stream():
            seen += 1
            if seen > skip and self._heard_at is None and event["event"] in self.cell.tells:
                self._heard_at = now()
            if seen > skip and event["event"] in AMISS:
                self._amiss.set()
                return

    def _timing(self) -> Timing:
        began = self._struck_at
        if self.cell.phase is Phase.UNSENT:
            # Nobody waits to know anything before. That a process takes its time to start is no matter of leases.
            began = max(began, self.lab.dialled(Part.PHONE, since=began) or began)
        return Timing(
            seconds=None if self._heard_at is None else max(0.0, self._heard_at - began),
            bound_seconds=self.cell.bound_seconds(self.lab.lease_ms),
            stood_still_seconds=self.lab.pulse.longest(since=began),
            lease_ms=self.lab.lease_ms,
        )

    # ---- Its fate.

    async def _fate(self, result: Result) -> Event:
        """Follow the task to its end, with another process where the phone's has ended without one."""
        if self.cell.phase is Phase.FETCH:
            return await self._fetched(result)
        async with asyncio.timeout(FATE_WITHIN_SECONDS):
            while True:
                phone = self.lab.phone
                if phone is None:
                    phone = await self._send()
                await phone.ended()
                result.story += [_told(event) for event in phone.events]
                last = phone.events[-1] if phone.events else {}
                if last.get("state") in OVER and last.get("task_id") == str(self.task_id):
                    return last
                await asyncio.sleep(_AGAIN_SECONDS)
                await self._send()

    async def _fetched(self, result: Result) -> Event:
        """Fetch the artifact until it is here, whole; what has its name before that is wrong."""
        async with asyncio.timeout(FATE_WITHIN_SECONDS):
            while True:
                phone = self.lab.phone or await self._fetch()
                code = await phone.ended()
                result.story += [_told(event) for event in phone.events]
                into = self.lab.folder / "fetched" / self.token
                named = [one for one in into.iterdir() if not one.name.startswith(".")]
                if any(one.read_bytes() != self._content() for one in named):
                    result.wrong.append("a file that is not whole has the name of the artifact")
                if code == 0:
                    if not named or any(one not in named for one in into.iterdir()):
                        result.wrong.append(f"fetched, and in the folder are {[one.name for one in into.iterdir()]}")
                    return self._done
                await asyncio.sleep(_AGAIN_SECONDS)
                await self._fetch()

    async def _judge(self, last: Event) -> list[str]:
        """Ask the oracle, and wait until the next task can be sent."""
        lab, wrong = self.lab, list[str]()
        on_host, on_phone = await self._both_threads()
        for task_id, token, phone in self.others:
            await phone.stop()
            other = Known(task_id=str(task_id), token=token, last=_last_of(task_id, on_phone), cell=self.cell.name)
            lab.tasks.append(other)
            found = oracle.judge(other, runs=lab.runs(token), on_host=on_host, on_phone=on_phone, ends=())
            wrong += [f"of the task before it: {one}" for one in found]
        task = Known(task_id=str(self.task_id), token=self.token, last=last, cell=self.cell.name)
        lab.tasks.append(task)
        runs = lab.runs(self.token)
        wrong += oracle.judge(task, runs=runs, on_host=on_host, on_phone=on_phone, ends=self.cell.ends)
        wrong += oracle.compare(on_host, on_phone) + lab.tracebacks()
        async with asyncio.timeout(FATE_WITHIN_SECONDS):
            await lab.host_is_back()
        if self.cell.part is Part.RELAY and last.get("reason") == "STORE_FAILED":
            # A relay has it in memory until its store works: who kills it before makes an experiment of another kind.
            wrong += await history_amiss(lab, [task])
        return wrong

    async def _both_threads(self) -> tuple[list[Event], list[Event]]:
        """Give the threads from both stores, when the phone has read what came behind the end of this task."""
        until = now() + FATE_WITHIN_SECONDS
        on_host, on_phone = self.lab.stores()
        while len(on_phone) < len(on_host) and now() < until:
            await (
                self.lab.threads()
            )  # the phone reads while it shows; somebody may still be on the way back, then it is asked again
            on_host, on_phone = self.lab.stores()
        return on_host, on_phone


async def close_books(lab: Laboratory, rng: Random) -> list[str]:
    """Look at a laboratory once more when its cells are over; gives what is wrong.

    A task still goes through, no task has run or changed since, the programs tell it all, and so does the account's history.
    """
    if not await _goes_on(lab, rng):
        return ["no task goes through any more"]
    on_host, on_phone = await lab.threads()
    wrong = oracle.compare(on_host, on_phone)
    for task in lab.tasks:
        found = oracle.judge(task, runs=lab.runs(task.token), on_host=on_host, on_phone=on_phone, ends=())
        wrong += [f"of {task.cell}, later: {one}" for one in found]
    return wrong + await history_amiss(lab, lab.tasks)


async def history_amiss(lab: Laboratory, tasks: Sequence[Known]) -> list[str]:
    """Wait until the account's history tells how these tasks ended; gives what it tells otherwise when it had long enough."""
    until = now() + HISTORY_WITHIN_SECONDS
    while True:
        differs = oracle.history_differs(tasks, await lab.history(), directly=lab.decided_directly())
        if not differs or now() >= until:
            return differs
        await asyncio.sleep(0.5)  # only asking tells


async def _goes_on(lab: Laboratory, rng: Random) -> bool:
    """Send quiet tasks until one is done: then all before it is settled on both ends, and nothing is stuck.

    The first may be refused rightly, while somebody who was away is still on the way back.
    """
    until = now() + FATE_WITHIN_SECONDS
    while now() < until:
        task_id = uuid.UUID(bytes=rng.randbytes(16), version=4)
        phone = await lab.sends("Search for nothing", task_id, wait_seconds=60)
        if await phone.ended() == 0:
            return True
        await asyncio.sleep(_AGAIN_SECONDS)
    return False


class _Nth:
    """Wants the so manieth frame of a kind."""

    def __init__(self, kind: str, number: int) -> None:
        self._kind = kind
        self._left = number

    def __call__(self, frame: Frame) -> bool:
        self._left -= _is(frame, self._kind)
        return self._left == 0 and _is(frame, self._kind)


def _is(frame: Frame, kind: str) -> bool:
    return frame.WhichOneof("frame") == kind


def _ends_a_task(frame: Frame) -> bool:
    return isinstance(frame, DeviceFrame) and frame.WhichOneof("frame") == "post" and bool(frame.post.outcome)


def _last_of(task_id: uuid.UUID, on_phone: list[Event]) -> Event:
    """Read from the phone's thread how a task stands."""
    ended = [event for event in on_phone if event.get("task_id") == str(task_id) and event["event"] == "ended"]
    return {"state": ended[-1]["outcome"], "reason": ended[-1].get("reason", "")} if ended else {}


def _told(event: Event) -> str:
    return " ".join(str(event[key]) for key in ("event", "attempt", "reason") if event.get(key))
