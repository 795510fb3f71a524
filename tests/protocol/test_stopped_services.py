"""What a service leaves in its process when it has stopped: nothing. Whoever embeds one, as a test does, pays for no ghost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.host_bench import Bench
from tests.support.pairing_service import PairingService
from tests.support.relay import Relay
from tests.support.waiting import until


@asynccontextmanager
async def _a_host(folder: Path) -> Any:
    async with Bench(folder) as bench:
        await bench.runs()
        yield


SERVICES: dict[str, Callable[[Path], AbstractAsyncContextManager[object]]] = {
    "relay": Relay,
    "pairing": PairingService,
    "host": _a_host,
}


def threads() -> set[threading.Thread]:
    """Those that run, but for the loop's own pool, which ends with the loop."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
async def test_a_service_that_has_stopped_leaves_no_thread(
    service: Callable[[Path], AbstractAsyncContextManager[object]], tmp_path: Path
) -> None:
    async with service(tmp_path / "first"):
        pass  # what all services of a process share is there from the first one on
    before = threads()

    async with service(tmp_path / "second"):
        pass

    await until(lambda: threads() <= before)
