"""The demo's files are what a person's are, and its tasks fit the folder that they are about."""

from __future__ import annotations

import csv
from pathlib import Path

from pypdf import PdfReader

from deploy.demo.samples import write_pdf, write_samples
from deploy.demo.tasks import own_tasks, sample_tasks


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        write_samples(tmp_path / name, seed=seed, big_csv_bytes=20_000)

    assert content(tmp_path / "one") == content(tmp_path / "again")
    assert content(tmp_path / "one") != content(tmp_path / "other")


def test_the_big_csv_has_the_size_asked_for_and_every_row_has_every_column(tmp_path: Path) -> None:
    samples = write_samples(tmp_path, big_csv_bytes=300_000)

    assert 300_000 <= samples.big_csv.stat().st_size < 300_200
    with samples.big_csv.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert {len(row) for row in rows} == {len(header)}
    assert any(row[header.index("amount")] == "" for row in rows)
    assert len({row[0] for row in rows}) == len(rows)


def test_the_pdfs_hold_text_that_can_be_read(tmp_path: Path) -> None:
    samples = write_samples(tmp_path, big_csv_bytes=1_000)

    reports = sorted(path.name for path in samples.documents.rglob("*report*.pdf"))

    assert reports == ["Aurora half-year report.pdf", "site visit report.pdf"]
    text = " ".join(page.extract_text() for page in PdfReader(samples.documents / reports[0]).pages)
    assert "The heat pumps were delivered in April" in " ".join(text.split())


def test_the_sample_tasks_know_the_rows_of_the_big_csv(tmp_path: Path) -> None:
    samples = write_samples(tmp_path, big_csv_bytes=300_000)
    with samples.big_csv.open(encoding="utf-8", newline="") as file:
        rows = sum(1 for _ in csv.reader(file)) - 1

    assert sample_tasks(samples)[3].answer_has[0] == f"{rows:,}"


def test_the_tasks_for_an_own_folder_name_what_is_in_it(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", big_csv_bytes=1_000, prefix="Sample ")
    own = tmp_path / "my things"
    own.mkdir()
    write_pdf(own / "holiday plan.pdf", "Plan", ["We go."])
    write_pdf(own / "holiday bill.pdf", "Bill", ["We pay."])
    (own / "small.csv").write_text("a\n1\n")
    (own / "large.csv").write_text("a\n" + "1\n" * 100)

    texts = [task.text for task in own_tasks(own, samples)]

    assert all('"my things"' in text for text in texts)
    assert '"holiday"' in texts[1]
    assert '"small"' in texts[2]
    assert '"large.csv"' in texts[3]


def test_what_an_own_folder_lacks_comes_from_the_samples(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", big_csv_bytes=1_000, prefix="Sample ")
    own = tmp_path / "empty"
    own.mkdir()

    texts = [task.text for task in own_tasks(own, samples)]

    assert '"empty"' in texts[0]
    assert '"Sample Documents"' in texts[1]
    assert all('"Sample Downloads"' in text for text in texts[2:])
