"""What a session token is to the sign-in that is kept, and what its use makes of it. Pure: time and chance are arguments.

A token is 32 bytes: 16 that all tokens of one sign-in share, and 16 of its own. Now and then a device gets a fresh one. The one
before stays good until the fresh one was used, because an answer may get lost; one older than that can only come from a copy, or
from a device that was put back to an older state, and ends the sign-in for both. docs/pairing.md "Accounts and sign-ins".
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from enum import Enum

from dispatch.ids import DeviceId

from dispatch_pairing.limits import Limits
from dispatch_pairing.model import SignIn

TOKEN_BYTES = 32
CHANCE_BYTES = 16
_SHARED_BYTES = TOKEN_BYTES - CHANCE_BYTES


class Shown(Enum):
    """What a token is."""

    NEWEST = "newest"
    BEFORE = "before"
    """The one before the newest, which was never used."""
    OLDER = "older"
    """One of this sign-in that is over: there is a copy."""
    STRANGE = "strange"
    """No token of this sign-in, or the sign-in is over."""

    @property
    def live(self) -> bool:
        """Whether it lets a device in."""
        return self in {Shown.NEWEST, Shown.BEFORE}


def token_hash(token: bytes) -> bytes:
    """Give what is kept of a token. It is random, so one SHA-256 is enough."""
    return hashlib.sha256(token).digest()


def begun(device_id: DeviceId, token: bytes, *, now_ms: int, limits: Limits) -> SignIn:
    """Give a new sign-in with 32 random bytes as its first token."""
    return SignIn(
        device_id=device_id,
        token_hash=token_hash(token),
        expires_ms=now_ms + limits.sign_in_ms,
        rotated_ms=now_ms,
        family=token[:_SHARED_BYTES],
    )


def shown(sign_in: SignIn | None, token: bytes, *, now_ms: int) -> Shown:
    """Say what a token is that came with a call."""
    if sign_in is None or len(token) != TOKEN_BYTES or now_ms >= sign_in.expires_ms:
        return Shown.STRANGE
    hashed = token_hash(token)
    if hmac.compare_digest(hashed, sign_in.token_hash):
        return Shown.NEWEST
    if sign_in.previous_hash is not None and hmac.compare_digest(hashed, sign_in.previous_hash):
        return Shown.BEFORE
    return Shown.OLDER if hmac.compare_digest(token[:_SHARED_BYTES], sign_in.family) else Shown.STRANGE


def used(sign_in: SignIn, token: Shown, *, now_ms: int, limits: Limits) -> SignIn:
    """Give the sign-in after a use of its newest token or the one before: often the same, as reading must not mean writing."""
    if token is Shown.NEWEST and sign_in.previous_hash is not None:
        sign_in = replace(sign_in, previous_hash=None)
    expires_ms = now_ms + limits.sign_in_ms
    return (
        replace(sign_in, expires_ms=expires_ms)
        if expires_ms - sign_in.expires_ms >= limits.sign_in_step_ms
        else sign_in
    )


def rotated(
    sign_in: SignIn, token: bytes, chance: bytes, *, now_ms: int, limits: Limits
) -> tuple[SignIn, bytes] | None:
    """Give the sign-in with a fresh token in place of a live one, and that; None while the newest is young enough."""
    if now_ms - sign_in.rotated_ms < limits.sign_in_step_ms:
        return None
    fresh = sign_in.family + chance
    after = replace(sign_in, token_hash=token_hash(fresh), previous_hash=token_hash(token), rotated_ms=now_ms)
    return after, fresh
