"""Statistics of CSVs agree with a naive oracle, for every way in which people write CSVs."""

from __future__ import annotations

import csv
import io
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from dispatch_host.agents import NotDoneReason
from dispatch_host.agents.builtin.tools.columns import DISTINCT_LIMIT, MISSING, Column, Type
from dispatch_host.agents.builtin.tools.csvfile import NotCsv, Reader, look
from dispatch_host.agents.builtin.tools.profile import Profile, profile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.assistant.conftest import Person, put, rows


class Quiet:
    """A bench for whoever only wants to tell how far it is."""

    def progress(self, done: int, total: int, unit: str) -> None: ...

    def step(self, title: str, detail: str = "") -> None: ...


def profiled(data: bytes | str) -> tuple[Profile, io.BytesIO]:
    file = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return profile(file, look(file), Quiet(), 1), file  # type: ignore[arg-type]  # the two methods it uses


def column(values: list[str], *, batch: int = 7, comma: bool = False) -> Column:
    made = Column("c", comma=comma)
    for start in range(0, len(values), batch):
        made.add(values[start : start + batch])
    made.finish()
    return made


integers = st.integers(-(10**25), 10**25).map(str)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12).map(str)
dates = st.dates().map(lambda date: date.isoformat() if date.year > 999 else "2000-01-01")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), min_size=1, max_size=12).filter(
    str.strip
)
blanks = st.sampled_from([*sorted(MISSING), " ", "  "])
written_alike = (integers, decimals, dates, texts, integers | texts)
cells = st.one_of([st.lists(one | blanks, min_size=1, max_size=60) for one in written_alike])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(cells, st.booleans(), st.integers(1, 20))
def test_a_column_agrees_with_the_oracle(values: list[str], streamed: bool, batch: int) -> None:
    made = Column("c")
    if streamed:
        made.evict()  # as when there are too many different values: what follows is taken batch by batch
    for start in range(0, len(values), batch):
        made.add(values[start : start + batch])
    made.finish()

    present = [value.strip() for value in values if value.strip() not in MISSING]
    assert made.values == len(present)
    assert sum(made.missing.values()) == len(values) - len(present)
    if not streamed:
        counts = Counter(value for value in values if value.strip() not in MISSING)
        assert made.distinct == len(counts)
        assert made.top(5) == sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    if made.type in (Type.INTEGER, Type.NUMBER):
        exact = [Decimal(value) for value in present]
        total = sum(map(_fraction, exact), Fraction(0))
        assert (made.numbers.least, made.numbers.greatest) == (min(exact), max(exact))
        assert _fraction(made.numbers.total) == total
        assert made.numbers.exact
        mean = made.numbers.mean()
        assert mean is not None
        assert abs(_fraction(mean) - total / len(exact)) <= abs(total / len(exact)) / 10**14
    if made.type is Type.DATE:
        assert made.date_range() == (min(present), max(present))
    if all(value.lstrip("-").isdecimal() and value.isascii() for value in present) and present:
        assert made.type is Type.INTEGER


def _fraction(value: int | Decimal) -> Fraction:
    return Fraction(value)


@settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(integers, words, decimals), min_size=2, max_size=30),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_the_csv_module_writes_is_read_the_same(
    written: list[tuple[str, str, str]], separator: str, end: str, encoding: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["number", "words", "amount"])
    writer.writerows(written)
    file = io.BytesIO(out.getvalue().encode(encoding))

    form = look(file)

    assert (form.columns, form.separator) == (["number", "words", "amount"], separator)
    assert list(Reader(file, form).rows()) == [list(row) for row in written]
    assert [row for batch in Reader(file, form).batches() for row in batch] == [list(row) for row in written]


