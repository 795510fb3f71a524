"""Draws the figures of a growth run, and writes its tables into the page. The only module here that needs matplotlib.

`python -m bench.growth.plots FIGURES.json docs/growth` writes four SVG files into that folder, puts the tables into the page
beside it (docs/growth.md), and prints them. The same figures give the same bytes. Gives 2 when figures or page are not what they
should be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench import markdown
from bench.growth import page
from bench.growth.curves import CURVES, Panel
from bench.growth.figures import Growth

README = Path(__file__).resolve().parents[2] / "README.md"
# Text stays text, ids are the same in every run, and nothing says when it was drawn: a run again changes what changed.
STYLE = {"svg.hashsalt": "growth", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
METADATA = {"Date": None, "Creator": None}
INK, PALE = "#1f5fa8", "#b8b8b8"


def draw(panels: Sequence[Panel], into: Path) -> None:
    """Draw panels beside each other into an SVG file."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * len(panels), 2.7), layout="constrained")
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _fill(axes, panel)
        figure.savefig(into, format="svg", metadata=METADATA)


def _fill(axes: Any, panel: Panel) -> None:
    axes.plot(panel.x, panel.y, marker="o", color=INK, linewidth=1.4, markersize=4)
    for value, name in panel.marks:
        axes.axhline(value, color=PALE, linewidth=1, linestyle="--")
        axes.annotate(name, (panel.x[0], value), color="#666666", fontsize=7, va="bottom")
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.1 * max((*panel.y, *(value for value, _ in panel.marks))))
    axes.set_xlabel(panel.x_name)
    axes.set_title(panel.title, fontsize=9, loc="left")
    axes.grid(visible=True, color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def write(growth: Growth, folder: Path, *, readme: str, say: Callable[[str], None]) -> None:
    """Draw everything, write the page, say its tables. Raises ValueError and OSError."""
    text_of = folder.with_suffix(".md")
    blocks = page.blocks(growth, readme=readme)
    written = markdown.spliced(text_of.read_text(), blocks)
    folder.mkdir(parents=True, exist_ok=True)
    for name, panels in CURVES.items():
        draw(panels(growth), folder / f"{name}.svg")
    text_of.write_text(written)
    for block in blocks.values():
        say(f"{block}\n")


def main(words: Sequence[str]) -> int:
    """Draw, write, print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.growth.plots", description="Draw a growth run and write its page."
    )
    parser.add_argument("figures", type=Path, help="what `python -m bench.growth --json` wrote")
    parser.add_argument("folder", type=Path, help="for the plots; the page is beside it, of the same name and .md")
    said = parser.parse_args(words)
    try:
        write(page.read(said.figures.read_text()), said.folder, readme=README.read_text(), say=print)
    except (OSError, ValueError) as failure:
        print(failure, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
