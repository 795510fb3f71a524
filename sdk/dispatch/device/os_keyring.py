"""A device's secrets in the keyring of the operating system, which opens with the person's own log-in.

For the default home alone: a person has one keyring, and one phone and one host in it. Once a device keeps its secrets there, a
file says so, and they are looked for nowhere else: a keyring that is locked must not become a new device. Needs the library
`keyring`, which is an extra: without it, or on a computer without a keyring, there is none.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispatch import errors
from dispatch.device import key_words
from dispatch.device.home import write_private
from dispatch.device.keys import prepared
from dispatch.ids import Rng
from dispatch.storing import storing

MARK = ".in-keyring"
"""Stands in the folder of secrets when they are in the keyring."""
_PROBE = "probe"


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Secrets in the keyring, under the name of one program. Made by `found` or `of`."""

    _backend: Any  # keyring.backend.KeyringBackend, where that is installed
    _service: str

    @classmethod
    def found(cls, service: str, rng: Rng) -> Keyring | None:
        """Give the keyring of this computer if a secret that is put there comes back; None when there is none."""
        backend = _backend()
        if backend is None:
            return None
        keyring = cls(backend, service)
        token = rng(16)
        try:
            keyring.put(_PROBE, token)
            works = keyring.get(_PROBE) == token
            keyring.delete(_PROBE)
        except errors.StoreFailed:
            return None
        return keyring if works else None

    @classmethod
    def of(cls, folder: Path, service: str) -> Keyring | None:
        """Give the keyring that the secrets of a folder are in; None when they are not. Raises StoreFailed when it is not there."""
        with storing(folder):
            marked = (folder / MARK).exists()
        if not marked:
            return None
        backend = _backend()
        if backend is None or not service:
            raise errors.StoreFailed(
                "the keys of this device are in the operating system's keyring, and that can't be used here:"
                " unlock it, or install the library keyring again"
            )
        return cls(backend, service)

    def mark(self, folder: Path) -> None:
        """Remember that the secrets of this folder are here. Raises StoreFailed."""
        prepared(folder)
        write_private(folder / MARK, b"")

    @property
    def kind(self) -> str:
        return key_words.KEYRING

    def get(self, name: str) -> bytes | None:
        with self._asking():
            kept = self._backend.get_password(self._service, name)
        try:
            return None if kept is None else base64.b64decode(kept, validate=True)
        except ValueError:
            raise errors.StoreFailed(f"{name} in the keyring is not what was put there") from None

    def put(self, name: str, secret: bytes) -> None:
        with self._asking():
            self._backend.set_password(self._service, name, base64.b64encode(secret).decode())

    def delete(self, name: str) -> None:
        with self._asking():
            # Backends disagree on what deleting nothing is.
            if self._backend.get_password(self._service, name) is not None:
                self._backend.delete_password(self._service, name)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except Exception as failure:  # each backend has errors of its own, of any kind
            raise errors.StoreFailed(f"the keyring does not answer ({type(failure).__name__}): unlock it") from failure


def _backend() -> Any:
    """Give the backend of this computer that keeps secrets safely; None for none."""
    try:
        import keyring  # noqa: PLC0415 -- an extra, and slow to import
    except ImportError:
        return None
    backend = keyring.get_keyring()
    # Below 1 stand those that keep nothing, or keep it in the clear.
    return backend if backend.priority >= 1 else None
