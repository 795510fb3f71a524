"""The version of a service's store: what is refused, and what `store version`, `upgrade` and `downgrade` say. docs/operations.md.

Called by the commands of both services, and by what knows their revisions. Reads no store; None is a store with nothing in it yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from dispatch import errors
from dispatch.cli import Console, Exit


def check_known(found: str | None, known: Sequence[str], *, store: str, program: str) -> None:
    """Refuse a store that a newer program has written. `known` is oldest first. Raises StoreFailed, with both versions."""
    if found is not None and found not in known:
        raise errors.StoreFailed(
            f"{store} has version {found}, and this program knows up to {known[-1]}: use the newer {program},"
            f" bring it back with that one ({program} store downgrade --to {known[-1]}), or take the backup from before its upgrade"
        )


def target_below(found: str | None, to: str | None, known: Sequence[str]) -> str:
    """Say where a downgrade ends: one version lower, if nothing else is said. Raises BadRequest."""
    below = () if found is None else known[: known.index(found)]
    if not below:
        raise errors.BadRequest(f"version {found or 'none'} is the first: there is none below it")
    if to is None:
        return below[-1]
    if to not in below:
        raise errors.BadRequest(f"{to!r} is no version below {found}: {', '.join(below)}")
    return to


def say_version(console: Console, found: str | None, *, known: str) -> Exit:
    """Say which version a store has."""
    console.event(
        {"event": "store", "version": found, "known": known},
        f"The store has version {found or 'none: nothing is in it yet'}; this program knows up to {known}.",
    )
    return Exit.DONE


def say_upgraded(console: Console, before: str | None, *, now: str) -> Exit:
    """Say what an upgrade did."""
    console.event(
        {"event": "store", "version": now, "before": before},
        f"The store has version {now}" + (" already." if before == now else f"; before, it had {before or 'none'}."),
    )
    return Exit.DONE


def say_downgraded(console: Console, *, now: str) -> Exit:
    """Say what a downgrade did."""
    console.event({"event": "store", "version": now}, f"The store has version {now}.")
    return Exit.DONE
