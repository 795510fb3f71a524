"""The matrix: fault × phase × part, and for each cell what may become of the task, or why there is no such cell.

Pure. A phase is a place in the life of a task that can be observed from outside; `trial` brings a task there. The rules below
are the product's promises (docs/one-task.md "When something breaks"), written as the set of ends that keep them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tests.faults import timing
from tests.faults.faults import FAULTS, Fault, Harm, Lasts
from tests.faults.network import Part
from tests.support.processes import Event


class Phase(StrEnum):
    """Where the task is when the fault comes."""

    UNSENT = "unsent"
    POSTED = "posted"
    HANDED = "handed"
    TAKEN = "taken"
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    AWAY = "away"
    TRANSFER = "transfer"
    FETCH = "fetch"
    ASKED = "asked"
    AGREED = "agreed"
    DIRECT = "direct"


PHASES: dict[Phase, str] = {
    Phase.UNSENT: "before it is sent: the fault is there already",
    Phase.POSTED: "the relay has it; its Handover is held on the way to the host",
    Phase.HANDED: "the host has journalled it; its Take is held on the way to the relay",
    Phase.TAKEN: "the relay has accepted it; the go is held on the way to the host",
    Phase.WAITING: "the host has accepted it; it stands behind another task",
    Phase.RUNNING: "an agent works on it, and is held",
    Phase.ENDED: "its outcome is in the journal, and held on the way to the relay",
    Phase.AWAY: "the relay has its outcome; the phone is gone",
    Phase.TRANSFER: "its attachment is on the way to the host, in the middle",
    Phase.FETCH: "it is done, and its artifact is on the way to the phone, in the middle",
    Phase.ASKED: "the phone has posted it directly; its Post is held on the way to the host",
    Phase.AGREED: "the host has journalled what came directly; its Taken is held on the way to the phone",
    Phase.DIRECT: "an agent works on it, and is held; the phone follows directly",
}
DIRECTLY = frozenset({Phase.ASKED, Phase.AGREED, Phase.DIRECT})
"""Phases in which phone and host speak without the relay."""

_LONG_IN = frozenset({Phase.POSTED, Phase.HANDED, Phase.TAKEN, Phase.ASKED})
"""Phases in which a command waits for its verdict, or its go: the places for a fault that outlasts it."""
_BEFORE_THE_VERDICT = frozenset({Phase.UNSENT, Phase.POSTED, Phase.HANDED})
_OVER = frozenset({Phase.ENDED, Phase.AWAY, Phase.FETCH})
_FILES = frozenset({Phase.TRANSFER, Phase.FETCH})

CONCERNED: dict[Phase, Part] = {
    Phase.UNSENT: Part.HOST,
    Phase.POSTED: Part.RELAY,
    Phase.HANDED: Part.HOST,
    Phase.TAKEN: Part.RELAY,
    Phase.WAITING: Part.HOST,
    Phase.RUNNING: Part.HOST,
    Phase.ENDED: Part.HOST,
    Phase.AWAY: Part.RELAY,
    Phase.TRANSFER: Part.HOST,
    Phase.FETCH: Part.RELAY,
    Phase.ASKED: Part.HOST,
    Phase.AGREED: Part.PHONE,
    Phase.DIRECT: Part.HOST,
}
"""Whose next step the task waits for in a phase: `make faults` breaks that part by each fault."""
_EVERYWHERE = frozenset({"sigkill"})
"""By this `make faults` breaks each part, wherever a task that goes by the relay is."""
_BESIDES = frozenset({"phone-mute-direct"})
"""And these: both paths of a phone fall silent, the relay's first, which no fault of a host brings about."""
_OF_THE_LAN = frozenset({"cut", "outage", "blackhole"})
"""By these it breaks the local network where that is in use."""

OUTCOMES = frozenset({"done", "failed", "cancelled", "interrupted", "denied", "timed_out"})
NEVER_RAN = frozenset({"refused", "not_sent"})
OVER = OUTCOMES | NEVER_RAN
"""Events, and states, that are the end of a task."""
AMISS = frozenset({"out_of_contact", "unconfirmed"}) | OVER
"""Events that say that something is amiss; a task that is over is not in doubt."""
GOES_ON = frozenset({"handed_over", "accepted", "started", "step", "text", "back"})
"""Events that say that all is well, as far as it goes."""

CONNECT_SECONDS = 5.0
"""For so long a phone tries to reach the relay (docs/phone.md "Sending")."""
VALID_SECONDS = 10.0
"""For so long a command is sent and sent again."""
DIRECT_SECONDS = 6.0
"""After so long without a word it gives the direct path up (docs/direct.md "Opening"); until then the relay's word of its host
does not count."""