def test_a_whole_summary_is_exact(home: Path, person: Person) -> None:
    lines = ["id,day,paid,amount,city,ok"]
    cities = ["Rome", "Oslo", ""]
    lines += [
        f"{i},2026-01-{i % 28 + 1:02},{i % 7},{i}.10,{cities[i % 3]},{'true' if i % 2 else 'false'}"
        for i in range(1, 1001)
    ]
    put(home / "Downloads" / "data.csv", "\n".join(lines))

    answer = person.asks("summarise data.csv")

    assert "**1,000 rows**, **6 columns** (comma-separated, UTF-8)" in answer
    assert rows(answer) == [
        ["id", "integer", "0", "1,000", "1", "1000", "500.5"],
        ["day", "date", "0", "28", "2026-01-01", "2026-01-28", ""],
        ["paid", "integer", "0", "7", "0", "6", "3.003"],
        ["amount", "number", "0", "1,000", "1.10", "1000.10", "500.6"],
        ["city", "text", "333", "2", "", "", ""],
        ["ok", "boolean", "0", "2", "", "", ""],
    ]
    assert "- city: Oslo (334), Rome (333)" in answer


@pytest.mark.parametrize("distinct", [2, 51, 500, 4_558, 9_000, DISTINCT_LIMIT])
@pytest.mark.parametrize("written", ["{}", "{}.50", "word {}", "{:05}-01-01"])
def test_every_column_has_its_most_frequent_values_up_to_the_limit(
    home: Path, person: Person, distinct: int, written: str
) -> None:
    """Whatever its type: a number that comes often tells as much as a word."""
    values = [written.format(1000 + value) for value in [*range(distinct), 1, 1, 0]]
    put(home / "Downloads" / "many.csv", "\n".join(["c", *values]))

    answer = person.asks("summarise many.csv")

    assert f"- c: {written.format(1001)} (3), {written.format(1000)} (2)" in answer
    assert "not counted" not in answer


def test_above_the_limit_and_where_all_values_differ_the_answer_says_so(home: Path, person: Person) -> None:
    lines = [f"{row},{row % 7_000},{row % 3},2026" for row in range(DISTINCT_LIMIT + 1)]
    put(home / "Downloads" / "many.csv", "\n".join(["id,key,few,year", *lines]))
    put(home / "Downloads" / "differ.csv", "\n".join(["n,one", *(f"{row},7" for row in range(500))]))

    many, differ = person.asks("summarise many.csv"), person.asks("summarise differ.csv")

    assert "More than 10,000 different values, so their most frequent ones were not counted: `id`." in many
    assert "- key: 0 (2), 1 (2), 10 (2)" in many
    assert "- few: 0 (3,334)" in many
    assert "- year: 2026 (10,001)" in many
    assert "- n: none; its 500 values all differ" in differ
    assert "- one: 7 (500)" in differ


def test_decimals_are_not_binary_fractions() -> None:
    made = column(["0.1"] * 10 + ["0.2"])

    assert made.numbers.total == Decimal("1.2")


def test_sums_are_exact_in_the_stream_too() -> None:
    made = column([f"{i}.1" for i in range(DISTINCT_LIMIT + 500)])

    assert made.distinct is None
    assert made.numbers.total == sum(Decimal(f"{i}.1") for i in range(DISTINCT_LIMIT + 500))


def test_values_are_counted_up_to_the_limit_and_not_above() -> None:
    at_limit = column([str(i) for i in range(DISTINCT_LIMIT)] + ["0"], batch=999)
    above = column([str(i) for i in range(DISTINCT_LIMIT + 1)] + ["0"], batch=999)

    assert (at_limit.distinct, at_limit.top(1)) == (DISTINCT_LIMIT, [("0", 2)])
    assert (above.distinct, above.top(1), above.too_many) == (None, [], True)


def test_long_values_are_told_apart_without_being_kept() -> None:
    made = column(["x" * 100_000 + str(i % 3) for i in range(60)])

    assert made.distinct == 3
    assert [count for _, count in made.top(3)] == [20, 20, 20]
    assert made.seen is not None
    assert max(map(len, made.seen)) < 300


