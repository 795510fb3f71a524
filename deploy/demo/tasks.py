"""Choose the four tasks that the demo sends: for the sample folders, or for a folder of the person's own.

Knows only files and words. A kind of file that the person's folder lacks is taken from the samples.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from deploy.demo.samples import Samples

MOST_FILES = 50_000


@dataclass(frozen=True, slots=True)
class Task:
    """What the phone sends, and the words that its answer must have in this order."""

    text: str
    answer_has: tuple[str, ...] = ()


def sample_tasks(samples: Samples) -> list[Task]:
    """Give the tasks for the sample folders, with what must be in their answers."""
    with samples.big_csv.open("rb") as file:
        rows = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) - 1
    downloads, documents = _quoted(samples.downloads.name), _quoted(samples.documents.name)
    return [
        Task(
            f"Which files in my {downloads} are largest?",
            (samples.big_csv.name, "holiday-video.mp4", "system-image.iso"),
        ),
        Task(
            f'Find the PDFs in {documents} with "report" in the name, list them and summarise the first',
            ("Aurora half-year report.pdf", "site visit report.pdf", "If the third unit starts in August"),
        ),
        Task(
            f'In {downloads} find the CSV whose name contains "offsite budget" and show its top 5 rows',
            ("Train tickets", "Hotel, two nights", "Meeting room", "Lunch", "Dinner"),
        ),
        Task(f"Summarise {samples.big_csv.name} in {downloads}", (f"{rows:,}", "region", "amount")),
    ]


def own_tasks(folder: Path, samples: Samples) -> list[Task]:
    """Give the same four tasks for a folder of the person's own."""
    named = f'"{folder.name}"'
    files = list(islice(_files(folder), MOST_FILES))
    tasks = sample_tasks(samples)
    tasks[0] = Task(f"Which files in {named} are largest?")
    if pdfs := [path for path in files if path.suffix.lower() == ".pdf" and _words(path)]:
        word = Counter(word for path in pdfs for word in set(_words(path))).most_common(1)[0][0]
        tasks[1] = Task(f'Find the PDFs in {named} with "{word}" in the name, list them and summarise the first')
    if csvs := [path for path in files if path.suffix.lower() == ".csv"]:
        small, large = min(csvs, key=_size), max(csvs, key=_size)
        tasks[2] = Task(f'In {named} find the CSV whose name contains "{small.stem}" and show its top 5 rows')
        tasks[3] = Task(f'Summarise "{large.name}" in {named}')
    return tasks


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        # The tasks quote names, so one with a quote in it is left to the person.
        yield from (Path(parent, name) for name in names if not name.startswith(".") and '"' not in name)


def _words(path: Path) -> Sequence[str]:
    return re.findall(r"[A-Za-z]{4,}", path.stem.lower())


def _size(path: Path) -> int:
    return path.lstat().st_size
