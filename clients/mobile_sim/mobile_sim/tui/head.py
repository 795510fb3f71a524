"""The line above the thread: with which computer it is, and how that is. Pure."""

from __future__ import annotations

from typing import Any

from dispatch.plain import one_line
from dispatch.words import Words

from mobile_sim.saying.phrases import how_it_is
from mobile_sim.saying.said import Said

Event = dict[str, Any]

_SIGNS = {"reachable": ("●", "green"), "reconnecting": ("◐", "yellow"), "absent": ("○", "red")}


def head(status: Event, host: Event | None, former: str, spoken: Words) -> Said:
    """Say it; `former` is the name of a computer that is no longer paired."""
    if not status:
        return Said("…", dim=True)
    if status["account"] is None:
        return Said(spoken.window("not_signed_in"), fg="yellow")
    if host is None:
        gone = f"{one_line(former, 64)}: {spoken.window('no_longer_paired')}"
        words = gone if former else spoken.window("no_computer")
        return Said(words, fg="yellow")
    over = "" if status["signed_in"] else f"  ({spoken.window('sign_in_over')})"
    sign, colour = _SIGNS.get(host.get("reachability", ""), ("○", "yellow"))
    # Its age would stand still until the next change; since when it is so does not grow old.
    words = how_it_is({name: value for name, value in host.items() if name != "heard_ms_ago"}, spoken)
    path = f", {spoken.window('directly')}" if host.get("path") == "direct" else ""
    many = len(status["hosts"])
    more = f"  [{spoken.window('many_computers', count=str(many))}]" if many > 1 else ""
    return Said(f"{sign} {one_line(host['host'], 64)}  {words}{path}{more}{over}", fg=colour)
