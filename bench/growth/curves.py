"""What is to be drawn of a growth run: panels of points, without anything that draws. Pure; drawn by `plots`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.growth import fits
from bench.growth.figures import Growth


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One plot: a line through points, and levels to hold it against."""

    title: str
    x_name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    marks: tuple[tuple[float, str], ...] = ()
    log_x: bool = False
    log_y: bool = False


def idle(growth: Growth) -> list[Panel]:
    """Give memory and processor over silent hosts."""
    x = tuple(float(one.streams) for one in growth.idle)
    name = "silent hosts"
    return [
        Panel(
            title="memory of the relay for each, KiB",
            x_name=name,
            x=x,
            y=tuple(one.kib_per_stream for one in growth.idle),
            marks=((45, "must"), (36, "aim")),
        ),
        Panel(
            title="% of a core, all silent",
            x_name=name,
            x=x,
            y=tuple(one.cpu_percent for one in growth.idle),
            marks=((10, "must"), (4, "aim")),
        ),
    ]


def pairs(growth: Growth) -> list[Panel]:
    """Give cost, latency and rate over pairs."""
    x = tuple(float(one.pairs) for one in growth.pairs)
    name = "pairs, one command under way each"
    return [
        Panel(
            title="CPU of the relay, µs a message",
            x_name=name,
            x=x,
            y=tuple(one.cpu_us_per_message for one in growth.pairs),
        ),
        Panel(title="p99 to the kept answer, ms", x_name=name, x=x, y=tuple(one.p99_ms for one in growth.pairs)),
        Panel(
            title="round trips a second", x_name=name, x=x, y=tuple(one.round_trips_per_second for one in growth.pairs)
        ),
    ]


def thread(growth: Growth) -> list[Panel]:
    """Give cost over rows, against the shortest thread."""
    ratios = fits.by_length(growth)
    x = tuple(float(one.rows) for one in ratios)
    name = "rows in the thread"
    return [
        Panel(
            title="CPU a message, against the shortest",
            x_name=name,
            x=x,
            y=tuple(one.cpu for one in ratios),
            marks=((1.2, "must"), (1.0, "aim")),
            log_x=True,
        ),
        Panel(title="p50, against the shortest", x_name=name, x=x, y=tuple(one.p50 for one in ratios), log_x=True),
    ]


def hosts(growth: Growth) -> list[Panel]:
    """Give what calls take over the hosts of an account."""
    x = tuple(float(one.hosts) for one in growth.hosts)
    name = "hosts of the account"
    return [
        Panel(
            title="a list of devices, ms",
            x_name=name,
            x=x,
            y=tuple(one.list_ms for one in growth.hosts),
            log_x=True,
            log_y=True,
        ),
        Panel(title="a grant, ms", x_name=name, x=x, y=tuple(one.grant_ms for one in growth.hosts), log_x=True),
    ]


CURVES: Mapping[str, Callable[[Growth], list[Panel]]] = {"idle": idle, "pairs": pairs, "thread": thread, "hosts": hosts}
"""By the name of the file."""
