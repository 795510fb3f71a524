"""Makes the `Push` that the command line asks for. Called by `app`. The libraries are looked at only when they are asked for."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from dispatch.clock import Clock
from dispatch.mistakes import Mistakes

from dispatch_relay.beside import Spawn
from dispatch_relay.log import Log
from dispatch_relay.metrics import Metrics
from dispatch_relay.push import keys
from dispatch_relay.push.bell import Bell, Transport
from dispatch_relay.push.reach import Reach
from dispatch_relay.push.schedule import Pace
from dispatch_relay.settings import Settings

_NEEDS_PUSH = "--push-contact needs more: pip install 'dispatch-relay[push]'"
_NEEDS_APPRISE = "--push-services needs more: pip install 'dispatch-relay[apprise]'"


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


def look_over(options: PushOptions, *, data: Path, timeout_ms: int, wrong: Mistakes) -> None:
    """Add what is wrong with the options and their files. Makes no key."""
    key = options.key or _own_key(data)
    if options.key is not None or key.exists():
        wrong.look(lambda: keys.load(key))
    if options.contact is not None:
        contact = options.contact
        try:
            from dispatch_relay.push.web import check  # noqa: PLC0415 -- an extra
        except ImportError:
            wrong.say(_NEEDS_PUSH)
        else:
            wrong.look(lambda: check(contact, ca=options.ca))
    if options.services is not None:
        services = options.services
        try:
            from dispatch_relay.push.services import read  # noqa: PLC0415 -- an extra
        except ImportError:
            wrong.say(_NEEDS_APPRISE)
        else:
            wrong.look(lambda: read(services, timeout_ms=timeout_ms))


def _own_key(data: Path) -> Path:
    return data / "vapid.pem"


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
            raise ValueError(_NEEDS_PUSH) from None
        key = keys.load_or_make(_own_key(data)) if options.key is None else keys.load(options.key)
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
            raise ValueError(_NEEDS_APPRISE) from None
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
