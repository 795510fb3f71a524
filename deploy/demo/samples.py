"""Write sample folders as a person's might look: Downloads and Documents with real PDFs and CSVs, one of them 50 MB.

The same seed gives the same bytes. Called by the demo and by tests; knows nothing of Dispatch.
"""

from __future__ import annotations

import csv
import io
import random
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer

MB = 1_000_000

REGIONS = ("North", "South", "East", "West", "Overseas")
PRODUCTS = ("Kettle", "Lamp", "Teapot", "Notebook", "Umbrella", "Backpack", "Desk fan", "Blanket", "Radio", "Clock")
NAMES = ("Asha", "Bruno", "Chloé", "Dmitri", "Eun-ji", "Farah", "Goran", "Hana", "Ismael", "Jörg", "Kamala", "Luis")

REPORT = """\
Aurora is our plan to move the workshop from gas to electric heating before the winter of 2026. This report says where the
project stands after the first half year, what it has cost so far, and which decisions the board must take in March.

The heat pumps were delivered in April and are installed in the north hall. Two of the three units have run since the
second week of May without a fault. The third unit waits for a part that the maker promised for the end of July, and until it
arrives the south hall stays on gas. The electricians finished the new supply line in June, four weeks later than planned,
because the cable route under the yard had to be moved around an old cistern that was on no drawing.

Costs stand at 412,000 of the 530,000 that were approved. The cistern added 18,500, most of it for digging. Savings on the
gas bill are already visible: in May and June the north hall used sixty per cent less energy than in the same months of the
year before, although production was higher. If the third unit starts in August, the whole project will pay for itself in a
little under seven years, which is one year earlier than the first estimate.

Three risks remain. The price of electricity may rise faster than the price of gas, and the contract with the supplier
ends in December. The south hall has no insulation under the roof, so that the pumps there will work harder than they
should. Finally, only two people in the house have been trained on the new controls, and both are on leave in the same
week of August.

The board is asked to decide on three points. The first is whether to insulate the roof of the south hall this autumn for
64,000. The second is whether to sign a fixed price for electricity for three years. The third is whether to sell the old
boilers now or to keep one of them for a cold winter. The project team recommends to insulate, to sign, and to keep one
boiler until the spring of 2027.
"""

MINUTES = """\
The garden committee met on the last Thursday of the month with nine members present. The water butts behind the greenhouse
leak again and will be replaced before the summer. Plot fourteen is free and goes to the first family on the waiting list.

The seed exchange in March brought forty visitors and 212 in donations, which pays for the new compost bins. Members asked
for a second exchange in autumn. The committee agreed to try it in October if the hall is free.

The next meeting is on the last Thursday of next month. Whoever cannot come should send their wishes by letter.
"""

LEASE = """\
This agreement lets the flat on the second floor for two years from the first of October. The rent is due on the third
working day of each month. The deposit is three months of rent and is kept in an account of its own.

The tenant may keep a cat. Repairs up to 120 are the tenant's, all others are the landlord's. Either side may end the
agreement with three months of notice, in writing.
"""


@dataclass(frozen=True, slots=True)
class Samples:
    """Where the sample folders are, and the files that the demo names."""

    downloads: Path
    documents: Path
    big_csv: Path
    phrase_csv: Path


def write_samples(root: Path, *, seed: int = 2026, big_csv_bytes: int = 50 * MB, prefix: str = "") -> Samples:
    """Fill `root` with Downloads and Documents, named with the prefix. Takes about a second and 120 MB of disk."""
    rng = random.Random(seed)
    downloads = root / f"{prefix}Downloads"
    samples = Samples(
        downloads=downloads,
        documents=root / f"{prefix}Documents",
        big_csv=downloads / "orders-2025-export.csv",
        phrase_csv=downloads / "team offsite budget (final).csv",
    )
    _fill_downloads(samples, rng, big_csv_bytes)
    _fill_documents(samples.documents, rng)
    return samples


def write_photos(folder: Path) -> None:
    """Make a folder with three small files that are called as a camera does."""
    folder.mkdir(parents=True)
    rng = random.Random(7)
    for number in (412, 413, 420):
        (folder / f"IMG_{number:04}.jpg").write_bytes(rng.randbytes(20_000))


