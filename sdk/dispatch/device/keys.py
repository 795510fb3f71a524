"""Where a device keeps its secrets, and the device's own key.

A `KeyStore` holds small secrets by name. The plain one is a folder of files that only the owner can read, that of
`dispatch.device.seal` seals them besides; `kind` says which, and `status` repeats it. `dispatch.device.key_store` chooses.
Secrets stand apart from the journal so that a backup of the one does not hold the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.device.home import Home, read_private, write_private
from dispatch.device.key_words import PLAIN
from dispatch.ids import DeviceId, Rng
from dispatch.proof import device_id
from dispatch.storing import storing
from dispatch.thread.client import Identity

_NAME = re.compile(r"\A[a-z0-9-]{1,64}\Z")
_DEVICE_KEY = "device"
SEAL = "seal"
"""The file that says how the others are sealed; no secret's name."""
SEALED = b"dispatch-sealed-1\n"
"""What a sealed file begins with, and no secret."""


class KeyStore(Protocol):
    """Keeps secrets by name."""

    @property
    def kind(self) -> str:
        """What it is, in words for people."""

    def get(self, name: str) -> bytes | None:
        """Give the secret; None when there is none. Raises StoreFailed."""

    def put(self, name: str, secret: bytes) -> None:
        """Keep the secret, durably. Raises StoreFailed."""

    def delete(self, name: str) -> None:
        """Forget the secret; no error when there is none. Raises StoreFailed."""


@dataclass(frozen=True, slots=True)
class PlainFiles:
    """Secrets in files that only the owner can read."""

    folder: Path

    @classmethod
    def of(cls, home: Home) -> PlainFiles:
        """Use the home's own folder for secrets."""
        return cls(home / "keys")

    @property
    def kind(self) -> str:
        return PLAIN

    def get(self, name: str) -> bytes | None:
        path = path_of(self.folder, name)
        content = read_private(path)
        if content is not None and content.startswith(SEALED):
            raise errors.StoreFailed(
                f"{path} is sealed, but {self.folder / SEAL} is missing: bring it back from a backup"
            )
        return content

    def put(self, name: str, secret: bytes) -> None:
        prepared(self.folder)
        write_private(path_of(self.folder, name), secret)

    def delete(self, name: str) -> None:
        path = path_of(self.folder, name)
        with storing(path):
            path.unlink(missing_ok=True)


def prepared(folder: Path) -> None:
    """Make a folder of secrets. Raises StoreFailed."""
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def path_of(folder: Path, name: str) -> Path:
    """Give the file of a secret. Raises ValueError for what is no name of one."""
    if not _NAME.match(name) or name == SEAL:
        raise ValueError(f"{name!r} is not a name of a secret")
    return folder / name


def names(folder: Path) -> list[str]:
    """List the secrets of a folder. Raises StoreFailed."""
    with storing(folder):
        return sorted(path.name for path in folder.iterdir() if _NAME.match(path.name) and path.name != SEAL)


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """The device's Ed25519 key. Its repr shows the public half only."""

    device_id: DeviceId
    public: bytes
    _private: Ed25519PrivateKey

    @classmethod
    def load(cls, store: KeyStore) -> DeviceKey | None:
        """Give the device's key; None before the first sign-in."""
        seed = store.get(_DEVICE_KEY)
        return None if seed is None else cls._of(seed)

    @classmethod
    def load_or_make(cls, store: KeyStore, rng: Rng) -> DeviceKey:
        """Give the device's key, made now if there is none."""
        seed = store.get(_DEVICE_KEY)
        if seed is None:
            seed = rng(32)
            store.put(_DEVICE_KEY, seed)
        return cls._of(seed)

    @staticmethod
    def forget(store: KeyStore) -> None:
        """Delete the device's key: it was revoked and never comes in again."""
        store.delete(_DEVICE_KEY)

    @classmethod
    def _of(cls, seed: bytes) -> DeviceKey:
        if len(seed) != 32:
            raise errors.StoreFailed("the device key is damaged")
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw()
        return cls(device_id=device_id(public), public=public, _private=private)

    def sign(self, message: bytes) -> bytes:
        """Sign with Ed25519."""
        return self._private.sign(message)

    def identity(self, kind: DeviceKind.ValueType) -> Identity:
        """Give what the clients of the services need of it."""
        return Identity(device_id=self.device_id, kind=kind, sign=self.sign)

    def __repr__(self) -> str:
        return f"DeviceKey({self.device_id.hex()})"
