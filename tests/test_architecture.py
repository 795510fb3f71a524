"""Imports point one way. Each forbidden edge stands here with its reason.

Reads the source with `ast` and runs none of it. If an arrow is in the way, ask about the design, not about this file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("sdk", "services/pairing", "services/relay", "services/host", "clients/mobile_sim")

BLIND = (
    "dispatch.sealed",
    "dispatch.pairing",
    "dispatch.noise",
    "dispatch.thread",
    "dispatch.files",
    "dispatch.api.thread",
)
DRIVERS = ("grpc", "grpc_health", "grpc_status", "grpc_reflection", "asyncio", "socket", "subprocess", "threading")
STORES = ("sqlite3", "sqlalchemy", "aiosqlite")
CLOCKS = ("time", "dispatch.clock", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today")
ENVIRONMENT = ("os.environ", "os.environb", "os.getenv", "os.putenv")
CHANCE = ("os.urandom", "secrets", "uuid.uuid1", "uuid.uuid4")
PURE = (
    "dispatch.address",
    "dispatch.attestation",
    "dispatch.doctor.chain",
    "dispatch.encoding",
    "dispatch.errors",
    "dispatch.failures",
    "dispatch.files.description",
    "dispatch.files.names",
    "dispatch.ids",
    "dispatch.names",
    "dispatch.noise",
    "dispatch.pairing",
    "dispatch.plain",
    "dispatch.proof",
    "dispatch.sealed",
    "dispatch.runtime.origins",
    "dispatch.signatures",
    "dispatch.thread.backoff",
    "dispatch.words",
    "dispatch_pairing.relays",
    "dispatch_pairing.buckets",
    "dispatch_pairing.invitations",
    "dispatch_pairing.limits",
    "dispatch_pairing.model",
    "dispatch_pairing.names",
    "dispatch_pairing.nonces",
    "dispatch_pairing.offers",
    "dispatch_pairing.oidc.attempts",
    "dispatch_pairing.oidc.discovery",
    "dispatch_pairing.oidc.id_token",
    "dispatch_pairing.policy",
    "dispatch_pairing.sessions",
    "dispatch_pairing.settings",
    "dispatch_pairing.stamp",
    "dispatch_relay.bucket",
    "dispatch_relay.channels.channel",
    "dispatch_relay.channels.words",
    "dispatch_relay.frames",
    "dispatch_relay.lease",
    "dispatch_relay.presence",
    "dispatch_relay.steadiness",
    "dispatch_relay.tail",
    "dispatch_relay.verdict",
    "dispatch_relay.web.close",
    "dispatch_relay.web.guard",
    "dispatch_host.allowance",
    "dispatch_host.connectors.answer",
    "dispatch_host.connectors.definition",
    "dispatch_host.connectors.life",
    "dispatch_host.connectors.meter",
    "dispatch_host.entries",
    "dispatch_host.live",
    "dispatch_host.page.guard",
    "dispatch_host.page.shown",
    "dispatch_host.skills.front_matter",
    "dispatch_host.tasks",
    "mobile_sim.direct_verdict",
    "mobile_sim.facts",
    "mobile_sim.patience",
    "mobile_sim.probing",
    "mobile_sim.sight",
    "mobile_sim.task_view",
    "mobile_sim.tending",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Names that modules of these names must not use, by import or by attribute."""

    importers: Sequence[str]  # patterns; "dispatch.noise" also stands for what lies below it
    forbidden: Sequence[str]  # a name stands for itself and for all below it
    reason: str
    but: Sequence[str] = ()  # patterns of modules that may, themselves and for whoever imports them
    through: bool = False  # neither directly nor through other modules of ours


