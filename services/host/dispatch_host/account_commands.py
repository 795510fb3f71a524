"""What a person does with the account on this computer: sign in and out, make one, change its password. Called by `cli`.

All of it works beside a running host: that needs the device's key alone to go on, and reads the token when it pairs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.cli import Console, Exit
from dispatch.clock import SystemClock
from dispatch.device import account as accounts
from dispatch.device.account_cli import Request
from dispatch.device.federated import sign_in_at_provider
from dispatch.device.fresh_start import signed_in_afresh
from dispatch.device.home import Home
from dispatch.device.key_store import key_store
from dispatch.device.keys import KeyStore
from dispatch.device.session import Session
from dispatch.device.sign_in import SignIn, sign_in
from dispatch.tls import Dialler

from dispatch_host.code_at_provider import AtConsole
from dispatch_host.command import COMMAND_SECONDS
from dispatch_host.pairings import drop_all

_KIND = DeviceKind.DEVICE_KIND_HOST


async def carry_out(home: Home, console: Console, request: Request, *, plaintext: bool) -> Exit:
    """Do what a request of `dispatch.device.account_cli` asks. Raises what the service says."""
    here = _Here(home, key_store(home, os.urandom), console, plaintext)
    commands: dict[str, Callable[[_Here, Request], Awaitable[Exit]]] = {
        "login": _log_in,
        "login_at_provider": _log_in_at_provider,
        "signup": _sign_up,
        "logout": _log_out,
        "password": _change_password,
    }
    return await commands[request["do"]](here, request)


@dataclass(frozen=True, slots=True)
class _Here:
    """This computer, and the person in front of it."""

    home: Home
    store: KeyStore
    console: Console
    plaintext: bool

    def dialler(self, request: Request) -> Dialler:
        return Dialler(ca=request["ca"], plaintext=self.plaintext)


async def _log_in(here: _Here, request: Request) -> Exit:
    """Sign this computer in; one that was revoked, as a new device."""

    async def enter() -> SignIn:
        return await sign_in(
            here.home,
            here.store,
            server=request["server"],
            account=request["account"],
            password=request["password"],
            device_name=request["name"],
            kind=_KIND,
            rng=os.urandom,
            dialler=here.dialler(request),
        )

    return await _in(here, enter)


async def _log_in_at_provider(here: _Here, request: Request) -> Exit:
    """Sign this computer in at the service's provider; shows first what the person has to do there."""

    async def enter() -> SignIn:
        return await sign_in_at_provider(
            here.home,
            here.store,
            server=request["server"],
            device_name=request["name"],
            kind=_KIND,
            clock=SystemClock(),
            rng=os.urandom,
            person=AtConsole(here.console),
            dialler=here.dialler(request),
        )

    return await _in(here, enter)


async def _in(here: _Here, enter: Callable[[], Awaitable[SignIn]]) -> Exit:
    with _prepared(here.home) as running:

        async def drop_pairings() -> None:
            if running is not None:
                raise running
            await drop_all(here.home, here.store)

        signed_in = await signed_in_afresh(enter, store=here.store, drop_pairings=drop_pairings)
    here.console.event(
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


async def _sign_up(here: _Here, request: Request) -> Exit:
    """Make an account, then sign this computer in to it."""
    with _prepared(here.home):
        await accounts.sign_up(
            here.home,
            here.store,
            server=request["server"],
            account=request["account"],
            password=request["password"],
            invitation=request["invitation"],
            kind=_KIND,
            rng=os.urandom,
            dialler=here.dialler(request),
        )
    told = {"event": "signed_up", "account": request["account"], "server": request["server"]}
    here.console.event(told, f"The account {request['account']} is there.")
    return await _log_in(here, request)


@contextlib.contextmanager
def _prepared(home: Home) -> Iterator[errors.HomeInUse | None]:
    """Make the home and own it; gives the refusal if a running host does.

    That has made the device's key, which is all that is guarded here; unless the key was revoked.
    """
    home.create()
    running = None
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(home.owned(patience_seconds=COMMAND_SECONDS))
        except errors.HomeInUse as in_use:
            running = in_use
        yield running


async def _log_out(here: _Here, request: Request) -> Exit:
    """Sign this computer out, or every device of the account."""
    signed_in, everywhere = SignIn.required(here.home), bool(request["everywhere"])
    told = await accounts.sign_out(
        here.home,
        here.store,
        session=Session(here.store),
        kind=_KIND,
        everywhere=everywhere,
        plaintext=here.plaintext,
    )
    who = "Every device of" if everywhere else f"{signed_in.device_name} is signed out of"
    here.console.event(
        {"event": "signed_out", "account": signed_in.account, "everywhere": everywhere, "service_told": told},
        f"{who} {signed_in.account}{' is signed out' if everywhere else ''}.",
    )
    return Exit.DONE


async def _change_password(here: _Here, request: Request) -> Exit:
    """Change the account's password."""
    signed_in = SignIn.required(here.home)
    await accounts.change_password(
        here.home,
        here.store,
        session=Session(here.store),
        kind=_KIND,
        old=request["old"],
        new=request["new"],
        plaintext=here.plaintext,
    )
    here.console.event(
        {"event": "password_changed", "account": signed_in.account},
        f"{signed_in.account} has a new password. All its other devices are signed out.",
    )
    return Exit.DONE
