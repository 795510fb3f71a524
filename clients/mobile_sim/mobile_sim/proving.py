"""Checks the phone's own threads on its disk, and writes one to a file. Called by `desk`.

Reads beside the store, on a thread of its own: a long thread holds nobody up. docs/thread-file.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from dispatch import errors
from dispatch.cli import Exit
from dispatch.device.audit import Wrong
from dispatch.device.keys import DeviceKey
from dispatch.device.thread_file import Checked, Keys, checked, written
from dispatch.device.thread_proof import export, told

from mobile_sim.owner import Say
from mobile_sim.phone import Phone
from mobile_sim.store import Pairing
from mobile_sim.store.snapshot import Snapshot


async def verify(phone: Phone, host: Pairing, say: Say) -> int:
    """Check the threads of every pairing with this host, oldest first, as far as the first thing that is wrong."""
    events = lost = 0
    last: Checked | None = None
    for pairing in phone.store.pairings.all():
        if pairing.host_key != host.host_key:
            continue
        found = await asyncio.to_thread(_checked, phone, pairing)
        if isinstance(found, Wrong):
            event, _, code = told(found)
            say(event | {"host": pairing.host_name, "pair_id": pairing.pair_id.hex()})
            return code
        events, lost, last = events + found.events, lost + found.lost, found
    if last is None:
        raise errors.NotPaired
    event, _, code = told(last)
    say(event | {"events": events, "lost": lost, "host": host.host_name})
    return code


async def write(phone: Phone, host: Pairing, path: Path, *, replace: bool, say: Say) -> int:
    """Write the thread of one pairing to a file, if everything in it fits."""
    found = await asyncio.to_thread(_exported, phone, host, path, replace)
    if isinstance(found, Wrong):
        event, _, code = told(found)
        say(event | {"host": host.host_name, "pair_id": host.pair_id.hex()})
        return code
    say(
        {
            "event": "exported",
            "file": str(path),
            "events": found.events,
            "lost": found.lost,
            "host": host.host_name,
        }
    )
    return Exit.DONE


def _checked(phone: Phone, pairing: Pairing) -> Checked | Wrong:
    with Snapshot(phone.home / "phone.db") as snapshot:
        return checked(_lines(phone, pairing, snapshot))


def _exported(phone: Phone, pairing: Pairing, path: Path, replace: bool) -> Checked | Wrong:
    with Snapshot(phone.home / "phone.db") as snapshot:
        return export(_lines(phone, pairing, snapshot), path, replace=replace)


def _lines(phone: Phone, pairing: Pairing, snapshot: Snapshot) -> Iterator[bytes]:
    key = DeviceKey.load(phone.secrets)
    if key is None:
        raise errors.SignInRequired
    # Not those with other computers: whoever gets the file has no business with them.
    hosts = {one: key for one, key in snapshot.hosts(pairing.own_key).items() if key == pairing.host_key}
    keys = Keys(phone=pairing.own_key, hosts=hosts, exporter=key.public)
    return written(keys, snapshot.pieces(pairing.pair_id), snapshot.head(pairing.pair_id), key.sign)
