"""`dispatch-host login`: signs this computer in, by a password or at the service's provider. Called by `cli`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.cli import Console
from dispatch.clock import SystemClock
from dispatch.device.federated import Code, sign_in_at_provider
from dispatch.device.home import Home
from dispatch.device.keys import KeyStore
from dispatch.device.sign_in import SignIn, sign_in
from dispatch.plain import one_line
from dispatch.tls import Dialler

from dispatch_host.pictures import drawn

_URL_CHARS = 512


@dataclass(frozen=True, slots=True)
class To:
    """Where a sign-in goes, and as what."""

    server: str
    device_name: str
    dialler: Dialler


async def by_password(home: Home, store: KeyStore, to: To, *, account: str, password: str) -> SignIn:
    """Sign in with a password."""
    return await sign_in(
        home,
        store,
        server=to.server,
        account=account,
        password=password,
        device_name=to.device_name,
        kind=DeviceKind.DEVICE_KIND_HOST,
        rng=os.urandom,
        dialler=to.dialler,
    )


async def by_provider(home: Home, store: KeyStore, console: Console, to: To) -> SignIn:
    """Sign in at the provider; shows the code that the person enters there."""
    return await sign_in_at_provider(
        home,
        store,
        server=to.server,
        device_name=to.device_name,
        kind=DeviceKind.DEVICE_KIND_HOST,
        clock=SystemClock(),
        rng=os.urandom,
        person=_AtConsole(console),
        dialler=to.dialler,
    )


class _AtConsole:
    """The person in front of this command."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def enter(self, code: Code) -> None:
        until = datetime.fromtimestamp(code.expires_at_ms / 1000, UTC).astimezone().strftime("%H:%M")
        digits = self._console.styled(one_line(code.code, 64), bold=True)
        words = f"Open {one_line(code.url, _URL_CHARS)} in any browser and enter {digits} there, until {until}."
        if code.url_complete is not None and len(code.url_complete) <= _URL_CHARS:
            words = f"{drawn(code.url_complete)}\n{words} Or scan this with a phone."
        self._console.event(
            {
                "event": "enter_code",
                "code": code.code,
                "url": code.url,
                "url_complete": code.url_complete,
                "expires_at": code.expires_at_ms,
            },
            "" if self._console.as_json else words,
        )

    def warn(self, error: errors.DispatchError) -> None:
        self._console.event(
            {"event": "warning", "reason": errors.word(error.reason), "text": error.sentence, "advice": error.advice},
            self._console.styled(f"{error.sentence} It is tried again until the code's time is over.", fg="yellow"),
        )
