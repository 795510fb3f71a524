"""All trials, in the order in which they are done. A new one is named here and in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping

from bench.trials import file_transfer, presence, refusal, resume, revocation, sealing, start_up, summary
from bench.trials.trial import Trial

TRIALS: Mapping[str, Trial] = {
    one.name: one
    for one in (
        start_up.TRIAL,
        refusal.TRIAL,
        presence.TRIAL,
        revocation.TRIAL,
        resume.TRIAL,
        file_transfer.TRIAL,
        sealing.TRIAL,
        summary.TRIAL,
    )
}
