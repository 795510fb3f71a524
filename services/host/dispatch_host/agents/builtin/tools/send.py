"""Sends files to the phone: names each as an artifact. What leads out of the approved folders is refused where it is opened."""

from __future__ import annotations

from pathlib import Path

from dispatch_host.agents.agent import Artifact, NotDoneReason
from dispatch_host.agents.builtin import matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings
from dispatch_host.agents.builtin.markdown import code, number, plural, size
from dispatch_host.agents.builtin.query import Query, Sort
from dispatch_host.agents.builtin.tools.rows import open_or_say
from dispatch_host.scope import Entry

MOST = 20
"""Files sent at once: more are asked for again, or zipped first."""


def send(query: Query, bench: Bench) -> Findings:
    """Send the file that a request means, or the few that it counts."""
    bench.step("Looking for the file", bench.around())
    entries = _meant(query, bench)
    if not entries:
        return Findings(matching.missing(query, bench))
    for entry in entries:
        with open_or_say(entry, bench):  # what can't be read is said before anything is promised
            pass
    for entry in entries:
        bench.step("Sending", bench.show(entry))
        bench.emit(Artifact(Path(entry.root.absolute(entry.path))))
    if len(entries) == 1:
        entry = entries[0]
        return Findings(f"Sent {code(bench.show(entry))} ({size(entry.size)}, {number(entry.size)} bytes).", entries)
    listed = "\n".join(
        f"{place}. {code(bench.show(entry))} ({size(entry.size)})" for place, entry in enumerate(entries, 1)
    )
    return Findings(f"Sent {plural(len(entries), 'file')}:\n\n{listed}", entries)


def _meant(query: Query, bench: Bench) -> list[Entry]:
    if query.count is None or query.count == 1:
        entry = matching.one(query, bench)
        return [] if entry is None else [entry]
    if query.count > MOST:
        raise CannotDo(NotDoneReason.NEEDS_AGENT, f"I send at most {MOST} files at once. Nothing was sent.")
    found = matching.ordered(matching.select(query, bench), query.sort or Sort.NAME)
    return found[: query.count]
