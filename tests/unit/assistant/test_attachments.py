"""What comes with a task, and what is sent back: attachments in an inbox of the thread, artifacts out of approved folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch_host.agents import NotDoneReason
from dispatch_host.agents.builtin.wire import OutOfBounds, decode

from tests.unit.assistant.conftest import Person, put

CSV = "city,sales\nBonn,3\nUlm,5\nKiel,7\n"


@pytest.fixture
def inbox(home: Path, person: Person) -> Path:
    """An inbox inside what agents are kept out of, as in a host's home."""
    secret = home / "Private"
    put(secret / "keys" / "device", "secret")
    person.keep_out = [secret]
    person.inbox = secret / "attachments" / "1"
    person.inbox.mkdir(parents=True)
    return person.inbox


@pytest.mark.parametrize(
    "text",
    [
        "Summarise the attached file",
        "summarise the attached csv",
        "what's in the attached file?",
        "summarise this",
        "summarise report.csv",
        "Please summarise the attachment",
        "summarise the file I attached",
    ],
)
def test_the_attached_file_is_summarised(person: Person, inbox: Path, text: str) -> None:
    put(inbox / "report.csv", CSV)
    put(inbox / "old.csv", "a\n1\n")

    answer = person.asks(text, "report.csv")

    assert "`Attachments/report.csv`" in answer
    assert "sales" in answer


def test_rows_of_the_attached_file_and_then_of_the_next_one(person: Person, inbox: Path) -> None:
    put(inbox / "a.csv", CSV)
    put(inbox / "b.csv", "fruit\npear\n")

    assert "Ulm" in person.asks("Show the top 2 rows of the first one", "a.csv", "b.csv")
    assert "pear" in person.asks("and the second one?")


def test_attachments_are_listed_also_those_of_earlier_tasks(person: Person, inbox: Path) -> None:
    put(inbox / "a.csv", CSV)
    put(inbox / "b.pdf", "no pdf")

    answer = person.asks("List attachments")

    assert "`Attachments/a.csv`" in answer
    assert "`Attachments/b.pdf`" in answer


def test_without_attachments_that_is_said(person: Person) -> None:
    assert "Nothing was attached" in person.asks("summarise the attached file")


def test_attachments_are_no_part_of_what_is_asked_about_the_folders(person: Person, home: Path, inbox: Path) -> None:
    put(home / "Downloads" / "mine.bin", b"x" * 10)
    put(inbox / "large.bin", b"x" * 1000)

    answer = person.asks("What are the largest files?")

    assert "mine.bin" in answer
    assert "large.bin" not in answer


def test_the_attached_file_is_read_though_no_folder_is_approved(person: Person, inbox: Path) -> None:
    person.folders = []
    put(inbox / "report.csv", CSV)

    assert "sales" in person.asks("summarise the attached file", "report.csv")
    assert person.is_refused("find duplicates in Downloads") is NotDoneReason.FOLDER_NOT_APPROVED


def test_nothing_leads_from_the_inbox_to_what_is_beside_it(person: Person, inbox: Path) -> None:
    (inbox / "link.txt").symlink_to(inbox.parents[1] / "keys" / "device")
    put(inbox / "report.csv", CSV)

    for text in ("read the attached link.txt", "read ../../keys/device", f"read {inbox.parents[1]}/keys/device"):
        end = person.end(text, "report.csv")
        assert "secret" not in end.text


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Send me report.csv", "Documents/report.csv"),
        ("send me the largest file", "Downloads/movie.mp4"),
        ("send me the largest pdf in Downloads", "Downloads/b.pdf"),
        ("find the largest pdf and send it to me", "Downloads/b.pdf"),
        ("can you send me the lease agreement", "Documents/Lease Agreement.txt"),
        ("send Documents/report.csv to my phone", "Documents/report.csv"),
    ],
)
def test_a_file_is_sent_to_the_phone(person: Person, home: Path, text: str, sent: str) -> None:
    put(home / "Documents" / "report.csv", CSV)
    put(home / "Documents" / "Lease Agreement.txt", "two years")
    put(home / "Downloads" / "a.pdf", b"x" * 10)
    put(home / "Downloads" / "b.pdf", b"x" * 20)
    put(home / "Downloads" / "movie.mp4", b"x" * 3000)
    person.asks("summarise Lease Agreement.txt")  # what was spoken of before is not what is asked for now

    answer = person.asks(text)

    assert person.sent() == [str(home / sent)]
    assert sent in answer


def test_what_was_listed_is_sent_by_its_place(person: Person, home: Path) -> None:
    put(home / "Downloads" / "a.pdf", b"x" * 10)
    put(home / "Downloads" / "b.pdf", b"x" * 20)
    person.asks("Which PDFs in Downloads are largest?")

    person.asks("send me the second one")
    assert person.sent() == [str(home / "Downloads" / "a.pdf")]


def test_several_that_fit_are_asked_about_and_the_answer_is_sent(person: Person, home: Path) -> None:
    put(home / "Downloads" / "invoice may.pdf", b"1")
    put(home / "Downloads" / "invoice june.pdf", b"2")

    assert "Which one" in person.asks("send me the invoice pdf")
    assert person.sent() == []
    person.asks("the june one")

    assert person.sent() == [str(home / "Downloads" / "invoice june.pdf")]


def test_a_few_are_sent_at_once_and_many_are_not(person: Person, home: Path) -> None:
    for number in range(4):
        put(home / "Downloads" / f"{number}.log", b"x" * number)

    person.asks("send me the 2 largest files in Downloads")

    assert person.sent() == [str(home / "Downloads" / "3.log"), str(home / "Downloads" / "2.log")]
    assert person.is_refused("send me the 50 largest files in Downloads") is NotDoneReason.NEEDS_AGENT


@pytest.mark.parametrize("text", ["send me /etc/passwd", "send me ../Private/keys/device", "send me ~/Private/a.txt"])
def test_what_is_in_no_approved_folder_is_not_sent(person: Person, home: Path, text: str) -> None:
    put(home / "Private" / "a.txt", "secret")

    assert person.is_refused(text) is NotDoneReason.FOLDER_NOT_APPROVED
    assert person.sent() == []


def test_a_link_and_a_hard_link_that_lead_out_are_not_sent(person: Person, home: Path) -> None:
    secret = put(home / "Private" / "a.txt", "secret")
    (home / "Downloads" / "soft.txt").symlink_to(secret)
    (home / "Downloads" / "hard.txt").hardlink_to(secret)

    for name in ("soft.txt", "hard.txt"):
        assert person.is_refused(f"send me {name}") is NotDoneReason.INPUT_UNREADABLE
        assert person.sent() == []


@pytest.mark.parametrize(
    "text", ["send an email to bob", "send report.csv to bob", "send me an email", "send it by email"]
)
def test_sending_to_somebody_else_is_still_for_another_agent(person: Person, text: str) -> None:
    assert person.is_refused(text) is NotDoneReason.NEEDS_AGENT


@pytest.mark.parametrize("path", ['"relative"', "1", '""', '"/a\\u0000b"', '"/' + "x" * 20_000 + '"'])
def test_a_worker_that_names_no_path_is_out_of_bounds(path: str) -> None:
    with pytest.raises(OutOfBounds):
        decode(f'{{"event": "artifact", "path": {path}}}'.encode())
