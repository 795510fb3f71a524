"""The account's devices and the history of its tasks: what `devices`, `rename`, `revoke` and `history` do, on phone and host alike.

They speak to the pairing service alone. What happens is told as the objects of docs/cli.md; `owner_words` writes them for
people. Called by the two programs with a `PairingClient` that has a sign-in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.cli import Exit
from dispatch.device.pairing_client import PairingClient
from dispatch.device.telling import Told, outcome_word, reason_told, task_word

PAGE = 500

Request = Mapping[str, Any]
Say = Callable[[Told], None]
Hear = Callable[[], Awaitable[bool]]
"""Waits for a person's yes or no."""


async def do(client: PairingClient, request: Request, *, say: Say, hear: Hear) -> Exit:
    """Carry out one of the four. Raises what the service says, DeviceUnknown, TargetNeeded; nothing is changed then."""
    match request["do"]:
        case "devices":
            await _devices(client, say)
        case "rename":
            await _rename(client, request["device"], request["name"], say)
        case "revoke":
            return await _revoke(client, request["device"], say, hear=hear if request["ask"] else None)
        case "history":
            await _history(client, request["limit"], say)
        case other:
            raise ValueError(f"{other!r} is none of them")
    return Exit.DONE


async def _devices(client: PairingClient, say: Say) -> None:
    devices = (await client.list_devices()).devices
    for device in devices:
        say({"event": "device", **device_told(device, devices)})


async def _rename(client: PairingClient, which: str, name: str, say: Say) -> None:
    device = _find((await client.list_devices()).devices, which, say)
    await client.rename_device(device.device_id, name)
    # As the service keeps it: tidied.
    now = {one.device_id: one.name for one in (await client.list_devices()).devices}
    renamed = now.get(device.device_id, name)
    say({"event": "renamed", "device_id": device.device_id.hex(), "name": renamed, "before": device.name})


async def _revoke(client: PairingClient, which: str, say: Say, *, hear: Hear | None) -> Exit:
    devices = (await client.list_devices()).devices
    device = _find(devices, which, say)
    told = device_told(device, devices)
    if hear is not None:
        say({"event": "confirm", **told})
        if not await hear():
            say({"event": "not_revoked", **told})
            return Exit.DENIED
    await client.revoke_device(device.device_id)
    say({"event": "revoked", **told, "already": bool(device.revoked_at_ms)})
    return Exit.DONE


async def _history(client: PairingClient, limit: int, say: Say) -> None:
    names = {device.device_id: device.name for device in (await client.list_devices()).devices}
    token = ""
    while limit > 0:
        page = await client.list_tasks(page_token=token, page_size=min(limit, PAGE))
        for task in page.tasks:
            say({"event": "task", **task_told(task, names)})
        limit -= len(page.tasks)
        token = page.next_page_token
        if not token:
            return


def find(devices: Iterable[pb.Device], which: str) -> list[pb.Device]:
    """Find the devices that a person may mean, by id or name. Pure. Those that are revoked count when no other has the name."""
    every = list(devices)
    by_id = [device for device in every if device.device_id.hex() == which.lower()]
    named = [device for device in every if device.name == which]
    return by_id or [device for device in named if not device.revoked_at_ms] or named


def _find(devices: Iterable[pb.Device], which: str, say: Say) -> pb.Device:
    every = list(devices)
    found = find(every, which)
    if not found:
        raise errors.DeviceUnknown
    if len(found) > 1:
        for device in found:
            say({"event": "device", **device_told(device, every)})
        ids = ", ".join(device.device_id.hex() for device in found)
        raise errors.TargetNeeded(f"several have this name, use the id: {ids}", metadata={"devices": ids})
    return found[0]


_KINDS = {DeviceKind.DEVICE_KIND_PHONE: "phone", DeviceKind.DEVICE_KIND_HOST: "host"}


def device_told(device: pb.Device, devices: Iterable[pb.Device]) -> Told:
    """Write a device. Pure."""
    names = {one.device_id: one.name for one in devices}
    return {
        "device_id": device.device_id.hex(),
        "name": device.name,
        "kind": _KINDS.get(device.kind, "unknown"),
        "app_version": device.app_version or None,
        "created_at": device.created_at_ms,
        "last_seen_at": device.last_seen_at_ms or None,
        "signed_in": device.signed_in,
        "revoked_at": device.revoked_at_ms or None,
        "this_device": device.this_device,
        "paired_with": [{"device_id": one.hex(), "name": names.get(one, one.hex())} for one in device.paired_with],
    }


def task_told(task: pb.TaskRecord, names: Mapping[bytes, str]) -> Told:
    """Write what is known of a task. Pure. `names` are those that the devices have now."""
    told: Told = {
        "task_id": task_word(task.task_id),
        "at": task.posted_at_ms,
        "phone": names.get(task.phone_id, task.phone_id.hex()),
        "host": names.get(task.host_id, task.host_id.hex()),
        "outcome": outcome_word(task.outcome) or _without_outcome(task),
    }
    if task.ended_at_ms:
        told |= {"ended_at": task.ended_at_ms, "duration_ms": max(0, task.ended_at_ms - task.posted_at_ms)}
    return told | reason_told(task.reason)


def _without_outcome(task: pb.TaskRecord) -> str:
    if not task.accepted:
        return "refused"
    return "untold" if task.ended_at_ms else "running"
