"""`notifications`: where and when this phone is called while nobody looks, and what is in a push that came. Called by `desk`.

The relay is told the endpoint, and pushes there; what comes is opened with a key that only this phone has. docs/push.md.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import PushTarget, QuietHours
from dispatch.cli import Exit
from dispatch.device.keys import KeyStore
from dispatch.ids import PairId
from dispatch.words import ENGLISH

from mobile_sim.line import Line
from mobile_sim.owner import Hear, Request, Say
from mobile_sim.patience import Patience
from mobile_sim.phone import Phone
from mobile_sim.saying.phrases import CALLS
from mobile_sim.store import Pairing, PairingState

_SECRET = "push"  # noqa: S105 -- the name of one
_KEY_BYTES = 32
_AUTH_BYTES = 16
_MOST_BYTES = 4_096
"""Of a push (RFC 8030, 7.2)."""


class Notifying:
    """The notifications of one phone."""

    def __init__(self, phone: Phone, patience: Patience) -> None:
        self._phone = phone
        self._patience = patience

    async def do(self, request: Request, say: Say, hear: Hear) -> int:
        """Do what is asked about them."""
        match request["do"]:
            case "notifications_set":
                return await self.set(request, say, hear)
            case "notifications_open":
                return await self.open(request, say, hear)
            case _:
                return await self.show(request, say, hear)

    async def show(self, request: Request, say: Say, _: Hear) -> int:
        """Say with which key each computer's relay calls."""
        for host in self._chosen(request):
            line = await self._line(host)
            key = base64.urlsafe_b64encode(line.push_key).decode().rstrip("=") or None
            say({"event": "notifications", "host": host.host_name, "pair_id": host.pair_id.hex(), "relay_key": key})
        return Exit.DONE

    async def set(self, request: Request, say: Say, _: Hear) -> int:
        """Tell the relays where and when to call; without an endpoint and quiet hours: nowhere."""
        target = PushTarget(endpoint=request["endpoint"], quiet=_quiet(request["quiet"]), language=request["language"])
        if target.endpoint:
            key, auth = _Receiver.load_or_make(self._phone.secrets).public
            target.p256dh, target.auth = key, auth
        for host in self._chosen(request):
            line = await self._line(host)
            kept = await line.tell_push_target(target, self._patience.status_seconds)
            if kept is None:
                raise errors.NoNetwork("the relay did not answer")
            if kept.reason:
                raise errors.of(kept.reason, kept.detail, retry_after_ms=kept.retry_after_ms)
            named = {"host": host.host_name, "pair_id": host.pair_id.hex()}
            say({"event": "notifications_set", **named, "on": bool(target.endpoint), "quiet": request["quiet"]})
        return Exit.DONE

    async def open(self, request: Request, say: Say, _: Hear) -> int:
        """Open a push that came: say which computer calls, and why."""
        said = _read(_opened(self._phone.secrets, Path(request["file"])))
        pairing = self._phone.store.pairings.get(PairId(said["pairing"]))
        if pairing is None or pairing.state is PairingState.ENDED:
            raise errors.NotPaired("a push of a pairing that this phone does not have")
        named = {"host": pairing.host_name, "pair_id": pairing.pair_id.hex()}
        text = ENGLISH.line(CALLS[said["hint"]], host=pairing.host_name)
        say(
            {
                "event": "notification",
                **named,
                "hint": said["hint"],
                "seq": said["seq"],
                "calls": said["calls"],
                "text": text,
            }
        )
        return Exit.DONE

    def _chosen(self, request: Request) -> list[Pairing]:
        every = self._phone.hosts()
        if request["host"] is not None or not every:
            return [self._phone.host(request["host"])]
        return every

    async def _line(self, host: Pairing) -> Line:
        """Give a line with a stream to the relay. Raises why there is none."""
        line = self._phone.line(host)
        await line.bell.until(
            lambda: line.final or line.relay_open or line.error is not None, self._patience.connect_seconds
        )
        if not line.relay_open:
            raise line.error or errors.NoNetwork("the relay does not answer")
        return line


class _Receiver:
    """Who opens what comes: a key and a secret (RFC 8291)."""

    def __init__(self, kept: bytes) -> None:
        self.private = ec.derive_private_key(int.from_bytes(kept[:_KEY_BYTES], "big"), ec.SECP256R1())
        self.auth = kept[_KEY_BYTES:]

    @classmethod
    def load(cls, store: KeyStore) -> _Receiver | None:
        kept = store.get(_SECRET)
        return None if kept is None or len(kept) != _KEY_BYTES + _AUTH_BYTES else cls(kept)

    @classmethod
    def load_or_make(cls, store: KeyStore) -> _Receiver:
        found = cls.load(store)
        if found is None:
            value = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
            kept = value.to_bytes(_KEY_BYTES, "big") + os.urandom(_AUTH_BYTES)
            store.put(_SECRET, kept)
            found = cls(kept)
        return found

    @property
    def public(self) -> tuple[bytes, bytes]:
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return point, self.auth


def _opened(secrets: KeyStore, file: Path) -> bytes:
    try:
        import http_ece  # noqa: PLC0415 -- an extra
    except ImportError:
        raise errors.NotSupported("opening pushes needs more: pip install 'dispatch-mobile-sim[push]'") from None
    receiver = _Receiver.load(secrets)
    try:
        with file.open("rb") as opened:
            body = opened.read(_MOST_BYTES + 1)
    except OSError as failure:
        raise errors.BadRequest(f"{file}: {failure.strerror or failure}") from None
    if receiver is None or len(body) > _MOST_BYTES:
        raise errors.BadRequest("this phone has no subscription, or that is no push")
    try:
        text: bytes = http_ece.decrypt(
            body, private_key=receiver.private, auth_secret=receiver.auth, version="aes128gcm"
        )
    except Exception:  # whatever the library falls over: it is a stranger's
        raise errors.BadRequest("that is no push to this phone") from None
    return text


def _read(text: bytes) -> dict[str, Any]:
    """Read what the relay wrote, which is a stranger's word: nothing of it is shown but numbers and one of two words."""
    try:
        said = json.loads(text)
        read: dict[str, Any] = {
            "pairing": bytes.fromhex(said["pairing"]),
            "hint": said["hint"],
            "seq": int(said["seq"]),
            "calls": int(said["calls"]),
        }
        if said["v"] != 1 or read["hint"] not in CALLS:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise errors.BadRequest("a push in words that this version does not know") from None
    return read


def _quiet(said: dict[str, Any] | None) -> QuietHours | None:
    return None if said is None else QuietHours(**said)
