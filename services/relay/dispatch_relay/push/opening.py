"""Makes the `Push` that the command line asks for. Called by `app`. The libraries are looked at only when they are asked for."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from dispatch.clock import Clock

from dispatch_relay.log import Log
from dispatch_relay.metrics import Metrics
from dispatch_relay.push import keys
from dispatch_relay.push.bell import Bell, Spawn, Transport
from dispatch_relay.push.reach import Reach
from dispatch_relay.push.schedule import Pace
from dispatch_relay.settings import Settings


@dataclass(frozen=True, slots=True)
class PushOptions:
    """What the command line says. Nobody is called when it says nothing."""

    contact: str | None = None
    """Whom push services may write to; turns Web Push on."""
    key: Path | None = None
    """The VAPID key; None: one of our own in the data folder."""
    ca: Path | None = None
    """Whose certificates push services must show; None: those of the usual authorities."""
    services: Path | None = None
    """The file of services; turns them on."""

    def __bool__(self) -> bool:
        return self.contact is not None or self.services is not None


def open_bell(
    options: PushOptions,
    settings: Settings,
    *,
    data: Path,
    log: Log,
    clock: Clock,
    metrics: Metrics,
    spawn: Spawn,
) -> Bell:
    """Make it; reads files, and makes the key on the first start. Call on the loop. Raises ValueError, OSError."""
    transports: list[Transport] = []
    public = b""
    if options.contact is not None:
        try:
            from dispatch_relay.push.web import WebPush  # noqa: PLC0415 -- an extra
        except ImportError:
            raise ValueError("--push-contact needs more: pip install 'dispatch-relay[push]'") from None
        key = keys.load_or_make(data / "vapid.pem") if options.key is None else keys.load(options.key)
        public = keys.public_bytes(key)
        transports.append(
            WebPush(
                key,
                contact=options.contact,
                reach=Reach.of(settings.push_networks),
                ca=options.ca,
                timeout_ms=settings.push_timeout_ms,
                clock=clock,
            )
        )
    if options.services is not None:
        try:
            from dispatch_relay.push.services import read  # noqa: PLC0415 -- an extra
        except ImportError:
            raise ValueError("--push-services needs more: pip install 'dispatch-relay[apprise]'") from None
        transports.append(read(options.services, timeout_ms=settings.push_timeout_ms))
    return Bell(
        transports,
        key=public,
        log=log,
        clock=clock,
        pace=Pace(
            group_ms=settings.push_group_ms,
            news_gap_ms=settings.push_news_gap_ms,
            question_gap_ms=settings.push_question_gap_ms,
            retry_ms=settings.push_retry_ms,
        ),
        metrics=metrics,
        spawn=spawn,
        jitter=random.uniform,
    )
