"""A real Prometheus of the test's own, in a folder of its own, that reads processes of the test. Needs the program `prometheus`."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.ports import address_to_come_back_to
from tests.support.waiting import DEADLINE_SECONDS, until_so

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "rules.yml"


class Prometheus:
    """One that reads each of the targets of a job every second, and looks at them by the rules of deploy/."""

    def __init__(self, folder: Path, targets: Mapping[str, Sequence[str]]) -> None:
        self._folder = folder
        self._address = address_to_come_back_to()
        jobs = [{"job_name": name, "static_configs": [{"targets": list(at)}]} for name, at in targets.items()]
        settings: dict[str, Any] = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": jobs,
        }
        settings["rule_files"] = [str(RULES)]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Prometheus:
        self._process = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={self._folder / 'prometheus.yml'}", f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._address}", "--log.level=error",
        )  # fmt: skip
        await until_so(self._answers)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()

    async def ask(self, query: str) -> list[dict[str, Any]]:
        """Give the series that a query finds now."""
        answer = await self._get("query?" + urllib.parse.urlencode({"query": query}))
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def finds_all(self, queries: Mapping[str, str]) -> None:
        """Wait until each query of the board, by its name, has found series; fails with those that have not."""
        empty = dict(queries)

        async def all_found() -> bool:
            for name, query in list(empty.items()):
                asked = query.replace("$__rate_interval", "1m").replace("$__range", "5m")
                if await self.ask(asked):
                    del empty[name]
            return not empty

        try:
            await until_so(all_found)
        finally:
            assert not empty

    async def rules(self) -> list[dict[str, Any]]:
        """Give the rules with how their last evaluation went."""
        groups = (await self._get("rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def alerts(self) -> set[tuple[str, str]]:
        """Give name and instance of each alert whose expression holds now, whether it has held for long enough or not."""
        found = (await self._get("alerts"))["data"]["alerts"]
        return {(one["labels"]["alertname"], one["labels"].get("instance", "")) for one in found}

    async def _answers(self) -> bool:
        try:
            return bool(await self._get("rules"))
        except OSError:
            return False

    async def _get(self, path: str) -> dict[str, Any]:
        def read() -> dict[str, Any]:
            with urllib.request.urlopen(f"http://{self._address}/api/v1/{path}", timeout=DEADLINE_SECONDS) as answer:
                said: dict[str, Any] = json.loads(answer.read())
                return said

        return await asyncio.to_thread(read)
