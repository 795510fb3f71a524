"""Two relays and two pairing services on one PostgreSQL and one NATS, as prometheus.scale.yml scrapes them: what the board and the
rules read is there from each of them, and the alerts on a bus and a database that are away see real ones go.

Needs prometheus, PostgreSQL and nats-server, which .ci/run installs. The devices are made by hand, so that they are apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch_pairing.storage import Storage

from tests.prometheus.test_board import DEPLOY, QUERIES
from tests.support.device_end import DeviceEnd, Identity
from tests.support.nats import NatsServer
from tests.support.pairing_device import PASSWORD, a_host
from tests.support.pairing_service import add_account
from tests.support.ports import address_to_come_back_to
from tests.support.postgres import PostgresServer
from tests.support.processes import Process
from tests.support.prometheus import Prometheus
from tests.support.promql import named_series
from tests.support.relay import Pair
from tests.support.trust_service import TrustService, new_id
from tests.support.waiting import DEADLINE_SECONDS, until_so

JOBS: dict[str, list[str]] = {
    job["job_name"]: [target for group in job["static_configs"] for target in group["targets"]]
    for job in yaml.safe_load((DEPLOY / "prometheus" / "prometheus.scale.yml").read_text())["scrape_configs"]
}
HERE = {name: query for name, query in QUERIES.items() if "dispatch_host_" not in query}
"""What is asked of services."""


class _Compose(yaml.SafeLoader):
    """Reads the tag by which one file of compose takes away what another has."""


_Compose.add_constructor("!reset", lambda loader, node: None)


def compose() -> dict[str, Any]:
    """Give the services of both files, the second's words on top of the first's."""
    services: dict[str, Any] = {}
    for name in ("compose.yaml", "compose.scale.yaml"):
        # S506: the loader is the safe one, and the file ours.
        for service, said in yaml.load((DEPLOY / name).read_text(), Loader=_Compose)["services"].items():  # noqa: S506
            services[service] = {**services.get(service, {}), **said}
    return services


def called(name: str, said: dict[str, Any]) -> set[str]:
    """Give the names that a container has for others."""
    networks = said.get("networks", {})
    return {name, *networks.get("default", {}).get("aliases", ())}


def test_each_target_is_one_container_of_compose_and_each_that_is_measured_is_a_target() -> None:
    services = compose()
    ports = {
        name: str(said.get("command", "")).partition("--metrics 0.0.0.0:")[2].partition(" ")[0]
        for name, said in services.items()
    }
    measured = {name for name, port in ports.items() if port}
    # The host has the network, and so the name, of `ports`.
    names = {name: called(name, said) for name, said in services.items() if "network_mode" not in said}
    names["host"] = names.pop("ports")

    found = []
    for target in (target for targets in JOBS.values() for target in targets):
        host, _, port = target.partition(":")
        (container,) = (name for name, own in names.items() if host in own)
        assert ports[container] == port, target
        found.append(container)

    assert sorted(found) == sorted(measured)


def test_the_stack_with_several_of_each_is_told_of_that_file_and_its_rules() -> None:
    command = compose()["prometheus"]["command"]
    settings = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.scale.yml").read_text())

    assert "--config.file=/etc/prometheus/prometheus.scale.yml" in command
    assert all(Path("/etc/prometheus/rules.yml").match(pattern) for pattern in settings["rule_files"])


def test_no_panel_adds_up_what_each_of_several_services_says_as_a_whole() -> None:
    """It did: two services, each of which counts all pairings, were shown as twice as many."""
    assert [name for name, query in QUERIES.items() if "sum(dispatch_pairing_pairings_active" in query] == []


class Several:
    """The four processes."""

    def __init__(self, folder: Path, postgres: PostgresServer, nats: NatsServer, trust: TrustService) -> None:
        self.folder = folder
        self.postgres = postgres
        self.nats = nats
        self.trust = trust
        self.relays = [address_to_come_back_to() for _ in JOBS["relay"]]
        self.pairings = [address_to_come_back_to() for _ in JOBS["pairing"]]
        self.metrics: dict[str, list[str]] = {}
        self._bus = str(nats.address_file(folder / "bus"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run them until the block ends."""
        databases = {
            name: str(self.postgres.address_file(await self.postgres.new_database(), self.folder / name))
            for name in ("pairing", "relay")
        }
        keys = self.folder / "keys"
        async with AsyncExitStack() as stack:

            async def serve(program: str, number: int, address: str, *more: str) -> str:
                process = await Process.start(
                    *(f"dispatch-{program}", "serve", "--listen", address, "--metrics", "127.0.0.1:0", *more),
                    *("--data", str(self.folder / f"{program} {number}")),
                    *("--database", databases[program], "--bus", self._bus),
                )
                stack.push_async_callback(process.stop)
                return str((await process.event("listening"))["metrics"])

            started = await asyncio.gather(
                *(serve("relay", n, at, "--pairing", self.trust.address) for n, at in enumerate(self.relays)),
                *(
                    serve("pairing", n, at, "--keys", str(keys), "--relay", self.relays[0])
                    for n, at in enumerate(self.pairings)
                ),
            )
            count = len(self.relays)
            self.metrics = {"relay": started[:count], "pairing": started[count:]}
            await add_account(
                Storage.given(self.folder / "operator", Path(databases["pairing"]), keys), "ada", PASSWORD
            )
            yield

    async def attach(self, device: Identity, relay: int) -> DeviceEnd:
        """Attach to a relay, again until it lets the device in: it may not have heard of the pairing service yet."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                try:
                    return await DeviceEnd.attach(device, self.relays[relay])
                except (errors.TrustStale, errors.Draining, errors.NoNetwork):
                    await asyncio.sleep(0.05)  # as a device backs off


@pytest.fixture
async def several(tmp_path: Path) -> AsyncIterator[Several]:
    with PostgresServer.running() as postgres, NatsServer.running() as nats:
        async with TrustService() as trust:
            world = Several(tmp_path, postgres, nats, trust)
            async with world.running():
                yield world


async def a_task(several: Several) -> tuple[DeviceEnd, DeviceEnd]:
    """Have a command accepted whose phone is at one relay, and whose host is at the other; gives both streams."""
    pair = Pair(several.trust)
    host = await several.attach(pair.host, 0)
    phone = await several.attach(pair.phone, 1)
    message_id = await phone.post(b"sealed", task_id=new_id(), valid_for_ms=60_000)
    await host.got("handover")
    await host.say(take=pb.Take(message_id=message_id))
    await phone.got("receipt")
    return phone, host


async def test_board_and_rules_find_each_of_several_services_and_see_the_bus_and_the_database_go(
    several: Several, tmp_path: Path
) -> None:
    """One story, since the processes take a start."""
    (tmp_path / "prometheus").mkdir()
    relays, pairings = several.metrics["relay"], several.metrics["pairing"]
    async with Prometheus(tmp_path / "prometheus", several.metrics) as prometheus:

        async def is_read() -> bool:
            return len(await prometheus.ask("up == 1")) == len(relays) + len(pairings)

        async def where(query: str) -> list[str]:
            return sorted(one["metric"]["instance"] for one in await prometheus.ask(query))

        async def found(query: str, at: Iterable[str]) -> None:
            # Waited for: a page that takes longer than a second to read leaves its instance without series for one.
            expected = sorted(at)

            async def so() -> bool:
                return await where(query) == expected

            await until_so(so)

        async def hold(name: str, instances: Iterable[str]) -> None:
            expected = {(name, instance) for instance in instances}

            async def so() -> bool:
                return {one for one in await prometheus.alerts() if one[0] == name} == expected

            await until_so(so)

        await until_so(is_read)
        await asyncio.gather(*(a_host(at).sign_in() for at in several.pairings))
        phone, host = await a_task(several)

        await prometheus.finds_all(HERE)
        for name in {series.name for query in HERE.values() for series in named_series(query)} - {"up"}:
            of = relays if name.startswith("dispatch_relay_") else pairings
            await found(f"count by (instance) ({name})", of)
        await found('dispatch_relay_channels{side="front"} == 1', [relays[1]])
        await found('dispatch_relay_channels{side="seat"} == 1', [relays[0]])
        await found("dispatch_relay_seats == 1", [relays[0]])
        rules: list[dict[str, Any]] = []

        async def all_evaluated() -> bool:
            rules[:] = await prometheus.rules()
            return all(rule["health"] != "unknown" for rule in rules if ":normal" not in rule["name"])

        await until_so(all_evaluated)
        assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] == "err"} == {}
        for name in ("RelayBusAway", "PairingBusAway", "DatabaseAway", "SeatsLost"):
            await hold(name, [])

        several.nats.kill()
        await hold("RelayBusAway", relays)
        await hold("PairingBusAway", pairings)
        await hold("DatabaseAway", [])
        several.postgres.kill()
        several.nats.start()
        await hold("DatabaseAway", [*relays, *pairings])
        await hold("RelayBusAway", [])
        await hold("PairingBusAway", [])
        several.postgres.start()
        await hold("DatabaseAway", [])
        await asyncio.gather(phone.drop(), host.drop())
