"""The line above the thread: with which computer it is, and how that is. Pure."""

from __future__ import annotations

from typing import Any

from dispatch.plain import one_line
from dispatch.words import Words

from mobile_sim.saying import Said, how_it_is

Event = dict[str, Any]

_SIGNS = {"reachable": ("●", "green"), "reconnecting": ("◐", "yellow"), "absent": ("○", "red")}


def head(status: Event, host: Event | None, former: str, spoken: Words) -> Said:
    """Say it; `former` is the name of a computer that is no longer paired."""
    if not status:
        return Said("…", dim=True)
    if status["account"] is None:
        return Said("Not signed in: F5, then Sign in.", fg="yellow")
    if host is None:
        words = f"{one_line(former, 64)}: no longer paired" if former else "Paired with no computer: F2, then P."
        return Said(words, fg="yellow")
    over = "" if status["signed_in"] else "  (the sign-in is over: F5)"
    sign, colour = _SIGNS.get(host.get("reachability", ""), ("○", "yellow"))
    # Its age would stand still until the next change; since when it is so does not grow old.
    words = how_it_is({name: value for name, value in host.items() if name != "heard_ms_ago"}, spoken)
    path = ", directly" if host.get("path") == "direct" else ""
    more = f"  [{len(status['hosts'])} computers]" if len(status["hosts"]) > 1 else ""
    return Said(f"{sign} {one_line(host['host'], 64)}  {words}{path}{more}{over}", fg=colour)
