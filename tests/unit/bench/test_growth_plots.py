"""The plots of docs/growth.md: the same figures give the same bytes. Runs where matplotlib is (`make .venv/.bench`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.growth import page

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.big
def test_the_plots_are_those_of_the_figures_whenever_they_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not here: make .venv/.bench")
    from bench.growth import plots

    docs, said = ROOT / "docs", list[str]()
    (tmp_path / "growth.md").write_text((docs / "growth.md").read_text())
    growth = page.read((docs / "growth" / "figures.json").read_text())

    plots.write(growth, tmp_path / "growth", readme=(ROOT / "README.md").read_text(), say=said.append)

    drawn = {plot.name: plot.read_bytes() for plot in (tmp_path / "growth").iterdir()}
    assert drawn == {plot.name: plot.read_bytes() for plot in (docs / "growth").glob("*.svg")}
    assert (tmp_path / "growth.md").read_text() == (docs / "growth.md").read_text()
    assert any("a million devices" in block for block in said)
