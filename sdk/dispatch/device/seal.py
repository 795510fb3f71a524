"""A device's secrets in files that a passphrase opens.

`keys/seal` says how the passphrase becomes the key and proves that it is the right one. Every other file is sealed on its own
under its name, so that none can stand for another. docs/encryption.md "Keys at rest" is the format.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from dispatch import errors
from dispatch.device import key_words
from dispatch.device.home import read_private, write_private
from dispatch.device.keys import SEAL, SEALED, names, path_of, prepared
from dispatch.encoding import enc
from dispatch.ids import Rng
from dispatch.storing import storing

_KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
# Far above what we write: a seal that somebody changed must not make us take all memory or never end.
_MOST_MEMORY_KIB, _MOST_PASSES, _MOST_LANES = 1 << 20, 16, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What `keys/seal` says. The parameters are those of RFC 9106 for computers with little memory."""

    salt: bytes
    memory_kib: int = 64 * 1024
    passes: int = 3
    lanes: int = 4
    whole: bool = False
    """Whether every secret is sealed. Only before that a plain file is taken up: later it would be somebody else's."""
    check: bytes = b""

    @classmethod
    def read(cls, folder: Path) -> Seal | None:
        """Read the seal of a folder of secrets; None when it has none. Raises StoreFailed."""
        path = folder / SEAL
        content = read_private(path)
        if content is None:
            return None
        try:
            return cls._of(json.loads(content))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise errors.StoreFailed(f"{path} is damaged: bring it back from a backup") from None

    @classmethod
    def _of(cls, said: Any) -> Seal:
        seal = cls(
            salt=bytes.fromhex(said["salt"]),
            memory_kib=int(said["memory_kib"]),
            passes=int(said["passes"]),
            lanes=int(said["lanes"]),
            whole=said["whole"] is True,
            check=bytes.fromhex(said["check"]),
        )
        if (
            said["seal"] != 1
            or len(seal.salt) != _SALT_BYTES
            or len(seal.check) != _NONCE_BYTES + _TAG_BYTES
            or not 1 <= seal.lanes <= _MOST_LANES
            or not 8 * seal.lanes <= seal.memory_kib <= _MOST_MEMORY_KIB
            or not 1 <= seal.passes <= _MOST_PASSES
        ):
            raise ValueError
        return seal

    def key(self, passphrase: bytes) -> ChaCha20Poly1305:
        """Make the key. Slow on purpose."""
        kdf = Argon2id(
            salt=self.salt, length=_KEY_BYTES, iterations=self.passes, lanes=self.lanes, memory_cost=self.memory_kib
        )
        return ChaCha20Poly1305(kdf.derive(passphrase))

    def proven(self, key: ChaCha20Poly1305, rng: Rng) -> Seal:
        """Give it with the check that only this key passes."""
        nonce = rng(_NONCE_BYTES)
        return replace(self, check=nonce + key.encrypt(nonce, b"", self._words()))

    def passes_check(self, key: ChaCha20Poly1305) -> bool:
        """Say whether this is the key that it was made with, and nothing in it was changed since."""
        try:
            key.decrypt(self.check[:_NONCE_BYTES], self.check[_NONCE_BYTES:], self._words())
        except InvalidTag:
            return False
        return True

    def write(self, folder: Path) -> None:
        """Put it into the folder. Raises StoreFailed."""
        write_private(folder / SEAL, json.dumps({**self._said(), "check": self.check.hex()}).encode())

    def _words(self) -> bytes:
        return json.dumps(self._said()).encode()

    def _said(self) -> dict[str, Any]:
        return {
            "seal": 1,
            "salt": self.salt.hex(),
            "memory_kib": self.memory_kib,
            "passes": self.passes,
            "lanes": self.lanes,
            "whole": self.whole,
        }


@dataclass(frozen=True, slots=True, repr=False)
class SealedFiles:
    """Secrets in files that only the owner can read, and only with the passphrase. Made by `opened` or `sealed`."""

    _folder: Path
    _key: ChaCha20Poly1305
    _rng: Rng

    @classmethod
    def opened(cls, folder: Path, seal: Seal, passphrase: bytes, rng: Rng) -> SealedFiles:
        """Open what is sealed. Raises BadRequest when the passphrase is another one."""
        key = seal.key(passphrase)
        if not seal.passes_check(key):
            raise errors.BadRequest(
                f"the passphrase is not the one that sealed {folder} (or {folder / SEAL} was changed)",
                metadata={"field": "passphrase_file"},
            )
        return cls(folder, key, rng)

    @classmethod
    def sealed(cls, folder: Path, passphrase: bytes, rng: Rng) -> SealedFiles:
        """Seal a folder of plain secrets in place, or go on where that was cut short. The caller owns the home.

        The seal comes first and says that it is not whole yet; then each file is replaced by its sealed self; the seal that
        is whole comes last. Raises BadRequest, StoreFailed.
        """
        prepared(folder)
        seal = Seal.read(folder)
        if seal is None:
            _refuse_orphans(folder)
            seal = Seal(salt=rng(_SALT_BYTES))
            files = cls(folder, seal.key(passphrase), rng)
            seal.proven(files._key, rng).write(folder)
        else:
            files = cls.opened(folder, seal, passphrase, rng)
        files._take_up()
        replace(seal, whole=True).proven(files._key, rng).write(folder)
        return files

    @property
    def kind(self) -> str:
        return key_words.SEALED

    def get(self, name: str) -> bytes | None:
        path = path_of(self._folder, name)
        content = read_private(path)
        if content is None:
            return None
        if not content.startswith(SEALED):
            raise errors.StoreFailed(f"{path} is not sealed, so it is not ours: delete it, then sign in or pair again")
        nonce, sealed = content[len(SEALED) :][:_NONCE_BYTES], content[len(SEALED) + _NONCE_BYTES :]
        try:
            return self._key.decrypt(nonce, sealed, _place(name))
        except (InvalidTag, ValueError):  # ValueError: cut so short that there is no nonce
            raise errors.StoreFailed(f"{path} is damaged, or another file was put in its place") from None

    def put(self, name: str, secret: bytes) -> None:
        nonce = self._rng(_NONCE_BYTES)
        write_private(path_of(self._folder, name), SEALED + nonce + self._key.encrypt(nonce, secret, _place(name)))

    def delete(self, name: str) -> None:
        path = path_of(self._folder, name)
        with storing(path):
            path.unlink(missing_ok=True)

    def _take_up(self) -> None:
        """Replace each plain secret by its sealed self, and what a crash left half written by nothing."""
        for name in names(self._folder):
            content = read_private(self._folder / name)
            if content is not None and not content.startswith(SEALED):
                self.put(name, content)
        with storing(self._folder):
            for left in self._folder.glob(".*.new"):
                left.unlink()


def _place(name: str) -> bytes:
    return enc(b"dispatch/key-file/1", name.encode())


def _refuse_orphans(folder: Path) -> None:
    """Never make a new seal over secrets of another one: nothing would open them any more."""
    for name in names(folder):
        if (read_private(folder / name) or b"").startswith(SEALED):
            raise errors.StoreFailed(f"{folder / SEAL} is missing: bring it back from a backup")
