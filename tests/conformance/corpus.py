"""Runs a client through all vectors and all scenarios and gives what came of each.

Called by the command and the tests of this folder.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.client import Client, ClientEnded
from tests.conformance.clients import Registered
from tests.conformance.questions import questions
from tests.conformance.scenarios import SCENARIOS
from tests.conformance.stage import staged

PASSED, FAILED, NOT_KNOWN = "passed", "FAILED", "not known"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table: what was checked, whether it was right, and of what was not, the beginning."""

    name: str
    result: str
    detail: str = ""


async def vectors(registered: Registered) -> list[Result]:
    """Ask every question; a kind of question that the client says it does not know counts once."""
    counts: dict[tuple[str, str], list[str]] = {}
    async with Client(registered.command) as client:
        for question in questions():
            found = counts.setdefault((question.vectors, question.what), [])
            answer = await client.wish("compute", what=question.what, **question.given)
            if answer.get("unknown") == question.what:
                found.append(NOT_KNOWN)
                continue
            wrong = [name for name, value in question.answer.items() if answer.get(name) != value]
            # Known answers of a published file: there is nothing secret to show.
            found.append(f"{', '.join(wrong)} in {str(answer)[:300]}" if wrong else PASSED)
    results = []
    for (file, what), found in counts.items():
        bad = [one for one in found if one not in {PASSED, NOT_KNOWN}]
        verdict = FAILED if bad else NOT_KNOWN if NOT_KNOWN in found else PASSED
        results.append(Result(f"{file} {what} ({len(found)})", verdict, bad[0] if bad else ""))
    return results


async def scenarios(registered: Registered, folder: Path) -> list[Result]:
    """Play every scenario on one stage; after one that failed the next ones are not played, for they begin where it ends."""
    results: list[Result] = []
    async with staged(registered, folder) as stage:
        for scenario in SCENARIOS:
            name = scenario.__name__.replace("_", " ")
            try:
                await scenario(stage)
            except (AssertionError, TimeoutError, ClientEnded, KeyError) as failed:
                last = [str(line)[:200] for line in stage.client.lines[-4:]]
                results.append(
                    Result(name, FAILED, f"{type(failed).__name__} {failed}; the client's last lines: {last}")
                )
                break
            results.append(Result(name, PASSED))
    return results


def failures(results: Sequence[Result], *, expected: int = 0) -> list[Result]:
    """Give what was not right; too few results are not right either."""
    bad = [result for result in results if result.result == FAILED]
    if not bad and len(results) < expected:
        bad.append(Result(f"{expected} scenarios", FAILED, f"only {len(results)} were played"))
    return bad


def show(name: str, results: Sequence[Result]) -> None:
    """Print the table of one client."""
    for result in results:
        sys.stdout.write(f"{name:<8} {result.result:<10} {result.name}\n")
        if result.detail:
            sys.stdout.write(f"{'':<19} {result.detail}\n")
