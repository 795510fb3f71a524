"""What a person does with the account on this computer: sign in and out, make one, change its password. Called by `cli`.

All of it works beside a running host: that needs the device's key alone to go on, and reads the token when it pairs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.cli import Console, Exit
from dispatch.clock import SystemClock
from dispatch.device import account as accounts
from dispatch.device.federated import sign_in_at_provider
from dispatch.device.fresh_start import signed_in_afresh
from dispatch.device.home import Home
from dispatch.device.key_store import key_store
from dispatch.device.keys import KeyStore
from dispatch.device.session import Session
from dispatch.device.sign_in import SignIn, sign_in
from dispatch.tls import Dialler

from dispatch_host.code_at_provider import AtConsole
from dispatch_host.pairings import drop_all

_KIND = DeviceKind.DEVICE_KIND_HOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Which account, at which service, and what this computer is called there."""

    server: str
    dialler: Dialler
    account: str
    password: str = field(repr=False)
    name: str


async def log_in(home: Home, console: Console, way: Way) -> Exit:
    """Sign this computer in; one that was revoked, as a new device."""
    return await _log_in(home, key_store(home, os.urandom), console, way)


async def _log_in(home: Home, store: KeyStore, console: Console, way: Way) -> Exit:
    async def enter() -> SignIn:
        return await sign_in(
            home,
            store,
            server=way.server,
            account=way.account,
            password=way.password,
            device_name=way.name,
            kind=_KIND,
            rng=os.urandom,
            dialler=way.dialler,
        )

    return await _in(home, console, store, enter)


async def log_in_at_provider(home: Home, console: Console, *, server: str, dialler: Dialler, name: str) -> Exit:
    """Sign this computer in at the service's provider; shows first what the person has to do there."""
    store = key_store(home, os.urandom)

    async def enter() -> SignIn:
        return await sign_in_at_provider(
            home,
            store,
            server=server,
            device_name=name,
            kind=_KIND,
            clock=SystemClock(),
            rng=os.urandom,
            person=AtConsole(console),
            dialler=dialler,
        )

    return await _in(home, console, store, enter)


async def _in(home: Home, console: Console, store: KeyStore, enter: Callable[[], Awaitable[SignIn]]) -> Exit:
    with _prepared(home) as running:

        async def drop_pairings() -> None:
            if running is not None:
                raise running
            await drop_all(home, store)

        signed_in = await signed_in_afresh(enter, store=store, drop_pairings=drop_pairings)
    console.event(
        {
            "event": "signed_in",
            "account": signed_in.account,
            "server": signed_in.server,
            "service": signed_in.service_name,
            "device": signed_in.device_name,
        },
        f"{signed_in.device_name} is signed in to {signed_in.account}. Next: dispatch-host pair",
    )
    return Exit.DONE


async def sign_up(home: Home, console: Console, way: Way, *, invitation: str) -> Exit:
    """Make an account, then sign this computer in to it."""
    store = key_store(home, os.urandom)
    with _prepared(home):
        await accounts.sign_up(
            home,
            store,
            server=way.server,
            account=way.account,
            password=way.password,
            invitation=invitation,
            kind=_KIND,
            rng=os.urandom,
            dialler=way.dialler,
        )
    told = {"event": "signed_up", "account": way.account, "server": way.server}
    console.event(told, f"The account {way.account} is there.")
    return await _log_in(home, store, console, way)


@contextlib.contextmanager
def _prepared(home: Home) -> Iterator[errors.HomeInUse | None]:
    """Make the home and own it; gives the refusal if a running host does.

    That has made the device's key, which is all that is guarded here; unless the key was revoked.
    """
    home.create()
    running = None
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(home.owned())
        except errors.HomeInUse as in_use:
            running = in_use
        yield running


async def log_out(home: Home, console: Console, *, everywhere: bool, plaintext: bool) -> Exit:
    """Sign this computer out, or every device of the account."""
    signed_in, store = SignIn.required(home), key_store(home, os.urandom)
    told = await accounts.sign_out(
        home, store, session=Session(store), kind=_KIND, everywhere=everywhere, plaintext=plaintext
    )
    who = "Every device of" if everywhere else f"{signed_in.device_name} is signed out of"
    console.event(
        {"event": "signed_out", "account": signed_in.account, "everywhere": everywhere, "service_told": told},
        f"{who} {signed_in.account}{' is signed out' if everywhere else ''}.",
    )
    return Exit.DONE


async def change_password(home: Home, console: Console, *, old: str, new: str, plaintext: bool) -> Exit:
    """Change the account's password."""
    signed_in, store = SignIn.required(home), key_store(home, os.urandom)
    await accounts.change_password(
        home, store, session=Session(store), kind=_KIND, old=old, new=new, plaintext=plaintext
    )
    console.event(
        {"event": "password_changed", "account": signed_in.account},
        f"{signed_in.account} has a new password. All its other devices are signed out.",
    )
    return Exit.DONE
