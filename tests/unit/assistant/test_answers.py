"""Real folders, exact answers: each everyday task on a small tree whose truth is known."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from dispatch_host.agents import NotDoneReason, Result, Step, Text

from tests.unit.assistant.conftest import NOW, Person, put, rows

MakePdf = Callable[..., Path]


def test_the_largest_files_are_ranked_with_their_exact_sizes(home: Path, person: Person) -> None:
    for index in range(12):
        put(home / "Downloads" / f"file-{index:02}.bin", b"x" * (1000 * index + 7))
    put(home / "Downloads" / "sub" / "deep" / "huge.iso", b"x" * 1_234_567)
    put(home / "Private" / "larger.bin", b"x" * 2_000_000)

    answer = person.asks("Which files in my Downloads are largest?")

    assert rows(answer)[0][:4] == ["1", "`Downloads/sub/deep/huge.iso`", "1.2 MB", "1,234,567"]
    assert [row[3] for row in rows(answer)[1:]] == [f"{1000 * index + 7:,}" for index in range(11, 2, -1)]
    assert "larger.bin" not in answer
    assert "13" in answer.splitlines()[0]


def test_files_of_one_size_are_ranked_by_name_each_time(home: Path, person: Person) -> None:
    for name in ("c", "a", "b"):
        put(home / "Downloads" / f"{name}.txt", "same")

    assert [row[1] for row in rows(person.asks("largest files"))] == [f"`Downloads/{name}.txt`" for name in "abc"]


def test_pdfs_are_found_by_a_word_listed_and_the_first_is_summarised(
    home: Path, person: Person, make_pdf: MakePdf
) -> None:
    make_pdf(
        home / "Documents" / "invoice-march.pdf",
        "Invoice for March",
        "Acme delivered forty chairs in March and two chairs were damaged. The chairs are replaced by Acme in April.",
        "The invoice for the chairs is due within thirty days. Payment is by bank transfer.",
    )
    make_pdf(home / "Documents" / "2026" / "Old_Invoice.PDF", "Old", "Globex shipped ten desks to the office in June.")
    make_pdf(home / "Documents" / "contract.pdf", "Contract", "This contract binds both parties.")
    put(home / "Documents" / "invoice.txt", "an invoice that is no PDF")

    answer = person.asks("Find PDFs in Documents with invoice in the filename, list them, and summarise the first")

    assert [row[1] for row in rows(answer)] == ["`Documents/2026/Old_Invoice.PDF`", "`Documents/invoice-march.pdf`"]
    assert "> Globex shipped ten desks to the office in June." in answer
    assert "contract" not in answer
    assert "1 page" in answer
    assert [event.title for event in person.events if isinstance(event, Step)] == ["Looking for files", "Summarising"]
    assert any("invoice-march" in event.delta for event in person.events if isinstance(event, Text))


def test_a_heading_does_not_become_part_of_the_first_sentence(home: Path, person: Person, make_pdf: MakePdf) -> None:
    make_pdf(home / "Documents" / "note.pdf", "A Title Without A Stop", "The chairs arrived on Monday in good order.")

    assert "> The chairs arrived on Monday in good order." in person.asks("summarise note.pdf")


def test_the_top_rows_of_a_csv_found_by_a_phrase_are_a_table(home: Path, person: Person) -> None:
    lines = ["region,units,amount", *(f"region {index},{index},{index}.50" for index in range(9))]
    put(home / "Downloads" / "2026_Sales-Report_final.csv", "\n".join(lines))
    put(home / "Downloads" / "other.csv", "a,b\n1,2\n")
    put(home / "Documents" / "sales report.csv", "not,in,downloads\n1,2,3\n")

    answer = person.asks(
        "In Downloads find the CSV whose name contains 'sales report' and show its top 5 rows as a table"
    )

    assert "| region | units | amount |" in answer
    assert rows(answer) == [[f"region {index}", str(index), f"{index}.50"] for index in range(5)]
    assert rows(person.asks("the last 2 rows")) == [["region 7", "7", "7.50"], ["region 8", "8", "8.50"]]


def test_cells_cannot_break_out_of_the_table(home: Path, person: Person) -> None:
    put(home / "Downloads" / "odd.csv", 'a,b\n"x|y","line\nbreak <b> *bold* `tick` [l](u)"\n"\x1b[31m",\\\n')

    answer = person.asks("top 5 rows of odd.csv")

    assert rows(answer) == [
        ["x|y", "line ⏎ break \\<b> \\*bold\\* \\`tick\\` \\[l\\](u)"],
        [r"\\x1b\[31m", "\\\\"],
    ]


def test_a_phrase_is_found_inside_files_with_its_line(home: Path, person: Person) -> None:
    put(home / "Documents" / "a.txt", "nothing here\nProject Apollo is late\n\nproject  APOLLO again")
    put(home / "Documents" / "b.md", "apollo project")
    put(home / "Documents" / "utf16.txt", "über Project Apollo".encode("utf-16"))
    put(home / "Documents" / "latin.txt", "caf\xe9 project apollo".encode("latin-1"))
    put(home / "Documents" / "image.png", b"\x89PNG\0project apollo")
    put(home / "Private" / "c.txt", "project apollo")

    answer = person.asks("search for 'project apollo' in Documents")

    assert "**3 files**" in answer
    assert "**4 lines" in answer
    assert "line 2: Project Apollo is late" in answer
    assert "line 4: project  APOLLO again" in answer
    assert "1 binary file (1 .png)" in answer
    assert "b.md" not in answer
    assert "Private" not in answer


def test_a_phrase_is_found_in_the_text_of_pdfs(home: Path, person: Person, make_pdf: MakePdf) -> None:
    make_pdf(home / "Documents" / "policy.pdf", "", "First page.", "\f", "The insurance covers water.")
    make_pdf(home / "Documents" / "other.pdf", "", "Nothing of the kind.")

    answer = person.asks("find pdfs with insurance in them")

    assert "`Documents/policy.pdf`" in answer
    assert "page 2: The insurance covers water." in answer
    assert "other.pdf" not in answer


def test_all_hits_are_counted_though_few_are_shown(home: Path, person: Person) -> None:
    put(home / "Documents" / "many.log", "\n".join(["needle", "hay"] * 5000))

    answer = person.asks("search for needle")

    assert "**5,000 lines" in answer
    assert "5 of 5,000 places are shown" in answer


def test_long_lines_are_searched_and_only_the_surroundings_shown(home: Path, person: Person) -> None:
    put(home / "Documents" / "min.js", "a" * 3_000_000 + "needle" + "b" * 3_000_000 + "\nneedle")

    answer = person.asks("search for needle in Documents")

    assert "**2 lines" in answer
    assert "line 1: …aaa" in answer
    assert "line 2: needle" in answer
    assert len(answer) < 1000


def test_only_files_changed_since_then_are_listed_newest_first(home: Path, person: Person) -> None:
    put(home / "Downloads" / "old.txt", modified=NOW - timedelta(days=3))
    put(home / "Downloads" / "yesterday.txt", modified=NOW - timedelta(hours=20))
    put(home / "Documents" / "now.txt", modified=NOW - timedelta(minutes=5))
    put(home / "Documents" / "edge.txt", modified=NOW.replace(day=20, hour=0, minute=0))

    assert [row[1] for row in rows(person.asks("what changed since yesterday"))] == [
        "`Documents/now.txt`", "`Downloads/yesterday.txt`", "`Documents/edge.txt`",
    ]  # fmt: skip
    assert [row[1] for row in rows(person.asks("what changed in the last 2 hours?"))] == ["`Documents/now.txt`"]
    assert "There are no files" in person.asks("what changed between 2020-01-01 and 2020-02-01")
    assert [row[1] for row in rows(person.asks("files older than 2 days"))] == ["`Downloads/old.txt`"]


def test_times_are_those_of_the_persons_zone(home: Path, person: Person) -> None:
    put(home / "Downloads" / "a.txt", modified=NOW - timedelta(minutes=5))

    assert rows(person.asks("largest files"))[0][4] == "2026-11-21 09:25"


def test_identical_files_are_grouped_and_hard_links_are_not_duplicates(home: Path, person: Person) -> None:
    big = b"same" * 50_000
    put(home / "Downloads" / "one.bin", big)
    put(home / "Documents" / "two.bin", big)
    put(home / "Downloads" / "almost.bin", big[:-1] + b"!")
    put(home / "Downloads" / "a.txt", "tiny")
    put(home / "Downloads" / "b.txt", "tiny")
    os.link(home / "Downloads" / "one.bin", home / "Downloads" / "one-again.bin")
    put(home / "Downloads" / "empty-1")
    put(home / "Downloads" / "empty-2")

    answer = person.asks("find duplicates")

    assert "**2 groups of identical files**" in answer
    assert "2 surplus copies, 200.0 kB (200,004 bytes)" in answer
    assert "2 × 200.0 kB (200,000 bytes each)" in answer
    assert "almost" not in answer
    assert "1 further name of the same file (hard links)" in answer
    assert "2 empty files left out" in answer
    assert "No two files" in person.asks("duplicate pdfs")


def test_folders_are_added_up_exactly(home: Path, person: Person) -> None:
    put(home / "Downloads" / "top.bin", b"x" * 10)
    put(home / "Downloads" / "a" / "one.bin", b"x" * 1000)
    put(home / "Downloads" / "a" / "deep" / "two.bin", b"x" * 500)
    put(home / "Downloads" / "b" / "three.bin", b"x" * 700)

    answer = person.asks("disk usage by folder in Downloads")

    assert "`Downloads` holds **2.2 kB** (2,210 bytes) in 4 files." in answer
    assert rows(answer) == [
        ["`Downloads/a`", "1.5 kB", "1,500", "2"],
        ["`Downloads/b`", "700 B", "700", "1"],
        ["`Downloads` itself", "10 B", "10", "1"],
    ]


def test_files_are_counted_by_kind(home: Path, person: Person) -> None:
    for name in ("a.pdf", "b.PDF", "c.txt"):
        put(home / "Documents" / name, "x")

    assert "There are **2 PDFs** in `Documents`" in person.asks("how many pdfs are in Documents?")


@pytest.mark.parametrize("name", ["many", "lots", "data", "output", "things"])
def test_a_folder_that_is_called_as_a_quantity_is_that_folder_and_never_all_of_them(
    home: Path, owner: Person, name: str
) -> None:
    beside = put(home / "Documents" / "beside.txt", "x")
    within = put(home / "Documents" / name / "within.txt", "x")
    there = f"There is **1 file** in `Documents/{name}`"

    for where in (f"in {name}", f"inside {name}", f"in the folder called {name}"):
        assert there in owner.asks(f"how many files are {where}?"), where
    owner.asks(f"delete everything in {name}")

    assert (beside.exists(), within.exists()) == (True, False)


def test_rows_and_lines_are_counted(home: Path, person: Person) -> None:
    put(home / "Downloads" / "t.csv", 'a,b\n1,"two\nlines"\n2,x\n')
    put(home / "Downloads" / "t.txt", "one\ntwo\nthree")

    assert "**2 rows**" in person.asks("how many rows does t.csv have?")
    assert "**3 lines**" in person.asks("how many lines are in t.txt?")


def test_a_text_file_is_read_as_it_is(home: Path, person: Person) -> None:
    put(home / "Documents" / "notes.txt", "one\n```\n# two\ttabbed\n")

    assert "````\none\n```\n# two    tabbed\n````" in person.asks("read notes.txt")


def test_folders_are_meant_by_name_path_and_in_part(home: Path, person: Person) -> None:
    put(home / "Documents" / "Tax Papers" / "return.pdf", "x")
    put(home / "Documents" / "other.pdf", "x")

    for said in ("Documents/Tax Papers", "tax-papers", "~/Documents/tax papers", f"{home}/Documents/Tax Papers"):
        assert [row[1] for row in rows(person.asks(f'largest files in the folder "{said}"'))] == [
            "`Documents/Tax Papers/return.pdf`"
        ], said
    assert "There is no folder" in person.asks("largest files in Documents/nowhere")


@pytest.mark.parametrize(
    "text",
    [
        "largest files in ~/Private", "largest files in Private", "largest files in /etc", "summarise /etc/passwd",
        "list files in ../Private", "list files in Downloads/../Private", "read ../Private/diary.txt", "search for x in Pictures",
        "largest files in ~root", "list files in C:\\Windows", "read ~/Private/diary.txt", "list files in /",
    ],
)  # fmt: skip
def test_what_lies_outside_is_refused_and_the_way_to_approve_it_is_told(home: Path, person: Person, text: str) -> None:
    put(home / "Private" / "diary.txt", "dear diary")

    assert person.is_refused(text) is NotDoneReason.FOLDER_NOT_APPROVED
    assert "dispatch-host folders add" in person.end(text).text


def test_without_approved_folders_nothing_is_looked_at(home: Path) -> None:
    nobody = Person(home)

    assert nobody.is_refused("largest files") is NotDoneReason.FOLDER_NOT_APPROVED
    assert isinstance(nobody.end("help"), Result)


def test_a_folder_that_is_gone_is_told(home: Path) -> None:
    both = Person(home, "Downloads", "Gone")
    put(home / "Downloads" / "a.txt", "x")

    assert f"`{home}/Gone` (not there)" in both.asks("largest files")
    assert Person(home, "Gone").is_refused("largest files") is NotDoneReason.INPUT_UNREADABLE


def test_what_is_missing_is_said_plainly(home: Path, person: Person) -> None:
    assert person.asks("summarise nothing.pdf").startswith("There is no file `nothing.pdf`")
    assert "no CSVs with `unicorn` in the name" in person.asks("first 5 rows of the csv about unicorn")
    assert person.asks(f"read {home}/Documents/gone.txt").startswith("There is no file")
    assert "No file in" in person.asks("search for unicorn")


def test_the_rest_is_refused_with_what_can_be_done(person: Person) -> None:
    assert person.is_refused("what's the weather") is NotDoneReason.NOT_UNDERSTOOD
    assert "Largest files" in person.end("what's the weather").text
    assert person.is_refused("summarise the news") is NotDoneReason.NOT_UNDERSTOOD
    assert person.is_refused("find unicorns") is NotDoneReason.NOT_UNDERSTOOD
    assert person.is_refused("send an email to bob") is NotDoneReason.NEEDS_AGENT
    assert person.is_refused("encrypt everything in Downloads") is NotDoneReason.NEEDS_AGENT


def test_an_answer_stays_short_and_says_what_was_cut(home: Path, person: Person) -> None:
    for index in range(600):
        put(home / "Downloads" / f"{index:03}-{'long' * 50}.txt", "x")

    answer = person.asks("show 500 files in Downloads")

    assert len(answer.encode()) <= 48 * 1024
    assert "more rows did not fit" in answer
    assert "… and" in answer


def test_the_hosts_own_folder_is_never_read(home: Path) -> None:
    put(home / "Documents" / ".dispatch" / "device.key", "private key")
    person = Person(home, "Documents", keep_out=[home / "Documents" / ".dispatch"])

    assert "device.key" not in person.asks("list files in Documents")
    assert "No file" in person.asks("search for 'private key'")
    end = person.end(f"read {home}/Documents/.dispatch/device.key")
    assert "private key" not in end.text
