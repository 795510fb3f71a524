"""A thread remembers: what was listed, what was asked, and which one was meant. The memory is JSON between the tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dispatch_host.agents import NotDoneReason

from tests.unit.assistant.conftest import Person, put, rows


@pytest.fixture
def files(home: Path, person: Person) -> Person:
    for index, name in enumerate(("a.pdf", "b.txt", "c.csv", "d.png")):
        put(home / "Downloads" / name, f"x,{name}\n" * (40 - index))
        put(home / "Documents" / name, f"x,{name}\n" * (40 - index))
    return person


def names(answer: str) -> list[str]:
    return [row[1].strip("`") for row in rows(answer)]


def test_the_second_pdf_is_summarised_after_the_first(
    home: Path, person: Person, make_pdf: Callable[..., Path]
) -> None:
    for number, word in enumerate(("chairs", "desks", "lamps"), start=1):
        make_pdf(home / "Documents" / f"invoice-{number}.pdf", "", f"The invoice is for forty {word} in all.")

    assert "forty chairs" in person.asks("find PDFs with invoice in the name and summarise the first")
    assert "forty desks" in person.asks("and the second one?")
    assert "forty lamps" in person.asks("and the third?")
    assert "forty chairs" in person.asks("number 1 again".replace(" again", ""))
    assert "forty lamps" in person.asks("the last one")
    assert "only 3 items" in person.asks("the seventh one")


def test_an_answer_is_shown_in_another_way(files: Person) -> None:
    table = files.asks("largest files in Downloads")
    listed = files.asks("now as a list")
    again = files.asks("can you put that in a table?")

    assert names(table)[0] == "Downloads/a.pdf"
    assert "1. `Downloads/a.pdf` — size" in listed
    assert again == table


def test_a_request_is_repeated_with_a_change(files: Person) -> None:
    files.asks("largest files in Downloads")

    assert names(files.asks("top 2 instead")) == ["Downloads/a.pdf", "Downloads/b.txt"]
    assert names(files.asks("what about Documents?")) == ["Documents/a.pdf", "Documents/b.txt"]
    assert names(files.asks("only the PDFs")) == ["Documents/a.pdf"]


def test_a_list_is_ordered_anew(files: Person) -> None:
    files.asks("list files in Downloads")

    assert names(files.asks("sort by size"))[0] == "Downloads/a.pdf"
    assert names(files.asks("smallest first"))[0] == "Downloads/d.png"


def test_a_list_is_shown_from_its_other_end_and_longer(files: Person) -> None:
    files.asks("top 2 largest files in Downloads")

    assert names(files.asks("reverse the order")) == ["Downloads/d.png", "Downloads/c.csv"]
    assert len(names(files.asks("show more"))) == 4
    assert names(files.asks("show only PDFs")) == ["Downloads/a.pdf"]


def test_the_next_and_the_other_one_follow_the_one_spoken_of(files: Person) -> None:
    files.asks("largest files in Documents")

    assert "b.txt" in files.asks("summarise the second one")
    assert "c.csv" in files.asks("and the next one?")
    assert "d.png" in files.asks("the next one")
    assert "c.csv" in files.asks("and the previous one?")


def test_the_first_pdf_is_looked_for_when_none_was_listed(files: Person) -> None:
    files.asks("top 5 rows of c.csv in Downloads")

    assert "damaged" in files.end("summarise the first pdf").text


def test_several_files_that_fit_are_asked_about_and_the_answer_is_taken(home: Path, person: Person) -> None:
    put(home / "Downloads" / "sales north.csv", "a\nnorth\n")
    put(home / "Downloads" / "sales_south.csv", "a\nsouth\n")

    question = person.asks("show the top 5 rows of the csv about sales")

    assert "Which one do you mean?" in question
    assert person.choices == ["Downloads/sales north.csv", "Downloads/sales_south.csv"]
    assert rows(person.asks("the second one")) == [["south"]]
    assert rows(person.asks("and the first?")) == [["north"]]


@pytest.mark.parametrize(
    "answer", ["2", "number 2", "sales_south.csv", "the south one", "south", "the last one please"]
)
def test_a_question_is_answered_in_many_ways(home: Path, person: Person, answer: str) -> None:
    put(home / "Downloads" / "sales north.csv", "a\nnorth\n")
    put(home / "Downloads" / "sales_south.csv", "a\nsouth\n")
    person.asks("show the top 5 rows of the csv about sales")

    assert rows(person.asks(answer)) == [["south"]]


def test_the_file_spoken_of_is_it(home: Path, person: Person) -> None:
    put(home / "Downloads" / "orders.csv", "a,b\n1,2\n3,4\n5,6\n")
    put(home / "Downloads" / "other.csv", "z\n9\n")

    person.asks("first row of orders.csv")

    assert "**3 rows**" in person.asks("how many rows does it have?")
    assert "| a | integer |" in person.asks("summarise it")
    assert rows(person.asks("show its last 2 rows")) == [["3", "4"], ["5", "6"]]


def test_an_earlier_list_is_searched(home: Path, person: Person) -> None:
    put(home / "Documents" / "a-report.txt", "apollo")
    put(home / "Documents" / "b-report.txt", "zeus")
    put(home / "Documents" / "c.txt", "apollo")

    person.asks("find files with report in the name")
    answer = person.asks("search those for apollo")

    assert "**1 file**" in answer
    assert "a-report.txt" in answer


def test_the_period_is_changed(files: Person) -> None:
    files.asks("what changed since yesterday in Downloads?")

    assert "Downloads" in files.asks("and since Monday?")
    assert "since 2026-11-16" in files.asks("and since Monday?")


def test_a_failed_task_between_changes_nothing(files: Person) -> None:
    files.asks("largest files in Downloads")
    files.is_refused("what's the weather")

    assert names(files.asks("top 1 instead")) == ["Downloads/a.pdf"]


def test_the_next_one_is_summarised_also_when_the_first_could_not_be(
    home: Path, person: Person, make_pdf: Callable[..., Path]
) -> None:
    put(home / "Documents" / "a-broken.pdf", "no PDF at all")
    make_pdf(home / "Documents" / "b.pdf", "", "The invoice is for forty chairs in all.")
    make_pdf(home / "Documents" / "c.pdf", "", "The invoice is for forty lamps in all.")
    person.asks("list PDFs in Documents")

    assert person.is_refused("summarise the first one") is NotDoneReason.INPUT_UNREADABLE
    assert "forty chairs" in person.asks("and the next one?")
    assert person.is_refused("and the previous one?") is NotDoneReason.INPUT_UNREADABLE
    assert "forty lamps" in person.asks("and the third?")


def test_the_file_that_could_not_be_read_is_it(home: Path, person: Person) -> None:
    broken = put(home / "Documents" / "report.pdf", "no PDF at all")
    put(home / "Documents" / "other.txt", "Nothing is said here of anything.")
    person.asks("read other.txt")
    assert person.is_refused("summarise report.pdf") is NotDoneReason.INPUT_UNREADABLE

    assert str(broken.name) in person.end("read it").text


def test_a_folder_that_was_not_approved_can_be_named_anew(files: Person) -> None:
    assert files.is_refused("largest files in ~/Private") is NotDoneReason.FOLDER_NOT_APPROVED

    assert names(files.asks("what about Documents?"))[0] == "Documents/a.pdf"


@pytest.mark.parametrize("text", ["and the second one?", "now as a table", "only the PDFs", "top 10 instead", "it"])
def test_a_follow_up_to_nothing_is_not_guessed(files: Person, text: str) -> None:
    assert files.is_refused(text) is NotDoneReason.NOT_UNDERSTOOD


def test_a_remembered_file_is_out_of_reach_when_its_folder_is_no_longer_approved(home: Path, person: Person) -> None:
    put(home / "Downloads" / "a.txt", "Secret words are in this file today.")
    put(home / "Downloads" / "b.txt", "Secret words are in this file too.")
    person.asks("list files in Downloads")
    person.folders = person.folders[1:]

    assert person.is_refused("summarise the first one") is NotDoneReason.INPUT_UNREADABLE
    assert "Secret" not in person.end("the second one").text


def test_the_next_ones_of_a_list_are_those_that_were_not_shown(home: Path, person: Person) -> None:
    for index in range(25):
        put(home / "Downloads" / f"file-{index:02}.txt", "x" * (100 - index))

    first = names(person.asks("largest files in Downloads"))
    second = person.asks("next 10")
    third = person.asks("and the next ten files")

    assert (first[0], names(second)[0], names(third)[0]) == tuple(f"Downloads/file-{n:02}.txt" for n in (0, 10, 20))
    assert rows(second)[0][0] == "11"
    assert "**11 to 20 of 25" in second
    assert len(names(third)) == 5
    assert "There are no more" in person.asks("next 10")
    assert names(person.asks("top 2 instead")) == first[:2]


def test_the_next_rows_of_a_csv_follow_the_first(home: Path, person: Person) -> None:
    put(home / "Downloads" / "n.csv", "n\n" + "\n".join(str(row) for row in range(12)))

    assert rows(person.asks("top 5 rows of n.csv")) == [[str(row)] for row in range(5)]
    assert rows(person.asks("next 5")) == [[str(row)] for row in range(5, 10)]
    assert rows(person.asks("next 5 rows")) == [["10"], ["11"]]
    assert "no more rows" in person.asks("next 5")


def test_next_ten_of_nothing_is_not_guessed(person: Person) -> None:
    assert person.is_refused("next 10") is NotDoneReason.NOT_UNDERSTOOD


def test_the_second_one_of_duplicates_is_the_second_group(home: Path, person: Person) -> None:
    for name in ("a", "b", "c"):
        put(home / "Downloads" / f"large-{name}.txt", "The large one is spoken of here. " * 40)
        put(home / "Documents" / f"small-{name}.txt", "The small one is spoken of here. " * 4)

    person.asks("find duplicates")

    assert "small-a.txt" in person.asks("and the second one?")
    assert "large-a.txt" in person.asks("the first")
    assert "only 2 items" in person.asks("the third one")


def test_what_the_first_one_says_is_told(files: Person) -> None:
    files.asks("list text files in Downloads")

    assert "b.txt" in files.asks("tell me what the first one says")