End = tuple[str, str]
"""How a task ends on the phone: the state and the reason, empty for none."""

DONE: End = ("done", "")
NEVER_STARTED: End = ("interrupted", "NEVER_STARTED")
_UNREACHABLE: End = ("refused", "HOST_UNREACHABLE")
_NOT_TAKEN: End = ("refused", "NOT_TAKEN_IN_TIME")
_NO_NETWORK: End = ("not_sent", "NO_NETWORK")
BUSY = frozenset({_UNREACHABLE, _NOT_TAKEN, _NO_NETWORK, NEVER_STARTED})
"""How a task may end with nothing broken, on a computer that holds a host up for a lease, anybody for the ten seconds, or a
phone for the five in which it looks for a path."""
_NO_ROOM: End = ("refused", "STORE_FAILED")


@dataclass(frozen=True, slots=True)
class Cell:
    """One experiment."""

    part: Part
    fault: Fault
    phase: Phase

    @property
    def name(self) -> str:
        """Give the name by which it is asked for again."""
        return f"{self.part}-{self.fault.name}-{self.phase}"

    @property
    def in_short(self) -> bool:
        """Tell whether `make faults` runs it; `make faults-full` runs all."""
        if self.part is Part.LAN:
            return self.fault.name in _OF_THE_LAN
        return (
            CONCERNED[self.phase] is self.part
            or self.name in _BESIDES
            or (self.fault.name in _EVERYWHERE and self.phase not in _FILES | DIRECTLY)
        )

    @property
    def no_such(self) -> str | None:
        """Say why there is no such experiment; None when there is."""
        if self.part is Part.PHONE:
            if self.phase is Phase.AWAY:
                return "the phone is gone in this phase already"
            if self.phase is Phase.UNSENT and self.fault.name in _NEEDS_A_PHONE:
                return "no phone runs before somebody sends"
        if self.part is Part.PAIRING and self.fault.name in {"twice", "reorder"}:
            return "these are faults of the thread stream, which the pairing service has no part in"
        if self.part is Part.LAN and not self.fault.network:
            return "a network has neither a process, nor a disk, nor a clock"
        if self.part is Part.LAN and self.phase not in DIRECTLY:
            return "the phone speaks by the relay in this phase"
        if self.fault.lasts is Lasts.VALIDITY and self.phase not in _LONG_IN:
            return "a fault that outlasts a command is tried in posted, handed, taken and asked only: it takes its time"
        return None

    @property
    def tells(self) -> frozenset[str]:
        """Give the events by which the phone knows of the fault; empty where there is nothing to know.

        Of what is away or dead it has to say so. All else may also be known by the task's going on.
        """
        gone = self.fault.harm in {Harm.AWAY, Harm.DEAD}
        if self.phase in _FILES or self.part is Part.LAN or (self.part is Part.RELAY and self.phase in DIRECTLY):
            return frozenset()  # a progress bar stands still, or there is another path
        if gone and (self.part is Part.PAIRING or (self.part is Part.PHONE and not self.fault.network)):
            return frozenset()  # no task minds the pairing service, and a phone that stands still can say nothing
        return AMISS if gone else AMISS | GOES_ON

    def bound_seconds(self, lease_ms: int) -> float:
        """Give the time within which the phone has to know."""
        bound = timing.bound_seconds(lease_ms)
        if self.phase is Phase.UNSENT and self.part in {Part.PHONE, Part.RELAY}:
            # Before a phone has met its relay it knows of no lease: it dials for so long, then says that nothing was sent.
            return max(bound, CONNECT_SECONDS + 1)
        if self.phase in {Phase.ASKED, Phase.AGREED}:
            return max(
                bound, VALID_SECONDS + 1
            )  # sent with `--path direct`: the phone has no other, and tries while it may
        return max(bound, DIRECT_SECONDS + 1) if self.phase is Phase.DIRECT else bound

    @property
    def ends(self) -> frozenset[End]:
        """Give the ends that are right."""
        return frozenset(_ends(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A task that is over, as the phone has it."""

    task_id: str
    token: str
    last: Event
    cell: str
    """Where it was sent."""


_NEEDS_A_PHONE = frozenset({"cut", "reorder", "sigkill", "sigterm", "freeze", "stumble", "no-write"})

CELLS: tuple[Cell, ...] = tuple(
    Cell(part, fault, phase) for part in Part for fault in FAULTS.values() for phase in Phase
)
BY_NAME = {cell.name: cell for cell in CELLS}


def _ends(cell: Cell) -> set[End]:
    if cell.phase in _OVER:
        # Its end is in the host's journal: nothing that happens afterwards, to whomever, may change or lose it.
        return {DONE}
    if cell.phase in {Phase.WAITING, Phase.RUNNING, Phase.DIRECT}:
        return _with_the_host(cell)
    if cell.phase is Phase.TRANSFER:
        return _with_a_file(cell)
    if cell.phase in {Phase.ASKED, Phase.AGREED}:
        return _directly(cell)
    if cell.phase is Phase.TAKEN:
        return _at_the_go(cell)
    return _before_the_verdict(cell)


def _with_the_host(cell: Cell) -> set[End]:
    """The host has it: only the end of the host's own process interrupts it. A network or a relay does not."""
    if cell.part is Part.HOST and cell.fault.harm is Harm.DEAD:
        if cell.phase is Phase.WAITING:
            return {NEVER_STARTED}
        return {("interrupted", "HOST_STOPPED" if cell.fault.name == "sigterm" else "HOST_DIED")}
    return {DONE}


def _at_the_go(cell: Cell) -> set[End]:
    """The relay's word stands: it runs, or a go that came too late, or to another process, ends it without a start."""
    if cell.part is Part.HOST and cell.fault.harm is Harm.DEAD:
        return {NEVER_STARTED}
    if cell.part in {Part.HOST, Part.RELAY} and cell.fault.harm is not Harm.CLOCK:
        return {DONE, NEVER_STARTED}
    return {DONE}


def _before_the_verdict(cell: Cell) -> set[End]:
    """Refused with the true cause and never run, or run once."""
    harm, unsent = cell.fault.harm, cell.phase is Phase.UNSENT
    match cell.part:
        case Part.HOST:
            if harm is Harm.DEAD:
                gone = ("refused", "HOST_APP_CLOSED") if cell.fault.name == "sigterm" else _UNREACHABLE
                if cell.phase is Phase.HANDED:
                    # Its goodbye stands behind its Take, which is held, and may be too late for the lease.
                    return {gone, _UNREACHABLE, NEVER_STARTED, DONE}
                # Its Take may be heard behind its death: then the relay's word stands, and the next process says the rest.
                return {gone} if unsent else {gone, NEVER_STARTED, DONE}
            if harm is Harm.AWAY:
                return {DONE, _UNREACHABLE, _NOT_TAKEN, NEVER_STARTED}
            if harm is Harm.BRIEF:
                return {DONE, _UNREACHABLE, _NOT_TAKEN}
            if harm is Harm.DISK:
                # What it can't note ends its stream for a second, which may be longer than what is left of a short lease; a go
                # that it could not note while the command was valid starts nothing.
                return {DONE, _NO_ROOM, _UNREACHABLE, *({NEVER_STARTED} if cell.fault.lasts is Lasts.VALIDITY else ())}
            return {DONE}
        case Part.RELAY:
            if harm is Harm.DISK:
                return {DONE, _NO_ROOM, _NOT_TAKEN, NEVER_STARTED}
            if harm is Harm.CLOCK:
                return {DONE}
            return {DONE, _UNREACHABLE, _NOT_TAKEN, NEVER_STARTED, _NO_NETWORK}
        case Part.PHONE:
            if harm in {Harm.AWAY, Harm.BRIEF}:
                return {DONE, _NO_NETWORK}
            return {DONE}
        case Part.PAIRING:
            # A phone that starts while it is away has no grant yet, and waits for one no longer than for the relay.
            return {DONE, _NO_NETWORK} if unsent else {DONE}
        case Part.LAN:
            return set()


def _with_a_file(cell: Cell) -> set[End]:
    """Its attachment gets there after all and it runs, or it was never sent; or its host is called away, and why."""
    if cell.part is Part.PAIRING:
        return {DONE}
    ends = {DONE, _NO_NETWORK, ("not_sent", "TRANSFER_FAILED")}
    if cell.part is Part.HOST:
        ends |= {_UNREACHABLE, ("refused", "HOST_APP_CLOSED"), _NO_ROOM, ("not_sent", "NO_ROOM")}
    return ends


def _directly(cell: Cell) -> set[End]:
    """The phone decides: refused or not sent, and never run, or run once."""
    if cell.part in {Part.RELAY, Part.PAIRING}:
        return {DONE}
    ends = {DONE, _NO_NETWORK, _NOT_TAKEN, NEVER_STARTED}
    if cell.part is Part.HOST:
        ends |= {_UNREACHABLE, ("refused", "HOST_APP_CLOSED"), _NO_ROOM}
    return ends
