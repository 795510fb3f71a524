"""Names that nobody answers for: a page has as many of them as it likes, and holds up nothing but itself."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from dispatch_host.browser.names import MOST_AT_ONCE, Names

from tests.support.waiting import until


class Silent:
    """A resolver that answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.lets = threading.Event()

    def __call__(self, name: str) -> Sequence[tuple[object, ...]]:
        self.asked.append(name)
        self.lets.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 0))]


async def test_names_that_nobody_answers_for_take_no_thread_of_the_hosts() -> None:
    silent = Silent()
    names = Names(silent)
    waiting = [asyncio.create_task(names.look_up(f"{n}.example")) for n in range(200)]
    try:
        await until(lambda: len(silent.asked) >= MOST_AT_ONCE)

        assert await asyncio.to_thread(lambda: "done") == "done"

        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        more = asyncio.create_task(names.look_up("more.example"))
        assert await asyncio.to_thread(lambda: "again") == "again"
        assert len(silent.asked) == MOST_AT_ONCE  # whoever left does not give a turn back: the thread still waits
    finally:
        silent.lets.set()
    assert await more == [ip_address("192.0.2.7")]


async def test_a_name_that_is_not_there_is_told() -> None:
    def none(_: str) -> Sequence[tuple[object, ...]]:
        raise socket.gaierror(-2, "not known")

    with pytest.raises(OSError, match="not known"):
        await Names(none).look_up("nowhere.example")


async def test_the_systems_own_resolver_is_asked() -> None:
    assert ip_address("127.0.0.1") in await Names().look_up("127.0.0.1")
