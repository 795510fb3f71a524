"""The dashboard: the file is what its table says, it has the shape that Grafana reads, and each query finds something.

The last by a real Prometheus that reads real services and a host which have done some work. Needs prometheus and promtool, which
.ci/run installs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.board import BOARD, SOURCE, written
from tests.support.prometheus import Prometheus
from tests.support.promql import known_series, named_series
from tests.support.waiting import until, until_so
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PANELS: list[dict[str, Any]] = json.loads(BOARD.read_text())["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]
QUERIES = {f"{panel['title']}, {target['refId']}": target["expr"] for panel in SHOWN for target in panel["targets"]}
UNITS = {"short", "s", "percentunit", "Bps"}


def test_the_file_is_what_the_table_says() -> None:
    assert BOARD.read_text() == written(), "run: python -m deploy.grafana.board"


def test_panels_have_what_grafana_reads_and_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in SHOWN:
        assert panel["type"] in {"timeseries", "stat"}
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == SOURCE
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert [target["refId"] for target in panel["targets"]] == list("ABCD")[: len(panel["targets"])]
        assert all(target["datasource"] == SOURCE for target in panel["targets"])


def test_its_source_is_the_one_that_is_provisioned() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    providers = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/dispatch.yaml").read_text())["providers"]

    assert [(source["type"], source["uid"]) for source in sources] == [(SOURCE["type"], SOURCE["uid"])]
    assert [provider["type"] for provider in providers] == ["file"]


@pytest.mark.parametrize("name", QUERIES)
def test_what_a_panel_reads_is_counted_by_a_process(name: str) -> None:
    known = known_series()

    for series in named_series(QUERIES[name]):
        assert series.wrong(known) == "", QUERIES[name]


def test_prometheus_is_told_of_the_rules_that_lie_beside_its_settings() -> None:
    settings = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())

    assert settings["rule_files"] == ["rules.yml"]
    assert (DEPLOY / "prometheus" / "rules.yml").is_file()


async def is_zero(prometheus: Prometheus, name: str) -> None:
    """Wait until a metric is there once, at zero: while one page of it could not be read in time it is not there."""

    async def so() -> bool:
        return [float(one["value"][1]) for one in await prometheus.ask(name)] == [0]

    await until_so(so)


async def test_each_panel_finds_series_and_each_rule_can_be_asked_of_services_that_have_done_some_tasks(
    tmp_path: Path,
) -> None:
    async with World(tmp_path) as world:
        await world.services()
        await world.devices()
        await world.processes[-1].stop()
        host = await world.run_host("desk", "--metrics", "127.0.0.1:0")
        running = await host.event("running")
        (tmp_path / "prometheus").mkdir()
        targets = {"pairing": [world.pairing_metrics], "relay": [world.relay_metrics], "host": [running["metrics"]]}
        async with Prometheus(tmp_path / "prometheus", targets) as prometheus:

            async def is_read() -> bool:
                return len(await prometheus.ask("up == 1")) == len(targets)

            await until_so(is_read)
            code, _ = await world.send("Which files are largest?")
            assert code in {0, 4}
            await prometheus.finds_all(QUERIES)
            rules: list[dict[str, Any]] = []

            async def all_evaluated() -> bool:
                rules[:] = await prometheus.rules()
                return all(
                    rule["health"] != "unknown" for rule in rules if rule["name"].rpartition(":")[2][:6] != "normal"
                )

            await until_so(all_evaluated)
            assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] == "err"} == {}
            # Where there is one of each there is no bus and no database that could be away.
            for name in ("dispatch_relay_bus_away", "dispatch_pairing_bus_away", "dispatch_relay_database_away",
                         "dispatch_pairing_database_away"):  # fmt: skip
                await is_zero(prometheus, name)
            await until(lambda: host.returncode is None)
