"""Does one trial after the other, and says how each went. Called by `bench.__main__`, when nothing else is measured any more."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from dispatch.errors import DispatchError

from bench.costs.result import Ran
from bench.subjects.subject import Lost, Missing
from bench.trials.trial import Reading, Trial, TrialPlan


async def carried_out(
    trials: Sequence[Trial], plan: TrialPlan, *, say: Callable[[str], None]
) -> tuple[list[Reading], list[Ran]]:
    """Do them; gives what was read, and how each went. One that fails gives nothing, and the next one begins."""
    found: list[Reading] = []
    ran: list[Ran] = []
    for trial in trials:
        say(trial.name)
        begun, why = True, ""
        try:
            with tempfile.TemporaryDirectory(prefix=f"bench-{trial.name}-", ignore_cleanup_errors=True) as folder:
                found += await trial.run(plan, Path(folder))
        except* Missing as several:
            begun, why = False, _said(several)
        except* (Lost, OSError, DispatchError, AssertionError) as several:  # OSError: TimeoutError, too
            why = _said(several)
        if why:
            say(f"{trial.name}: {why}")
        ran.append(Ran(name=trial.name, about=trial.about, begun=begun, why=why))
    return found, ran


def _said(several: BaseExceptionGroup[BaseException]) -> str:
    first: BaseException = several
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return str(first) or repr(first)