def test_many_columns_of_many_values_are_counted_in_further_readings() -> None:
    width, height = 30, 9_000
    lines = [",".join(f"c{c}" for c in range(width))]
    lines += [",".join(f"value-{(r * (c + 1)) % 8999}-{'y' * 60}" for c in range(width)) for r in range(height)]

    result, _ = profiled("\n".join(lines))

    assert any(made.evicted for made in result.columns)
    assert not result.uncounted
    assert [made.distinct for made in result.columns] == [8999] * width
    assert all(made.top(1) == [(f"value-0-{'y' * 60}", 2)] for made in result.columns)


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["1", "-2", "+3"], Type.INTEGER),
        (["1", "2.5", ".5", "1e3"], Type.NUMBER),
        (["1_000", "2"], Type.TEXT),
        (["\u0661\u0662", "\u0663"], Type.TEXT),  # digits of another script
        (["nan", "1"], Type.INTEGER),
        (["inf", "1"], Type.TEXT),
        (["2026-01-01", "2026-02-30"], Type.TEXT),
        (["2026-01-01T10:00:00", "2026-01-02T10:00:00Z"], Type.TEXT),
        (["2026-01-01 10:00", "2026-01-02 11:30"], Type.TIME),
        (["31/12/2026", "01/02/2026"], Type.DATE),
        (["Yes", "no"], Type.BOOLEAN),
        (["0", "1"], Type.INTEGER),
        (["", " ", "NA"], Type.EMPTY),
    ],
)  # fmt: skip
def test_a_type_is_what_all_values_are(values: list[str], type_: Type) -> None:
    assert column(values).type is type_


def test_day_and_month_are_told_apart_by_evidence_only() -> None:
    assert column(["03/04/2026", "25/12/2026", "01/05/2026"]).date_range() == ("03/04/2026", "25/12/2026")
    assert column(["03/04/2026", "12/25/2026", "01/05/2026"]).date_range() == ("01/05/2026", "12/25/2026")
    assert column(["03/04/2026", "01/05/2026"]).date_range() is None


def test_a_decimal_comma_is_a_number_only_where_the_comma_separates_nothing() -> None:
    result, _ = profiled("name;price\na;1,50\nb;2,25\n")
    assert (result.columns[1].type, result.columns[1].numbers.total) == (Type.NUMBER, Decimal("3.75"))
    result, _ = profiled('name,price\na,"1,500"\nb,"2,250"\n')
    assert result.columns[1].type is Type.TEXT


def test_numbers_spoiled_by_few_words_are_still_described(home: Path, person: Person) -> None:
    put(home / "Downloads" / "d.csv", "n\n" + "\n".join(["1", "2", "3", "unknown"]))

    answer = person.asks("summarise d.csv")

    assert rows(answer) == [["n", "text, mostly numbers", "0", "4", "1", "3", "2"]]
    assert "1 of 4 values are not numbers" in answer


def test_rows_of_another_length_are_counted_and_do_no_harm() -> None:
    result, _ = profiled("a,b,c\n1,2,3\n1,2\n1,2,3,4\n\n5,6,7\n")

    assert (result.rows, result.short, result.long) == (4, 1, 1)
    assert sum(result.columns[2].missing.values()) == 1
    assert result.columns[2].numbers.total == 13


@pytest.mark.parametrize(
    ("data", "count", "columns"),
    [
        ("a,b\n", 0, ["a", "b"]),
        ("1,2\n3,4\n", 2, ["column 1", "column 2"]),
        ("name,2019,2020\nx,1,2\ny,3,4\n", 2, ["name", "2019", "2020"]),
        ("a,a,\n1,2,3\n", 1, ["a", "a (2)", "column 3"]),
        ("sep=;\na;b\n1;2\n", 1, ["a", "b"]),
        ('a,b\n1,"two\nlines"\n', 1, ["a", "b"]),
        ("only\n1\n2\n", 2, ["only"]),
        ("a\0b,c\n1,2\n", 1, None),
        ("\ufeffa,b\n1,2\n", 1, ["a", "b"]),
        ("a, \"b\"\n1, \"x, y\"\n", 1, ["a", "b"]),
    ],
)  # fmt: skip
def test_unusual_csvs_are_read(data: str, count: int, columns: list[str] | None) -> None:
    if columns is None:
        with pytest.raises(NotCsv):
            look(io.BytesIO(data.encode()))
        return
    result, file = profiled(data)

    assert (result.rows, look(file).columns) == (count, columns)


def test_another_encoding_is_read_and_named(home: Path, person: Person) -> None:
    put(home / "Downloads" / "l.csv", "stadt,n\nKöln,1\nNîmes,2\n".encode("latin-1"))
    put(home / "Downloads" / "u.csv", "stadt,n\nKöln,1\nNîmes,2\n".encode("utf-16"))

    assert "Windows-1252" in person.asks("summarise l.csv")
    assert "UTF-16" in person.asks("summarise u.csv")
    assert rows(person.asks("first rows of l.csv")) == [["Köln", "1"], ["Nîmes", "2"]]


