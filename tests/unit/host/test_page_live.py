"""What goes to an open page by itself. docs/host-page.md."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, aclosing

import pytest
from dispatch import errors
from dispatch.words import ENGLISH
from dispatch_host.front import Front
from dispatch_host.page import live


class Hanging(AbstractAsyncContextManager[Front]):
    """The front desk of a host that hangs: each look at it takes as long as a call may."""

    def __init__(self) -> None:
        self.late = 0.0
        self.looks = 0

    async def __aenter__(self) -> Front:
        self.late += 15.0
        self.looks += 1
        raise errors.NotRunning

    async def __aexit__(self, *_: object) -> None:
        """Nothing was opened."""


async def test_a_host_that_hangs_does_not_make_the_page_fall_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, host = asyncio.get_running_loop(), Hanging()
    on_time = loop.time
    monkeypatch.setattr(loop, "time", lambda: on_time() + host.late)

    async with aclosing(live.states(lambda: host, ENGLISH)) as told:
        assert (await anext(told)).startswith(b"event: shown\n")
        assert await anext(told) == b": still here\n\n"

    assert host.looks == 2  # the page gives up what was silent for 40 s
