"""The statistics of one column, exact and in bounded memory, fed by batches of cells.

While a column has few different values they are counted, and everything follows from the counts. Above the limit the
counts are folded into sums (sums.py), and further batches are taken as a whole by functions that run in C. Pure; called by
profile.py.
"""

from __future__ import annotations

import decimal
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import islice

from dispatch_host.agents.builtin.tools.sums import EXACT, Dates, Numbers, exact_sum

DISTINCT_LIMIT = 10_000  # up to here every value is counted
_LONG = 200  # characters above which a value is remembered by its beginning and its digest
_PER_VALUE_BYTES = 150  # what remembering one value costs besides its characters, about

# Beside empty cells: what programs write for "no value". The answer says which were met.
MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "Null", "None", "<NA>"})

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,1000}", re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
_PARTS = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})", re.ASCII)
_TRUE_FALSE = frozenset({"true", "false", "yes", "no", "t", "f", "y", "n"})
_DIGITS = b"0123456789\n"


class Type(StrEnum):
    """What all values of a column are."""

    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    TIME = "date and time"
    BOOLEAN = "boolean"
    TEXT = "text"
    EMPTY = "empty"


class Column:
    """One column while it is read; `finish` before asking for results."""

    def __init__(self, name: str, *, comma: bool = False) -> None:
        """`comma` allows numbers with a decimal comma, which only a CSV with another separator can mean."""
        self.name = name
        self._comma = comma
        self.values = 0  # not missing
        self.missing: Counter[str] = Counter()
        self.numbers = Numbers()
        self.commas = False  # numbers are written with a decimal comma
        self.dates = Dates()
        self.texts = 0
        self.typed = True  # False: so much text that numbers in it are no longer counted
        self.seen: Counter[str] | None = Counter()
        self.too_many = False  # more different values than are counted
        self.evicted = False  # not counted for want of memory: a second reading must
        self.cost = 0
        self.booleans = False
        self._cut: dict[str, str] = {}

    # --- while reading

    def add(self, cells: Sequence[str]) -> None:
        """Take in a batch of cells."""
        if self.seen is None:
            self._stream(cells)
            return
        self.count(cells)
        if self.seen is not None and len(self.seen) > DISTINCT_LIMIT:
            self.too_many = True
            self._fold()

    def count(self, cells: Sequence[str]) -> None:
        """Count the values of a batch, and nothing else."""
        seen = self.seen
        if seen is None:
            return
        before = len(seen)
        seen.update(cells)
        grown = len(seen) - before
        if not grown:
            return
        for value in list(islice(reversed(seen), grown)):
            if len(value) > _LONG:
                seen[self._brief(value)] += seen.pop(value)
                self.cost += _LONG
            else:
                self.cost += _PER_VALUE_BYTES + len(value) * (1 if value.isascii() else 3)

    def evict(self) -> None:
        """Give the memory of the counts back; a second reading can count again."""
        self.evicted = True
        self._fold()

    def recount(self) -> None:
        """Prepare for a second reading that only counts."""
        self.seen, self.cost = Counter(), 0

    def finish(self) -> None:
        """Draw the sums from the counts, where the counts are whole."""
        if self.seen is None or self.evicted:
            return
        self._weigh(self.seen)
        plain = {value.strip().casefold() for value in self.seen if value.strip() not in MISSING}
        self.booleans = 0 < len(plain) <= 2 and plain <= _TRUE_FALSE

    # --- results

    @property
    def type(self) -> Type:
        """Tell what all values are; a column with one word among numbers is text."""
        if not self.values:
            return Type.EMPTY
        if self.booleans:
            return Type.BOOLEAN
        if self.numbers.count == self.values and self.typed:
            return Type.INTEGER if self.numbers.integers else Type.NUMBER
        if self.typed and self.dates.whole(self.values):
            return Type.TIME if self.dates.times else Type.DATE
        return Type.TEXT

    @property
    def mostly_numbers(self) -> bool:
        """Tell whether some values spoil a column of numbers."""
        return self.typed and self.type is Type.TEXT and self.numbers.count >= self.values * 0.5

    @property
    def distinct(self) -> int | None:
        """Count the different values that are not missing; None above the limit."""
        if self.seen is None:
            return None
        return sum(1 for value in self.seen if value.strip() not in MISSING)

    def top(self, limit: int) -> list[tuple[str, int]]:
        """Give the most frequent values, equal ones by name; empty above the limit."""
        if self.seen is None:
            return []
        counted = ((value, count) for value, count in self.seen.items() if value.strip() not in MISSING)
        return sorted(counted, key=lambda pair: (-pair[1], pair[0]))[:limit]

    def date_range(self) -> tuple[str, str] | None:
        """Give the first and the last date as they are written; None where day and month can't be told apart."""
        readings = self.dates.whole(self.values)
        if len(readings) != 1 or readings[0].first is None or readings[0].last is None:
            return None
        return readings[0].first[1], readings[0].last[1]

    # --- inside

    def _brief(self, value: str) -> str:
        digest = hashlib.blake2b(value.encode(errors="surrogatepass"), digest_size=16).hexdigest()
        return f"{value[: _LONG - 40]}… [{len(value):,} characters, {digest[:12]}]"

    def _fold(self) -> None:
        if self.seen is not None:
            self._weigh(self.seen)
        self.seen, self.cost = None, 0

    def _weigh(self, counts: Mapping[str, int]) -> None:
        """Take in values with their counts."""
        for raw, times in counts.items():
            value = raw.strip()
            if value in MISSING:
                self.missing[value] += times
                continue
            self.values += times
            if not self._number(value, times) and not self._date(value, times):
                self.texts += times
        if self.texts > self.values * 0.5:
            self.typed = False

    def _number(self, value: str, times: int) -> bool:
        numbers = self.numbers
        if _INTEGER.fullmatch(value):
            whole = int(value)
            numbers.add((whole,), whole * times, times)
            return True
        if self._comma and _COMMA_NUMBER.fullmatch(value):
            self.commas = True
            value = value.replace(",", ".")
        if not _NUMBER.fullmatch(value):
            return False
        decimal_value = Decimal(value)
        numbers.integers = False
        numbers.add((decimal_value,), exact_sum((EXACT.multiply(decimal_value, Decimal(times)),), numbers), times)
        return True

    def _date(self, value: str, times: int) -> bool:
        parts = _PARTS.fullmatch(value)
        if parts:
            return self.dates.add_slashed(value, int(parts[1]), int(parts[3]), int(parts[4]), times)
        if not _ISO.fullmatch(value):
            return False
        try:
            moment = datetime.fromisoformat(value)
            self.dates.iso.add((moment, value), (moment, value), times)
        except (ValueError, TypeError):
            return False
        self.dates.times = self.dates.times or len(value) > 10
        return True

    def _stream(self, cells: Sequence[str]) -> None:
        """Take in a batch as a whole; fall back to value by value only where it is mixed."""
        values = cells
        if not MISSING.isdisjoint(cells) or any(map(str.isspace, cells)):
            values = [value for value in cells if not self._note_missing(value)]
            if not values:
                return
        if not self.typed:
            self.values += len(values)
            self.texts += len(values)
        elif not (self._integers(values) or self._decimals(values) or self._iso_dates(values)):
            self._weigh(Counter(values))

    def _note_missing(self, value: str) -> bool:
        if value and value not in MISSING and not value.isspace():
            return False
        self.missing[value.strip()] += 1
        return True

    @staticmethod
    def _foreign(values: Sequence[str], allowed: bytes) -> bytes:
        """Give the bytes of the batch that are not allowed, in one pass in C."""
        return "\n".join(values).encode(errors="surrogatepass").translate(None, _DIGITS + allowed)

    def _integers(self, values: Sequence[str]) -> bool:
        if self._foreign(values, b"+-"):
            return False
        try:
            whole = list(map(int, values))
        except ValueError:  # dates, or a lone sign, or thousands of digits
            return False
        self.values += len(whole)
        self.numbers.add(whole, sum(whole), len(whole))
        return True

    def _decimals(self, values: Sequence[str]) -> bool:
        if self._comma and not self._foreign(values, b"+-,") and all(value.count(",") == 1 for value in values):
            self.commas = True
            values = [value.replace(",", ".") for value in values]
        if self._foreign(values, b"+-."):
            return False
        try:
            numbers = list(map(Decimal, values))
        except decimal.DecimalException:
            return False
        self.values += len(numbers)
        self.numbers.integers = False
        self.numbers.add(numbers, self._sum(numbers), len(numbers))
        return True

    def _sum(self, values: Sequence[Decimal]) -> Decimal:
        with decimal.localcontext(EXACT) as context:
            context.clear_flags()
            total = sum(values, Decimal(0))
            if context.flags[decimal.Inexact]:
                self.numbers.exact = False
        return total

    def _iso_dates(self, values: Sequence[str]) -> bool:
        if self._foreign(values, b"-:T Z.+") or not _ISO.fullmatch(values[0]):
            return False
        # All of one shape, or value by value: fromisoformat also reads forms that are no dates to a person.
        shape = len(values[0])
        if set(map(len, values)) != {shape}:
            return False
        try:
            moments = list(map(datetime.fromisoformat, values))
            first, last = min(moments), max(moments)
            ends = ((first, values[moments.index(first)]), (last, values[moments.index(last)]))
            self.dates.iso.add(*ends, len(values))
        except (ValueError, TypeError):
            return False
        self.values += len(values)
        self.dates.times = self.dates.times or shape > 10
        return True