EDGES = (
    Edge(
        importers=("dispatch",),
        forbidden=("dispatch_pairing", "dispatch_relay", "dispatch_host", "mobile_sim"),
        reason="the SDK is published alone",
    ),
    Edge(
        importers=("dispatch.errors", "dispatch.ids", "dispatch.clock"),
        forbidden=("dispatch.noise", "dispatch.sealed", "dispatch.pairing", "dispatch.thread", "dispatch.runtime"),
        reason="the bottom of the SDK: everything stands on it",
    ),
    Edge(
        importers=("dispatch.noise",),
        forbidden=("dispatch.api", "dispatch.sealed", "dispatch.pairing", "dispatch.thread"),
        reason="Noise is Noise: it knows nothing of what it carries",
    ),
    Edge(
        importers=("dispatch.sealed", "dispatch.pairing", "dispatch.attestation", "dispatch.proof"),
        forbidden=("dispatch.thread", "dispatch.files", "dispatch.runtime"),
        reason="the protocol does not know who drives it",
    ),
    Edge(
        importers=("dispatch.thread", "dispatch.files"),
        forbidden=("dispatch.runtime", "prometheus_client", "structlog"),
        reason="the thread client is for devices and scripts, the runtime for servers",
    ),
    Edge(
        importers=("dispatch.runtime",),
        forbidden=BLIND,
        through=True,
        reason="the runtime is part of blind servers",
    ),
    Edge(
        importers=("dispatch_pairing", "dispatch_relay"),
        forbidden=BLIND,
        through=True,
        reason="the servers are blind: they never have code that opens what they carry",
    ),
    Edge(
        importers=("dispatch_pairing",),
        forbidden=("dispatch_relay", "dispatch_host", "mobile_sim"),
        reason="installed on its own",
    ),
    Edge(
        importers=("dispatch_relay",),
        forbidden=("dispatch_pairing", "dispatch_host", "mobile_sim"),
        reason="installed on its own",
    ),
    Edge(
        importers=("dispatch_relay.service", "dispatch_relay.transfer_service", "dispatch_relay.room"),
        forbidden=("grpc", "websockets", "dispatch_relay.grpc_wire", "dispatch_relay.web.wire"),
        reason="a stream is the same whatever carries it: that is what Wire is for",
    ),
    Edge(
        importers=("dispatch_pairing.api.desk",),
        forbidden=("grpc", "connectrpc", "starlette", "dispatch_pairing.web"),
        reason="a call is the same whatever carries it",
    ),
    Edge(
        importers=("dispatch_host",),
        forbidden=("dispatch_pairing", "dispatch_relay", "mobile_sim"),
        reason="installed on its own",
    ),
    Edge(
        importers=("mobile_sim",),
        forbidden=("dispatch_pairing", "dispatch_relay", "dispatch_host", "dispatch.runtime"),
        reason="installed on its own; a phone is no server",
    ),
    Edge(
        importers=(
            "dispatch_host.agents",
            "dispatch_host.scope",
            "dispatch_host.connectors",
            "dispatch_host.skills.skills",
        ),
        forbidden=("grpc", "dispatch.thread", "dispatch.files", "dispatch.sealed", "dispatch.noise", *STORES),
        through=True,
        reason="what does the work knows neither the wire nor the journal: a task goes in, events come out",
    ),
    Edge(
        importers=("dispatch_host.page",),
        forbidden=(
            "grpc",
            "dispatch_host.journal",
            "dispatch_host.owned",
            "dispatch_host.fleet",
            "dispatch_host.runner",
        ),
        reason="the page is a caller of the front desk, as the command line is",
    ),
    Edge(
        importers=PURE,
        forbidden=(*DRIVERS, *STORES, *CLOCKS, *ENVIRONMENT, *CHANCE),
        but=("dispatch",),  # sets what grpc must see before it is imported
        through=True,
        reason="a pure module decides from its arguments: time, randomness and I/O are its caller's",
    ),
    Edge(
        importers=("*",),
        forbidden=ENVIRONMENT,
        but=(
            *("*.app", "*.__main__", "*.cli"),
            "dispatch",  # sets what grpc must see before it is imported
        ),
        reason="only the wiring reads the environment",
    ),
)


def modules(roots: Sequence[Path]) -> dict[str, Path]:
    """Find our modules by name, generated stubs included: what they import counts, too."""
    found = {}
    for root in roots:
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def used_names(module: str, path: Path) -> set[str]:
    """Collect the full names of everything that a module imports, and of the attributes it uses of that."""
    tree = ast.parse(path.read_text())
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.add(alias.name)
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            base = (above + (node.module or "")).rstrip(".")
            for alias in node.names:
                names.add(f"{base}.{alias.name}")
                known[alias.asname or alias.name] = f"{base}.{alias.name}"
    for node in ast.walk(tree):
        first, _, rest = dotted(node).partition(".")
        if rest and first in known:
            names.add(f"{known[first]}.{rest}")
    return names


def dotted(node: ast.AST) -> str:
    """Write `a.b.c` as it stands; nothing for what is no plain chain of names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def is_below(name: str, top: str) -> bool:
    return name == top or name.startswith(f"{top}.")


def matches(module: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(module, pattern) or is_below(module, pattern) for pattern in patterns)


def with_packages(name: str) -> Iterator[str]:
    """Name a module and the packages that are imported before it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def reached(module: str, uses: Mapping[str, set[str]]) -> Iterator[str]:
    """Walk our own modules that come along when this one is imported, itself first."""
    seen, rest = {module}, [module]
    while rest:
        current = rest.pop()
        yield current
        imported = {own for name in uses[current] for own in with_packages(name)} & uses.keys()
        rest += sorted(imported - seen)
        seen |= imported