def test_bytes_of_no_encoding_are_counted_and_shown(home: Path, person: Person) -> None:
    put(home / "Downloads" / "b.csv", "stadt,n\nKöln,1\n".encode() + b"bad\xff\xfe,2\n")

    assert "Bytes that are not valid UTF-8, shown as \\x…: 2." in person.asks("summarise b.csv")
    assert rows(person.asks("first rows of b.csv"))[1][0] == r"bad\\xff\\xfe"


def test_a_quote_that_never_closes_spoils_only_its_record() -> None:
    lines = ["a,b", *["1,2"] * 10, '3,"open', *["4,5"] * 400_000]

    result, _ = profiled("\n".join(lines))

    assert result.broken >= 1
    assert result.rows > 10


def test_a_line_without_end_is_dropped_and_the_next_are_read() -> None:
    result, _ = profiled("a,b\n1,2\n" + "x" * 3_000_000 + "\n3,4\n")

    assert (result.rows, result.broken) == (2, 1)


def test_what_is_no_csv_is_told(home: Path, person: Person) -> None:
    put(home / "Downloads" / "binary.csv", bytes(range(256)) * 100)
    put(home / "Downloads" / "empty.csv", "")
    put(home / "Downloads" / "header.csv", "a,b,c\n")

    for text in ("summarise binary.csv", "top 5 rows of binary.csv", "how many rows does binary.csv have?"):
        assert person.is_refused(text) is NotDoneReason.INPUT_UNREADABLE
    for text in ("summarise empty.csv", "top 5 rows of empty.csv", "how many rows does empty.csv have?"):
        assert "empty" in person.asks(text)
    assert "**0 rows**, **3 columns**" in person.asks("summarise header.csv")
    assert "no rows" in person.asks("top 5 rows of header.csv")


def test_a_table_too_wide_for_a_phone_is_cut_and_says_so(home: Path, person: Person) -> None:
    put(home / "Downloads" / "wide.csv", ",".join(f"c{i}" for i in range(900)) + "\n" + ",".join("1" * 900) + "\n")

    assert "Only the first 50 of 900 columns are shown." in person.asks("first row of wide.csv")
    assert "500 more columns left out" in person.asks("summarise wide.csv")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("mean of amount in x.csv", "The mean of `amount` in `Downloads/x.csv` is **2.5** (4 numbers, 1 missing)."),
        ("what's the average Amount in x.csv?", "is **2.5**"),
        ("sum of amount in x.csv", "The sum of `amount` in `Downloads/x.csv` is **10.0**"),
        ("total of the amount column in x.csv", "is **10.0**"),
        ("min and max of amount in x.csv", "The maximum of `amount` in `Downloads/x.csv` is **4.7**"),
        ("give me the lowest amount in x.csv please", "The minimum of `amount` in `Downloads/x.csv` is **0.1**"),
        ("count of amount in x.csv", "The count of `amount` in `Downloads/x.csv` is **4**"),
        ('maximum of "unit price" in x.csv', "is **9**"),
        ("max of unit price in x.csv", "is **9**"),
        ("mean of city in x.csv", "`city` in `Downloads/x.csv` holds no numbers"),
        (
            "mean of nothing in x.csv",
            "There is no column `nothing` in `Downloads/x.csv`. It has: amount, unit_price, city.",
        ),
        ("mean of amount in gone.csv", "There is no file `gone.csv`"),
    ],
)
def test_a_column_is_measured(home: Path, person: Person, text: str, answer: str) -> None:
    put(
        home / "Downloads" / "x.csv",
        "amount,unit_price,city\n0.1,1,Rome\n0.2,9,Oslo\n5.0,3,\n,2,Rome\n4.7,4,Rome\n".replace("5.0", "4.5").replace(
            "0.2", "0.7"
        ),
    )

    assert answer in person.asks(text)


def test_a_column_of_the_file_spoken_of_is_measured(home: Path, person: Person) -> None:
    put(home / "Downloads" / "x.csv", "amount\n1\n3\n")
    person.asks("first row of x.csv")

    assert "is **2**" in person.asks("mean of amount in it")
