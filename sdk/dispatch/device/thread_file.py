"""A thread as a file that proves itself: JSON lines with events, hashes, signatures and the keys to check them by.

`written` makes the lines from what a device has, unchecked; `checked` reads such lines, from a file or straight from a
store, and needs nothing else. Each piece has exactly one way to be written, so that no byte can be another. Pure. The form
is docs/thread-file.md.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain
from typing import Any, TypeAlias, TypeGuard

from dispatch.device.audit import Audit, StoredLink, StoredSignature, What, Wrong
from dispatch.encoding import enc
from dispatch.ids import ID_BYTES
from dispatch.sealed.head import HASH_BYTES, Head
from dispatch.signatures import Signer, verify

LONGEST_LINE = 256 * 1024
MOST_PAIRINGS = 1_024
FORM = "dispatch thread 1"

_OF_AN_EVENT = (b'"id"', b'"task"', b'"previous"')

Line: TypeAlias = bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """By whom a thread was written. `hosts` has the host's key of each pairing; the exporter is the device that wrote the file."""

    phone: bytes
    hosts: Mapping[bytes, bytes]
    exporter: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """An event that left the chain when the host was set back."""

    link: StoredLink


Piece: TypeAlias = StoredLink | StoredSignature | Former
"""What a thread consists of: each signature right behind the event it stands on, what left the chain at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A thread in which everything fits."""

    keys: Keys
    head: Head
    events: int
    lost: int

    @property
    def exported_by(self) -> str:
        """Say which device wrote it."""
        if self.keys.exporter == self.keys.phone:
            return "phone"
        return "host" if self.keys.exporter in self.keys.hosts.values() else "other"


def seal_words(digest: bytes) -> bytes:
    """Write what the exporting device signs: the SHA-256 of all lines before the last."""
    return enc("dispatch/thread-file/1", digest)


def written(keys: Keys, pieces: Iterable[Piece], head: Head, sign: Signer) -> Iterator[Line]:
    """Write a thread. `head` is where the device says that it ends; nothing is checked here."""
    digest = sha256()
    body = (_line(_piece(piece)) for piece in pieces)
    for line in chain((_header(keys),), body, (_end(head),)):
        digest.update(line)
        yield line
    yield _line({"seal": _text(sign(seal_words(digest.digest())))})


def checked(lines: Iterable[Line]) -> Checked | Wrong:
    """Check a thread. Reads as far as the first thing that is wrong."""
    check = Check()
    for line in lines:
        if (wrong := check.take(line)) is not None:
            return wrong
    return check.result()


class _Refused(Exception):
    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong.what)
        self.wrong = wrong