def _fill_downloads(samples: Samples, rng: random.Random, big_csv_bytes: int) -> None:
    folder = samples.downloads
    (folder / "photos").mkdir(parents=True)
    for name, size in (
        ("holiday-video.mp4", 31_457_280),
        ("system-image.iso", 12_582_912),
        ("Café Müller – live.mp3", 8_123_456),
        ("photos/IMG_0412.jpg", 4_210_337),
        ("photos/IMG_0413.jpg", 3_987_012),
        ("photos/IMG_0420.jpg", 2_511_900),
        ("setup-wizard.exe.part", 750_000),
    ):
        (folder / name).write_bytes(rng.randbytes(size))
    (folder / "todo.txt").write_text("Ring the plumber.\nReturn the library books.\n", encoding="utf-8")
    with zipfile.ZipFile(folder / "fonts.zip", "w") as archive:
        for name in ("Serif.ttf", "Sans.ttf"):
            archive.writestr(zipfile.ZipInfo(f"fonts/{name}"), rng.randbytes(640_000))
    samples.phrase_csv.write_text(_budget(rng), encoding="utf-8")
    (folder / "customer feedback q3.csv").write_text(_feedback(rng), encoding="utf-8")
    with samples.big_csv.open("w", encoding="utf-8", newline="") as file:
        file.writelines(orders(rng, size=big_csv_bytes))


def _fill_documents(folder: Path, rng: random.Random) -> None:
    (folder / "Projects" / "Aurora").mkdir(parents=True)
    (folder / "Invoices").mkdir()
    write_pdf(folder / "Aurora half-year report.pdf", "Aurora: half-year report", REPORT.split("\n\n"))
    write_pdf(folder / "Projects" / "Aurora" / "site visit report.pdf", "Site visit", REPORT.split("\n\n")[1:3])
    write_pdf(folder / "Projects" / "garden committee minutes.pdf", "Garden committee", MINUTES.split("\n\n"))
    write_pdf(folder / "Lease agreement.pdf", "Lease", LEASE.split("\n\n"))
    for month in (1, 2, 3):
        due = date(2025, month, 14)
        lines = [f"{rng.choice(PRODUCTS)}: {rng.randrange(1, 9)} pieces" for _ in range(4)]
        write_pdf(folder / "Invoices" / f"invoice-{due:%Y-%m}.pdf", f"Invoice of {due:%d.%m.%Y}", lines)
    (folder / "Projects" / "Aurora" / "notes.md").write_text(
        "# Aurora\n\n- ask about the cistern drawing\n- heat pump three: part number 7741-B\n", encoding="utf-8"
    )
    (folder / "reading list.txt").write_text(
        "A history of tea\nThe long ferry\nField guide to moss\n", encoding="utf-8"
    )


def write_pdf(path: Path, title: str, paragraphs: Sequence[str]) -> None:
    """Write a PDF with a heading and running text."""
    styles = getSampleStyleSheet()
    story: list[Flowable] = [Paragraph(title, styles["Title"])]
    for text in paragraphs:
        story += [Paragraph(" ".join(text.split()), styles["BodyText"]), Spacer(1, 10)]
    # Invariant: no time and no random id in the file.
    SimpleDocTemplate(str(path), pagesize=A4, title=title, invariant=1).build(story)


def _budget(rng: random.Random) -> str:
    items = ("Train tickets", "Hotel, two nights", "Meeting room", "Lunch", "Dinner", "Canoes", "Snacks", "Printing")
    rows = [
        (item, rng.randrange(1, 20), f"{rng.randrange(400, 30_000) / 100:.2f}", rng.choice(NAMES)) for item in items
    ]
    return _csv([("item", "quantity", "unit price", "booked by"), *rows])


def _feedback(rng: random.Random) -> str:
    said = ("Fast, thank you", 'Box was dented, "again"', "Would buy again", "Too late for the birthday", "")
    rows = [(number, rng.choice(NAMES), rng.randrange(1, 6), rng.choice(said)) for number in range(1, 201)]
    return _csv([("number", "customer", "stars", "comment"), *rows])


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def orders(rng: random.Random, *, size: int) -> Iterator[str]:
    """Give the lines of an order list of at least `size` bytes: ids, dates, categories, amounts, and gaps in them."""
    header = "order_id,date,region,product,customer,quantity,amount,comment\n"
    yield header
    written = len(header)
    # Most of a line is taken from a pool: a million calls of the generator would take longer than the demo may.
    pool = [_order(rng) for _ in range(5_000)]
    number = 100_000
    while written < size:
        for rest in rng.choices(pool, k=1_000):
            number += 1
            line = f"{number},{rest}"
            written += len(line.encode()) if not line.isascii() else len(line)
            yield line
            if written >= size:
                return


def _order(rng: random.Random) -> str:
    day = date(2025, 1, 1) + timedelta(days=rng.randrange(365))
    quantity = rng.randrange(1, 13)
    amount = "" if rng.random() < 0.02 else f"{quantity * rng.randrange(450, 9_000) / 100:.2f}"
    comment = rng.choice(("", "", "", "gift wrap", '"leave with neighbour, please"'))
    region = "" if rng.random() < 0.01 else rng.choice(REGIONS)
    return f"{day},{region},{rng.choice(PRODUCTS)},{rng.choice(NAMES)},{quantity},{amount},{comment}\n"
