"""The matrix is whole: each cell has an expectation or a reason, and the oracle sees each way in which a promise can break."""

from __future__ import annotations

import pytest

from tests.faults import oracle
from tests.faults.cells import BY_NAME, CELLS, CONCERNED, DONE, PHASES, Known, Phase
from tests.faults.faults import FAULTS
from tests.faults.network import Part
from tests.support.processes import Event


def test_each_fault_each_phase_and_each_part_is_a_cell_with_ends_or_a_reason() -> None:
    assert len(CELLS) == len(BY_NAME) == len(FAULTS) * len(PHASES) * len(Part)
    assert set(PHASES) == set(CONCERNED) == set(Phase)
    for cell in CELLS:
        assert cell.no_such or cell.ends, cell.name


def test_the_short_matrix_has_each_fault_in_every_phase() -> None:
    short = [cell for cell in CELLS if cell.in_short and cell.no_such is None]

    there = {(cell.fault.name, cell.phase) for cell in CELLS if cell.no_such is None}
    assert {(cell.fault.name, cell.phase) for cell in short} == there
    assert {name for name, _ in there} == set(FAULTS)
    assert {cell.part for cell in short} == set(Part)


def test_nothing_but_the_end_of_its_own_host_may_interrupt_a_task_that_runs() -> None:
    for cell in CELLS:
        if cell.phase is Phase.RUNNING and cell.part is not Part.HOST:
            assert cell.ends == {DONE}, cell.name


TASK = "0b1c"
ACCEPTED: Event = {"event": "accepted", "number": 1, "task_id": TASK}
STARTED: Event = {"event": "started", "number": 2, "task_id": TASK}
ENDED: Event = {"event": "ended", "number": 3, "task_id": TASK, "outcome": "done"}
WHOLE = [ACCEPTED, STARTED, ENDED]


def judge(state: str, there: list[Event], here: list[Event], *, runs: int = 1, reason: str = "") -> list[str]:
    known = Known(task_id=TASK, token="cell", last={"state": state, "reason": reason}, cell="a cell")
    return oracle.judge(known, runs=runs, on_host=there, on_phone=here, ends={DONE, ("refused", "HOST_ASLEEP")})


def test_what_is_as_promised_is_right() -> None:
    assert judge("done", WHOLE, WHOLE) == []
    assert judge("refused", [], [], runs=0, reason="HOST_ASLEEP") == []


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("a fate that is not known", judge("out_of_contact", WHOLE[:2], WHOLE[:2])),
        ("no outcome on the host", judge("done", WHOLE[:2], WHOLE[:2])),
        ("two outcomes", judge("done", [*WHOLE, ENDED], [*WHOLE, ENDED])),
        ("an outcome that never arrived", judge("done", WHOLE, WHOLE[:2])),
        ("another outcome on the phone", judge("failed", WHOLE, WHOLE)),
        ("refused, and accepted", judge("refused", WHOLE, WHOLE, reason="HOST_ASLEEP")),
        ("two agents", judge("done", WHOLE, WHOLE, runs=2)),
        ("an agent without a start", judge("done", [ACCEPTED, ENDED], [ACCEPTED, ENDED])),
        ("done by nobody", judge("done", WHOLE, WHOLE, runs=0)),
        ("the wrong cause", judge("refused", [], [], runs=0, reason="HOST_APP_CLOSED")),
    ],
)
def test_the_oracle_sees(what: str, wrong: list[str]) -> None:
    assert wrong, what


def test_threads_that_differ_are_seen() -> None:
    assert oracle.compare(WHOLE, WHOLE) == []
    assert oracle.compare(WHOLE, WHOLE[:2])
    assert oracle.compare(WHOLE, [WHOLE[0], WHOLE[2], WHOLE[1]])
    assert oracle.compare([WHOLE[0], WHOLE[2]], [WHOLE[0], WHOLE[2]])


def test_a_history_that_tells_otherwise_is_seen() -> None:
    def known(state: str, reason: str = "") -> list[Known]:
        return [Known(task_id=TASK, token="cell", last={"state": state, "reason": reason}, cell="a cell")]

    told = [{"event": "task", "task_id": TASK, "outcome": "done"}]
    assert oracle.history_differs(known("done"), told) == []
    assert oracle.history_differs(known("failed"), told)
    assert oracle.history_differs(known("done"), [])
    assert oracle.history_differs(known("refused", "HOST_ASLEEP"), [])
    assert oracle.history_differs(known("refused", "STORE_FAILED"), []) == []
    assert oracle.history_differs(known("not_sent", "NO_NETWORK"), []) == []
    assert oracle.history_differs(known("not_sent", "NO_NETWORK"), told)