class Check:
    """One reading of a thread, line after line: the first is the header, the last two are head and seal."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._keys: Keys | None = None
        self._audit = Audit(phone_key=b"", hosts={})
        self._ended = False
        self._sealed = False
        self._line = 0

    def take(self, line: Line) -> Wrong | None:
        """Take the next line, with its end; gives what is wrong with it."""
        self._line += 1
        try:
            self._take(line)
        except _Refused as refused:
            return replace(refused.wrong, line=self._line)
        return None

    def result(self) -> Checked | Wrong:
        """Give what came of it, behind the last line, if nothing was wrong."""
        if self._keys is None or not self._sealed:
            return replace(self._audit.wrong(What.SEAL), line=self._line + 1)
        return Checked(keys=self._keys, head=self._audit.head, events=self._audit.events, lost=self._audit.lost)

    def _take(self, line: Line) -> None:
        if self._sealed:
            raise _Refused(self._audit.wrong(What.SEAL))
        fields = _fields(line)
        if self._keys is None:
            self._keys = _keys(fields)
            if self._keys is None or _header(self._keys) != line:
                raise _Refused(self._audit.wrong(What.FORM))
            self._audit = Audit(phone_key=self._keys.phone, hosts=self._keys.hosts)
        elif "seal" in fields:
            self._seal(line, fields)
        elif "head" in fields:
            self._end(line, fields)
        else:
            self._piece(line, fields)
        self._digest.update(line)

    def _piece(self, line: Line, fields: Mapping[str, Any]) -> None:
        piece = _read(fields)
        if piece is None or _line(_piece(piece)) != line or self._ended:
            raise _Refused(self._misshapen(line))
        match piece:
            case StoredLink():
                wrong = self._audit.link(piece)
            case StoredSignature():
                wrong = self._audit.signature(piece)
            case Former(link=link):
                wrong = self._audit.former(link)
        if wrong is not None:
            raise _Refused(wrong)

    def _misshapen(self, line: Line) -> Wrong:
        """Name the event of a line that is not as it was written, as far as that can still be read."""
        first = line.partition(b"}")[0]  # a line that lost its end runs into the next one
        found = re.search(rb'"id":"([0-9a-f]{32})"', first)
        of_an_event = sum(mark in first for mark in _OF_AN_EVENT) > 1
        wrong = self._audit.wrong(What.FORM, at_next=of_an_event)
        return replace(wrong, event_id=bytes.fromhex(found[1].decode())) if found and of_an_event else wrong

    def _end(self, line: Line, fields: Mapping[str, Any]) -> None:
        number, hashed = fields.get("head"), _hex(fields.get("hash"), HASH_BYTES)
        if not _is_number(number) or hashed is None or self._ended:
            raise _Refused(self._audit.wrong(What.FORM))
        head = Head(number, hashed)
        if _end(head) != line:
            raise _Refused(self._audit.wrong(What.FORM))
        if (wrong := self._audit.end(head)) is not None:
            raise _Refused(wrong)
        self._ended = True

    def _seal(self, line: Line, fields: Mapping[str, Any]) -> None:
        signature = _bytes(fields["seal"])
        fits = (
            self._ended
            and self._keys is not None
            and signature is not None
            and _line({"seal": _text(signature)}) == line
            and verify(self._keys.exporter, signature, seal_words(self._digest.digest()))
        )
        if not fits:
            raise _Refused(self._audit.wrong(What.SEAL))
        self._sealed = True


# ---- The one way to write each piece, and to read it.


def _header(keys: Keys) -> Line:
    pairings = [{"pair_id": pair_id.hex(), "host_key": key.hex()} for pair_id, key in sorted(keys.hosts.items())]
    return _line({"form": FORM, "phone_key": keys.phone.hex(), "pairings": pairings, "exporter": keys.exporter.hex()})


def _keys(fields: Mapping[str, Any]) -> Keys | None:
    pairings = fields.get("pairings")
    phone, exporter = _hex(fields.get("phone_key"), 32), _hex(fields.get("exporter"), 32)
    if fields.get("form") != FORM or phone is None or exporter is None or not isinstance(pairings, list):
        return None
    hosts: dict[bytes, bytes] = {}
    for pairing in pairings[: MOST_PAIRINGS + 1]:
        named = pairing if isinstance(pairing, dict) else {}
        pair_id, key = _hex(named.get("pair_id"), ID_BYTES), _hex(named.get("host_key"), 32)
        if pair_id is None or key is None:
            return None
        hosts[pair_id] = key
    return Keys(phone=phone, hosts=hosts, exporter=exporter) if len(hosts) <= MOST_PAIRINGS else None


def _end(head: Head) -> Line:
    return _line({"head": head.number, "hash": head.hash.hex()})


def _piece(piece: Piece) -> dict[str, Any]:
    match piece:
        case StoredSignature():
            return {
                "signed": piece.number,
                "hash": piece.hash.hex(),
                "pair_id": piece.pair_id.hex(),
                "signature": _text(piece.signature),
            }
        case Former(link=link):
            return {"former": link.number, **_link(link)}
        case StoredLink(event=None):
            return {"lost": piece.number, "hash": piece.hash.hex()}
        case _:
            return {"number": piece.number, **_link(piece)}


def _link(link: StoredLink) -> dict[str, str]:
    return {
        "id": link.event_id.hex(),
        "task": link.task_id.hex(),
        "previous": link.previous.hex(),
        "hash": link.hash.hex(),
        "event": _text(link.event or b""),
    }


def _read(fields: Mapping[str, Any]) -> Piece | None:
    """Read a piece; None for what is none."""
    kind = next((name for name in ("number", "former", "signed", "lost") if name in fields), "")
    number, hashed = fields.get(kind), _hex(fields.get("hash"))
    if not _is_number(number) or hashed is None:
        return None
    if kind == "lost":
        return StoredLink(number=number, hash=hashed)
    if kind == "signed":
        pair_id, signature = _hex(fields.get("pair_id")), _bytes(fields.get("signature"))
        if pair_id is None or signature is None:
            return None
        return StoredSignature(number=number, hash=hashed, pair_id=pair_id, signature=signature)
    event_id, task_id, previous = (_hex(fields.get(name)) for name in ("id", "task", "previous"))
    event = _bytes(fields.get("event"))
    if event_id is None or task_id is None or previous is None or event is None:
        return None
    link = StoredLink(number=number, hash=hashed, event_id=event_id, task_id=task_id, previous=previous, event=event)
    return link if kind == "number" else Former(link=link)


def _line(fields: Mapping[str, Any]) -> Line:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _fields(line: Line) -> Mapping[str, Any]:
    """Read a line's object; empty for what is none."""
    if len(line) > LONGEST_LINE:
        return {}
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _hex(value: Any, length: int | None = None) -> bytes | None:
    try:
        read = bytes.fromhex(value)
    except (TypeError, ValueError):
        return None
    return read if length in (None, len(read)) else None


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def _bytes(value: Any) -> bytes | None:
    try:
        return b64decode(value, validate=True)
    except (TypeError, ValueError):
        return None
