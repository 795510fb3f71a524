"""The laboratory is honest about itself: what it could not do is a failure that it reports, never a run that looks well."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from tests.faults import oracle
from tests.faults.__main__ import run
from tests.faults.cells import BY_NAME, End
from tests.faults.faults import FAULTS, Fault, Harm, Lasts
from tests.faults.laboratory import Laboratory, broken
from tests.faults.network import Direction, Part
from tests.faults.pulse import Pulse
from tests.faults.report import Report
from tests.faults.soak import Breaking
from tests.faults.timing import Knew, Timing, bound_seconds, of_two
from tests.faults.trial import Result
from tests.support.waiting import until

CELLS = [BY_NAME[f"{part}-corrupt-unsent"] for part in ("host", "relay", "pairing")]


def report() -> Report:
    return Report(seed=1, lease_ms=1_500, full=False)


_A_LIBRARY_FAILS = """
import logging
from dispatch.runtime.logs import configure, get_logger
configure(service="relay")
get_logger().info("serving")
try:
    raise OSError("hunter2")
except OSError:
    logging.getLogger("grpc").error("of a library's", exc_info=True)
"""
_IT_FAILS = """
import sys
print("serving", file=sys.stderr)
1 / 0
"""


@pytest.mark.parametrize(
    ("code", "found"), [(_A_LIBRARY_FAILS, "OSError at <module>"), (_IT_FAILS, "ZeroDivisionError")]
)
def test_an_exception_that_nobody_took_is_found_on_standard_error(code: str, found: str) -> None:
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).stderr

    assert found in broken(said)
    assert not broken(said.splitlines()[0]), "what comes before it is no failure"


async def test_without_a_laboratory_the_matrix_is_printed_and_each_cell_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def mounted() -> Laboratory:
        raise subprocess.CalledProcessError(32, "mount")

    @contextlib.asynccontextmanager
    async def no_room() -> AsyncIterator[Laboratory]:
        yield mounted()

    said = report()
    await run(CELLS, said, no_room, slots=2, seed=1)

    assert said.end() == 1
    printed = capsys.readouterr().out
    assert "a laboratory broke off: CalledProcessError" in printed
    for cell in CELLS:
        assert f"again: make faults CELL={cell.name} SEED=1" in printed


async def test_an_experiment_that_breaks_off_costs_its_cell_and_the_next_gets_another_laboratory(
    tmp_path: Path,
) -> None:
    built: list[Laboratory] = []

    @contextlib.asynccontextmanager
    async def empty() -> AsyncIterator[Laboratory]:
        built.append(Laboratory(tmp_path, lease_ms=1_500))  # there is no store in it to spoil
        yield built[-1]

    said = report()
    await run(CELLS, said, empty, slots=1, seed=1)

    assert len(built) == len(CELLS)
    assert said.end() == 1


async def test_a_fault_that_can_t_be_done_is_counted_as_wrong_and_ends_the_long_run(tmp_path: Path) -> None:
    async def fails(lab: Laboratory, part: Part) -> None:
        raise subprocess.CalledProcessError(32, f"mount of {part} in {lab.folder}")

    fault = Fault(name="awkward", about="", harm=Harm.DISK, lasts=Lasts.MOMENT, strike=fails, mend=fails)
    breaking = Breaking(Laboratory(tmp_path, lease_ms=1), [(fault, Part.HOST)], Random(1))

    await breaking.run()

    assert breaking.injected["host awkward"] == 1
    assert breaking.wrong[0].startswith("host awkward could not be done: CalledProcessError")


async def test_what_is_broken_when_the_long_run_ends_is_mended(tmp_path: Path) -> None:
    struck, mended = asyncio.Event(), list[Part]()

    async def strike(lab: Laboratory, part: Part) -> None:
        del lab, part
        struck.set()

    async def mend(lab: Laboratory, part: Part) -> None:
        del lab
        mended.append(part)

    fault = Fault(name="slow", about="", harm=Harm.AWAY, lasts=Lasts.KNOWN, strike=strike, mend=mend)
    breaking = Breaking(Laboratory(tmp_path, lease_ms=1), [(fault, Part.HOST)], Random(1))
    running = asyncio.create_task(breaking.run())
    await struck.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    assert mended
    assert len(mended) == breaking.injected.total()


def timing(leases: float | None, *, still: float = 0.0) -> Timing:
    seconds = None if leases is None else leases * 1.5
    return Timing(seconds=seconds, bound_seconds=4.0, stood_still_seconds=still * 1.5, lease_ms=1_500)


@pytest.mark.parametrize(
    ("end", "others", "is_repeated"),
    [
        (("refused", "HOST_UNREACHABLE"), [], True),
        (("refused", "NOT_TAKEN_IN_TIME"), [], True),
        (("not_sent", "NO_NETWORK"), [], True),
        (("interrupted", "NEVER_STARTED"), [], True),
        (("refused", "HOST_ASLEEP"), [], False),
        (("failed", ""), [], False),
        (("refused", "HOST_UNREACHABLE"), ["the phone said refused, and the host has accepted it"], False),
    ],
)
def test_only_an_end_that_is_a_busy_computer_s_is_tried_again_and_only_if_nothing_else_is_wrong(
    end: End, others: list[str], *, is_repeated: bool
) -> None:
    cell = BY_NAME["pairing-sigkill-posted"]
    result = Result(cell, wrong=oracle.end_differs(end, cell.ends) + others, end=end)

    assert result.wrong
    assert result.to_repeat is is_repeated


def test_an_end_that_was_tried_again_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    cell, end = BY_NAME["pairing-sigkill-posted"], ("refused", "HOST_UNREACHABLE")
    first = Result(cell, wrong=oracle.end_differs(end, cell.ends), end=end)
    second = Result(cell, end=("done", ""))

    second.after(first)
    report().ran(second, [])

    assert "at first refused HOST_UNREACHABLE" in capsys.readouterr().out


def test_the_bound_is_two_leases_and_a_second() -> None:
    assert bound_seconds(1_500) == 4
    assert BY_NAME["host-freeze-running"].bound_seconds(5_000) == 11
    assert BY_NAME["relay-sigkill-unsent"].bound_seconds(1_500) == 6
    assert BY_NAME["relay-sigkill-unsent"].bound_seconds(5_000) == 11


def test_what_is_late_while_the_laboratory_went_on_is_late() -> None:
    assert timing(None).knew is Knew.NOTHING
    assert timing(2.6).knew is Knew.IN_TIME
    assert timing(2.7, still=0.1).knew is Knew.LATE
    assert timing(2.7, still=0.3).knew is Knew.NOT_JUDGED


def test_only_what_is_late_twice_fails() -> None:
    assert of_two(Knew.LATE, Knew.IN_TIME) is Knew.IN_TIME
    assert of_two(Knew.LATE, Knew.LATE) is Knew.LATE
    assert of_two(Knew.LATE, Knew.NOT_JUDGED) is Knew.NOT_JUDGED
    assert of_two(Knew.NOT_JUDGED, Knew.LATE) is Knew.NOT_JUDGED


def test_of_what_is_gone_a_phone_has_to_say_so() -> None:
    assert "handed_over" not in BY_NAME["host-freeze-taken"].tells
    assert "out_of_contact" in BY_NAME["host-freeze-taken"].tells
    assert "handed_over" in BY_NAME["host-cut-taken"].tells
    assert not BY_NAME["pairing-sigkill-running"].tells
    assert not BY_NAME["phone-sigkill-running"].tells
    assert BY_NAME["phone-outage-running"].tells


async def test_a_process_that_stood_still_knows_for_how_long() -> None:
    async with Pulse() as pulse:
        began = time.monotonic()
        time.sleep(0.3)  # noqa: ASYNC251 -- to stand still is what is tried

        await until(lambda: pulse.longest(since=began) >= 0.2)
        later = time.monotonic() + 60
        await until(lambda: pulse.longest(since=later) < 0.2)


async def test_a_host_s_own_words_are_those_that_come_down_where_it_is_dialled(tmp_path: Path) -> None:
    lab = Laboratory(tmp_path, lease_ms=1_500)

    await FAULTS["mute"].strike(lab, Part.HOST)

    assert lab.to_relay.weather(Part.HOST).held == {Direction.UP}
    assert lab.lan.weather(Part.PHONE).held == {Direction.DOWN}
    await FAULTS["mute"].mend(lab, Part.HOST)
    assert not lab.lan.weather(Part.PHONE).held
