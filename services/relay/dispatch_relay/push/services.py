"""Calls by the services that the operator named: ntfy, Pushover, Telegram, mail and whatever else apprise knows. docs/push.md.

Their addresses hold passwords. They come from one file of the operator's and from nobody else, and are never logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apprise
from dispatch.ids import ID_BYTES, PairId
from dispatch.words import Language, Words

from dispatch_relay.push import private_file
from dispatch_relay.push.answers import Answer, Result
from dispatch_relay.push.target import Target
from dispatch_relay.push.words import TITLE, Message, sentence


@dataclass(frozen=True, slots=True)
class Service:
    """A service, and for whom."""

    send: Any = field(repr=False)  # an apprise.Apprise with one address
    pair_id: PairId | None  # None: for all pairings


class Services:
    """The transport."""

    name = "services"

    def __init__(self, services: Sequence[Service], *, timeout_ms: int) -> None:
        self._services = services
        self._words = {language: Words.of(language) for language in Language}
        self._timeout_seconds = timeout_ms / 1_000

    def leads_to(self, pair_id: PairId, _target: Target) -> bool:
        return bool(self._of(pair_id))

    def place(self, _target: Target) -> contextlib.AbstractAsyncContextManager[object]:
        return contextlib.nullcontext()

    async def send(self, message: Message, target: Target) -> Answer:
        words = self._words[target.language or Language.ENGLISH]
        body = sentence(message.calls, words)
        kind = apprise.NotifyType.WARNING if message.question else apprise.NotifyType.INFO
        # One that took it is enough, and all are told at once: these are several ways to the same person.
        taken = await asyncio.gather(*(self._tell(one, body, kind) for one in self._of(message.pair_id)))
        return Answer(Result.SENT if any(taken) else Result.UNREACHABLE)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _of(self, pair_id: PairId) -> list[Service]:
        return [one for one in self._services if one.pair_id in (None, pair_id)]

    async def _tell(self, service: Service, body: str, kind: Any) -> bool:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return bool(await service.send.async_notify(body=body, title=TITLE, notify_type=kind))
        except TimeoutError:
            return False


def read(path: Path, *, timeout_ms: int) -> Services:
    """Read a file of services, one a line: an address, or a pairing's id in hex and an address. Raises ValueError, OSError.

    A mistake is named by its line and never by what stands there. What others may read is a mistake as well.
    """
    # What apprise logs names addresses.
    logging.getLogger("apprise").propagate = False
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    asset = apprise.AppriseAsset(
        app_id=TITLE,
        app_desc=TITLE,
        http_redirects=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        service_timeout=timeout_ms / 1_000,
    )
    found, mistakes = [], []
    for number, line in enumerate(private_file.read(path).decode().splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        sender = apprise.Apprise(asset=asset)
        pair_id = None if len(words) == 1 else _pair_id(words[0])
        if len(words) > 2 or (len(words) == 2 and pair_id is None) or not sender.add(words[-1]):
            mistakes.append(f"{path}, line {number}: neither an address that apprise knows nor a pairing's id and one")
            continue
        found.append(Service(sender, pair_id))
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return Services(found, timeout_ms=timeout_ms)


def _pair_id(text: str) -> PairId | None:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return PairId(value) if len(value) == ID_BYTES else None
