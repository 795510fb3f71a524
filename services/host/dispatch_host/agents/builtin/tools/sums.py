"""What is known of the numbers and the dates of a column: counts, exact sums, extremes. Pure; called by columns.py.

Numbers are exact: integers as integers, decimals as decimals (never binary fractions).
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

# Exact sums: enough digits for any sum of ordinary decimals; what still does not fit raises the Inexact flag.
EXACT = decimal.Context(prec=200, Emax=9999, Emin=-9999, traps=[decimal.InvalidOperation, decimal.Overflow])


@dataclass(slots=True)
class Numbers:
    """Count, sum and extremes of numbers, exact."""

    count: int = 0
    integers: bool = True
    total: int | Decimal = 0
    least: int | Decimal | None = None
    greatest: int | Decimal | None = None
    exact: bool = True

    def add(self, values: Sequence[int] | Sequence[Decimal], total: int | Decimal, count: int) -> None:
        """Take in numbers, whose exact sum the caller knows."""
        self.count += count
        if isinstance(total, Decimal) or isinstance(self.total, Decimal):
            self.total = exact_sum((Decimal(self.total), Decimal(total)), self)
        else:
            self.total += total
        low, high = min(values), max(values)
        self.least = low if self.least is None else min(self.least, low)
        self.greatest = high if self.greatest is None else max(self.greatest, high)

    def mean(self) -> Decimal | None:
        """Divide exactly, then round to 15 significant digits, or to whole numbers of any length."""
        if not self.count:
            return None
        quotient = EXACT.divide(Decimal(self.total), Decimal(self.count))
        digits = max(15, quotient.adjusted() + 1)
        return decimal.Context(prec=digits).plus(quotient).normalize()


def exact_sum(values: Iterable[Decimal], into: Numbers) -> Decimal:
    """Add decimals without rounding; note it in `into` where they are too far apart for that."""
    context = EXACT
    context.clear_flags()
    total = Decimal(0)
    for value in values:
        total = context.add(total, value)
    if context.flags[decimal.Inexact]:
        into.exact = False
    return total


@dataclass(slots=True)
class Range:
    """The first and the last of some dates, with how they are written."""

    count: int = 0
    first: tuple[datetime, str] | None = None
    last: tuple[datetime, str] | None = None

    def add(self, first: tuple[datetime, str], last: tuple[datetime, str], count: int) -> None:
        """Take in dates by their extremes; raise TypeError where some have a zone and some have none."""
        if self.first is None or first[0] < self.first[0]:
            self.first = first
        if self.last is None or last[0] > self.last[0]:
            self.last = last
        self.count += count


@dataclass(slots=True)
class Dates:
    """Dates as ISO 8601 has them, or as 03/04/2026, which is read both ways until only one is left."""

    times: bool = False
    iso: Range = field(default_factory=Range)
    day_first: Range = field(default_factory=Range)
    month_first: Range = field(default_factory=Range)

    def add_slashed(self, value: str, left: int, middle: int, year: int, times: int) -> bool:
        """Take in 03/04/2026 under both readings; False when it is no date under either."""
        fits = False
        for reading, month, day in ((self.day_first, middle, left), (self.month_first, left, middle)):
            try:
                moment = datetime(year, month, day)  # noqa: DTZ001  a date in a file has no zone
            except ValueError:
                continue
            reading.add((moment, value), (moment, value), times)
            fits = True
        return fits

    def whole(self, values: int) -> list[Range]:
        """Give the readings under which every one of `values` is a date."""
        return [reading for reading in (self.iso, self.day_first, self.month_first) if reading.count == values]
