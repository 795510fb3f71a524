"""The looks that phone and host share: a server's name, its port, its TLS; the clock, the disk, a database, keys at rest.

Each gives a finding and raises nothing. Nothing is sent to a server but what a connection takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispatch import errors
from dispatch.address import Address
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.device import key_words, service_clock
from dispatch.device.home import write_private
from dispatch.doctor.aside import aside
from dispatch.doctor.chain import Finding, broken, ok, warning
from dispatch.tls import Dialler, Flaw

LOOK_SECONDS = 5.0
RENEW_DAYS = 7
LOW_BYTES = 256 * 1024 * 1024
"""With less room than this a host is warned of."""
_DAY_MS = 86_400_000

SERVICE, RELAY = "pairing service", "relay"

_NAME_ADVICE = {
    SERVICE: "Check the network; if the name is wrong, sign in again with the right --server.",
    RELAY: "Check the network; if other names resolve, tell the operator: the relay advertises this one.",
}
_PORT_ADVICE = {
    SERVICE: "Check the network and the port; if both are right, the pairing service is down: tell its operator.",
    RELAY: "Wait a moment or tell the operator: the relay is down, or its port can't be reached from this network.",
}
_FLAW_ADVICE = {
    Flaw.UNTOLD: "Sign in again with --ca FILE, the authority of the server's certificate.",
    Flaw.NO_TLS: "Check the port; if it is right, the operator has to give the server a certificate.",
    Flaw.EXPIRED: "Tell the operator to renew the certificate, if this device's clock is right.",
    Flaw.NOT_YET: "Set this device's clock.",
    Flaw.OTHER_NAME: "Sign in with the name that is in the certificate, or have the operator issue one for this name.",
    Flaw.UNKNOWN_AUTHORITY: "Sign in again with --ca FILE, if that authority is the right one; if not, somebody is in between.",
    Flaw.OTHER: "Tell the operator.",
}


Resolve = Callable[[str, int], list[Any]]
"""Looks a name up as `socket.getaddrinfo` does."""


async def name(
    address: str, *, of: str, resolve: Resolve = socket.getaddrinfo, seconds: float = LOOK_SECONDS
) -> Finding:
    """Look a server's name up."""
    there = _parsed(address)
    if there is None:
        return broken(f"{address!r} is no address", _NAME_ADVICE[of], reason=Reason.REASON_NO_NETWORK)
    try:
        found = await aside(lambda: resolve(there.host, there.port), seconds=seconds)
    except TimeoutError:
        return broken(
            f"{there.host} was not resolved in {seconds:g} s", _NAME_ADVICE[of], reason=Reason.REASON_NO_NETWORK
        )
    except (OSError, UnicodeError) as failure:
        why = getattr(failure, "strerror", None) or type(failure).__name__
        return broken(f"{there.host} can't be resolved: {why}", _NAME_ADVICE[of], reason=Reason.REASON_NO_NETWORK)
    return ok(f"{there.host} is {', '.join(sorted({str(one[4][0]) for one in found})[:3])}")


async def port(address: str, *, of: str) -> Finding:
    """Connect to a server's port, and hang up."""
    there = Address.parse(address)
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            _, writer = await asyncio.open_connection(there.host, there.port)
    except TimeoutError:
        why = f"did not answer in {LOOK_SECONDS:.0f} s"
    except OSError as failure:
        why = f"can't be reached: {os.strerror(failure.errno) if failure.errno else failure}"
    else:
        writer.transport.abort()
        return ok(f"{there} answers")
    return broken(f"{there} {why}", _PORT_ADVICE[of], reason=Reason.REASON_NO_NETWORK)


async def tls(dialler: Dialler, address: str, *, now_ms: int) -> Finding:
    """Shake hands as this device would, and look at the certificate."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            seen = await dialler.look(address)
    except (TimeoutError, OSError) as failure:
        why = str(failure) or "it did not answer in time"
        return broken(f"the TLS handshake broke off: {why}", _FLAW_ADVICE[Flaw.OTHER], reason=Reason.REASON_TLS_FAILED)
    if seen.flaw is not None:
        return broken(f"{address} {seen.words}", _FLAW_ADVICE[seen.flaw], reason=Reason.REASON_TLS_FAILED)
    if not seen.spoken:
        return ok("in the clear: only on this computer, or where DISPATCH_PLAINTEXT=1 allows it")
    if seen.not_after_ms is None:
        return ok("the certificate is good")
    days = (seen.not_after_ms - now_ms) // _DAY_MS
    if days < RENEW_DAYS:
        return warning(f"the certificate ends in {days} days", "Tell the operator to renew it.")
    return ok(f"the certificate is good for {days} more days")


def clock(off_ms: int | None) -> Finding:
    """Judge how far this device's clock is off."""
    if off_ms is None:
        return ok("the service has not told its time yet")
    if words := service_clock.words(off_ms):
        return warning(words, "Set this device's clock.")
    return ok(f"{abs(off_ms) / 1000:.1f} s {'ahead of' if off_ms > 0 else 'behind'} the service's")


def keys(kind: str) -> Finding:
    """Judge how this device's keys are kept."""
    if words := key_words.words(kind):
        return warning(f"{kind}: {words}", "Seal the keys: --passphrase-file FILE (docs/operations.md, Keys at rest).")
    return ok(kind)


async def disk(folder: Path) -> Finding:
    """See whether there is room, and whether it can be written to."""
    try:
        return await aside(lambda: _disk(folder), seconds=LOOK_SECONDS)
    except TimeoutError:
        return broken(
            f"the disk of {folder} did not answer in {LOOK_SECONDS:g} s",
            "Look at that disk, or at the network that it is on.",
            reason=Reason.REASON_STORE_FAILED,
        )


def _disk(folder: Path) -> Finding:
    trial = folder / f".doctor-{secrets.token_hex(4)}"
    try:
        write_private(trial, bytes(4096))
        room = os.statvfs(folder)
    except errors.StoreFailed as failure:
        return broken(
            f"nothing can be written to {folder}: {failure.detail.rpartition(': ')[2]}",
            "Make room there, or make it writable.",
            reason=failure.reason,
        )
    finally:
        for left in (trial, trial.with_name(f".{trial.name}.new")):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
    free = room.f_bavail * room.f_frsize
    if free < LOW_BYTES:
        return warning(f"{free // 2**20} MiB are left for {folder}", "Make room there.")
    return ok(f"{free // 2**20} MiB are left")


async def database(file: Path, *, advice: str) -> Finding:
    """Have SQLite read all of a database and check it, on a connection of its own that only reads."""
    return await asyncio.to_thread(_database, file, advice)


def _database(file: Path, advice: str) -> Finding:
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=LOOK_SECONDS)
        ) as read:
            said = [str(row[0]) for row in read.execute("PRAGMA quick_check(3)")]
    except sqlite3.Error as failure:
        said = [str(failure)]
    if said == ["ok"]:
        return ok(f"{file.name} is whole")
    return broken(f"{file.name} is damaged: {'; '.join(said)}", advice, reason=Reason.REASON_STORE_FAILED)


def _parsed(address: str) -> Address | None:
    try:
        return Address.parse(address)
    except ValueError:
        return None