def violations(roots: Sequence[Path], edges: Sequence[Edge]) -> list[str]:
    """List every use of a name that an edge forbids."""
    uses = {module: used_names(module, path) for module, path in modules(roots).items()}
    found = []
    for edge in edges:
        for module in sorted(uses):
            if is_below(module, "dispatch.api") or not matches(module, edge.importers):
                continue
            for via in reached(module, uses) if edge.through else [module]:
                if any(fnmatchcase(via, pattern) for pattern in edge.but):
                    continue
                through = "" if via == module else f" through {via}"
                found += [
                    f"{module} uses {name}{through}: {edge.reason}"
                    for name in sorted(uses[via])
                    if any(is_below(name, top) for top in edge.forbidden)
                ]
    return found


def test_no_module_uses_what_it_must_not_know() -> None:
    assert violations([ROOT / part for part in PARTS], EDGES) == []


def test_every_module_that_a_rule_names_is_there() -> None:
    ours = modules([ROOT / part for part in PARTS])
    named = {name for edge in EDGES for name in (*edge.importers, *edge.but) if "*" not in name}

    assert named - ours.keys() == set()


def test_all_five_parts_are_looked_at() -> None:
    assert {name.partition(".")[0] for name in modules([ROOT / part for part in PARTS])} == {
        "dispatch",
        "dispatch_pairing",
        "dispatch_relay",
        "dispatch_host",
        "mobile_sim",
    }


def say_pure(roots: Sequence[Path]) -> list[str]:
    """List the modules whose docstring says that they are pure."""
    return sorted(
        module
        for module, path in modules(roots).items()
        if re.search(r"\bPure\b(?! but)", ast.get_docstring(ast.parse(path.read_text())) or "")
    )


def by_its_own_word(roots: Sequence[Path]) -> Edge:
    return Edge(
        importers=say_pure(roots),
        forbidden=(*DRIVERS, *STORES, *CLOCKS, *ENVIRONMENT, *CHANCE),
        reason="its docstring says that it is pure",
    )


def test_a_module_that_says_that_it_is_pure_is() -> None:
    """In itself: what it imports answers for itself, by its own docstring or in PURE."""
    roots = [ROOT / part for part in PARTS]

    assert violations(roots, [by_its_own_word(roots)]) == []


def test_a_module_that_is_not_what_its_docstring_says_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "dispatch_host.planted", '"""Decides from its arguments. Pure."""\n\nimport asyncio\n')
    plant(tmp_path, "dispatch_host.beside", '"""Pure but for the clock."""\n\nimport time\n')

    found = violations([tmp_path], [by_its_own_word([tmp_path])])

    assert [line.partition(":")[0] for line in found] == ["dispatch_host.planted uses asyncio"]


def plant(root: Path, module: str, text: str) -> None:
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


FORBIDDEN = [(edge, name) for edge in EDGES for name in edge.forbidden]


@pytest.mark.parametrize(("edge", "name"), FORBIDDEN, ids=[f"{edge.importers[0]}-{name}" for edge, name in FORBIDDEN])
def test_a_planted_forbidden_use_is_found(tmp_path: Path, edge: Edge, name: str) -> None:
    importer = "dispatch_planted.inner" if edge.importers[0] == "*" else f"{edge.importers[0]}.planted"
    parent, _, leaf = name.rpartition(".")
    statement = f"from {parent} import {leaf}" if parent else f"import {name}"
    plant(tmp_path, importer, f"def later() -> None:\n    {statement}\n")

    assert any(line.startswith(f"{importer} uses {name}:") for line in violations([tmp_path], [edge]))


def test_a_forbidden_use_through_another_module_is_found(tmp_path: Path) -> None:
    edge = Edge(importers=("near",), forbidden=("far",), reason="said", through=True)
    plant(tmp_path, "near.door", "from near.hall import way\n")
    plant(tmp_path, "near.hall", "from . import back\n")
    plant(tmp_path, "near.back", "import far.away\n")

    assert "near.door uses far.away through near.back: said" in violations([tmp_path], [edge])


@pytest.mark.parametrize(
    "text",
    [
        "import os\n\nhome = os.environ['HOME']\n",
        "import os as system\n\nhome = system.getenv('HOME')\n",
        "from os import environ as world\n\nhome = world['HOME']\n",
    ],
)
def test_reading_the_environment_under_another_name_is_found(tmp_path: Path, text: str) -> None:
    plant(tmp_path, "dispatch_host.journal", text)
    plant(tmp_path, "dispatch_host.app", text)

    found = violations([tmp_path], [edge for edge in EDGES if edge.importers == ("*",)])

    assert found
    assert all(line.startswith("dispatch_host.journal uses os.") for line in found)


def test_reading_the_clock_by_method_is_found_in_a_pure_module(tmp_path: Path) -> None:
    plant(tmp_path, "dispatch_host.tasks", "from datetime import UTC, datetime\n\nnow = datetime.now(UTC)\n")

    found = violations([tmp_path], [edge for edge in EDGES if edge.importers == PURE])

    assert [line.partition(":")[0] for line in found] == ["dispatch_host.tasks uses datetime.datetime.now"]
