"""What a front hands over with a stream: who was let in, by which right, and where the stream comes from.

The seat believes it as it believes itself: only relays of the same service can speak on the bus (docs/scale.md). Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from dispatch.ids import ID_BYTES, DeviceId, Instance, PairId, TransferId
from dispatch.runtime.metrics import Carrier

from dispatch_relay.channels import words
from dispatch_relay.presence import End
from dispatch_relay.stream import Caller
from dispatch_relay.trust import Admitted


@dataclass(frozen=True, slots=True)
class Handed:
    """One stream, of a thread (then with `caller`) or of a transfer (then with `transfer_id`)."""

    admitted: Admitted
    carrier: Carrier
    address: str
    caller: Caller | None = None
    transfer_id: TransferId | None = None


def write(handed: Handed) -> bytes:
    """Write it for the bus."""
    admitted, caller = handed.admitted, handed.caller
    said = {
        "pair": admitted.pair_id.hex(),
        "device": admitted.device_id.hex(),
        "key": admitted.device_key.hex(),
        "end": admitted.end.value,
        "left_ms": admitted.left_ms,
        "carrier": handed.carrier.value,
        "address": handed.address,
    }
    if caller is not None:
        said |= {"instance": caller.instance.hex(), "resume_after": caller.resume_after, "looking": caller.looking}
    if handed.transfer_id is not None:
        said["transfer"] = handed.transfer_id.hex()
    return json.dumps(said).encode()


def read(data: bytes) -> Handed:
    """Read it. Raises words.Garbled."""
    said = words.read_object(data)
    try:
        admitted = Admitted(
            pair_id=PairId(_id(said["pair"])),
            device_id=DeviceId(_id(said["device"])),
            device_key=bytes.fromhex(said["key"]),
            end=End(said["end"]),
            left_ms=_count(said["left_ms"]),
        )
        caller = None
        if "transfer" not in said:
            caller = Caller(
                end=admitted.end,
                device_id=admitted.device_id,
                instance=Instance(_id(said["instance"])),
                resume_after=_count(said["resume_after"]),
                looking=said["looking"] is True,
            )
        return Handed(
            admitted=admitted,
            carrier=Carrier(said["carrier"]),
            address=str(said["address"]),
            caller=caller,
            transfer_id=TransferId(_id(said["transfer"])) if "transfer" in said else None,
        )
    except (KeyError, TypeError, ValueError) as failure:
        raise words.Garbled("a stream that was not handed over whole") from failure


def _id(text: str) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != ID_BYTES:
        raise ValueError("an id that is not 16 bytes")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError("no count")
    return value
