"""Real relays as processes of their own, and what they use, as Linux counts it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Used
from bench.usage import used_by
from tests.support.processes import Process
from tests.support.trust_service import TrustService

_PATIENT = {"DISPATCH_RELAY_HELLO_MS": "60000"}
"""Load and relay share this computer: who opens thousands of streams on it may be slow at each."""


@dataclass(frozen=True, slots=True)
class RelayProcess:
    """One that runs."""

    process: Process
    address: str

    def used(self) -> Used:
        """Read what it has used until now. Raises FileNotFoundError when it has ended."""
        return used_by([self.process.pid])


@contextlib.asynccontextmanager
async def running(
    count: int, folder: Path, trust: TrustService, *, stores: Sequence[str], env: Mapping[str, str] | None = None
) -> AsyncIterator[list[RelayProcess]]:
    """Start relays that follow a trust service; `stores` are the options for what they share, `env` has settings.

    Ends them in the end.
    """
    relays: list[RelayProcess] = []
    try:
        for number in range(count):
            words = ("--listen", "127.0.0.1:0", "--data", str(folder / f"relay{number}"), "--pairing", trust.address)
            process = await Process.start(
                "dispatch-relay", "serve", *words, "--metrics", "127.0.0.1:0", *stores, env={**_PATIENT, **(env or {})}
            )
            relays.append(RelayProcess(process, ""))
            listening = await process.event("listening")
            relays[-1] = RelayProcess(process, listening["address"])
        yield relays
    finally:
        for relay in relays:
            await relay.process.stop()
