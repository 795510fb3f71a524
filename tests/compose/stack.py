"""The containers of a test: started by `make up`, asked by `docker compose`, and gone at the end.

Each has a project and ports of its own, so that a person's own containers are left alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.lateness import never_started
from tests.support.processes import Event, run
from tests.support.waiting import DEADLINE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
DOCKER = shutil.which("docker") or "docker"
PORTS = ("PAIRING", "PAIRING_WEB", "RELAY", "RELAY_WEB", "WEB", "PROMETHEUS", "GRAFANA")
ANY_PORT = {f"DISPATCH_{name}_PORT": "0" for name in PORTS}


class Stack:
    """What one project runs. `environment` are variables that the files of compose read; `scale` takes both files."""

    def __init__(self, project: str, *, scale: bool = False, environment: Mapping[str, str] = ANY_PORT) -> None:
        self.project = project
        self._given = ("SCALE=1",) if scale else ()
        self.environment = {**os.environ, **ANY_PORT, **environment, "COMPOSE_PROJECT_NAME": project}
        files = ("compose.yaml", "compose.scale.yaml") if scale else ("compose.yaml",)
        self.words = (DOCKER, "compose", *(word for file in files for word in ("-f", str(ROOT / "deploy" / file))))

    def make(self, target: str, *variables: str) -> str:
        """Run a target of the Makefile; gives what it said. Raises CalledProcessError."""
        words = ["make", "-C", str(ROOT), target, *self._given, *variables]
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
        return done.stdout

    def compose(self, *words: str, stdin: str | None = None) -> str:
        """Run a command of compose; gives its standard output. Raises CalledProcessError."""
        done = subprocess.run(
            [*self.words, *words], env=self.environment, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
        return done.stdout

    async def phone(self, *words: str) -> tuple[int, list[Event]]:
        """Run the phone's container with a command."""
        return await run(*self.words, "run", "--rm", "-T", "phone", *words, env=self.environment)

    async def done(self, text: str) -> list[Event]:
        """Send a task until it is done: on a busy machine one may be too late, which its phone says. Gives its events."""
        async with asyncio.timeout(2 * DEADLINE_SECONDS):
            while True:
                code, events = await self.phone("send", text)
                if code == 0:
                    return events
                assert events[-1].get("state") in {"refused", "not_sent"} or never_started(events[-1]), events

    def left(self) -> list[str]:
        """List what there is of the project: containers, volumes, networks."""
        mine = f"label=com.docker.compose.project={self.project}"
        kinds = (("ps", "--all", "--format", "{{.Names}}"), ("volume", "ls", "--quiet"), ("network", "ls", "--quiet"))
        return [
            name
            for kind in kinds
            for name in subprocess.run(
                [DOCKER, *kind, "--filter", mine], check=True, capture_output=True, text=True
            ).stdout.split()
        ]

    @contextmanager
    def up(self, *variables: str) -> Iterator[str]:
        """Run `make up` and take everything down at the end; gives what it said. Nothing may be left."""
        self.make("down", "VOLUMES=1")
        try:
            try:
                said = self.make("up", *variables)
            except subprocess.CalledProcessError as failure:
                logs = self.compose("logs", "--tail", "30")
                pytest.fail(f"{failure}\n{failure.stdout}\n{failure.stderr}\n{logs}")
            yield said
        finally:
            self.make("down", "VOLUMES=1")
        assert self.left() == []


def events(said: str) -> list[Event]:
    """Read the lines of a program with --json."""
    return [json.loads(line) for line in said.splitlines()]
