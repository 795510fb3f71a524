"""Reads the fields that many requests have. Each raises BadRequest, which names the field."""

from __future__ import annotations

from dispatch.errors import BadRequest
from dispatch.ids import ID_BYTES, DeviceId, OfferId, PairId

from dispatch_pairing.model import Role


def exactly(value: bytes, length: int, *, field: str) -> bytes:
    if len(value) != length:
        raise BadRequest(f"{field} is not {length} bytes", metadata={"field": field})
    return value


def offer_id_of(value: bytes) -> OfferId:
    return OfferId(exactly(value, ID_BYTES, field="offer_id"))


def pair_id_of(value: bytes) -> PairId:
    return PairId(exactly(value, ID_BYTES, field="pair_id"))


def device_id_of(value: bytes) -> DeviceId:
    return DeviceId(exactly(value, ID_BYTES, field="device_id"))


def role_of(kind: int) -> Role:
    try:
        return Role(kind)
    except ValueError as failure:
        raise BadRequest("no such kind of device", metadata={"field": "device_kind"}) from failure
