"""Chooses where a device keeps its secrets: sealed files where there is a passphrase, the keyring in the default home where there
is one, else plain files.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dispatch import errors
from dispatch.device.home import Home
from dispatch.device.keys import SEAL, KeyStore, PlainFiles, names
from dispatch.device.os_keyring import Keyring
from dispatch.device.seal import Seal, SealedFiles
from dispatch.ids import Rng
from dispatch.secret_file import others_may
from dispatch.storing import storing

_LONGEST_PASSPHRASE_BYTES = 1024


def key_store(home: Home, rng: Rng, *, owned: bool = False) -> KeyStore:
    """Open the secrets of a home; those that are plain are sealed now if it has a passphrase. Takes a fifth of a second then.

    `owned` says that the caller owns the home: else it is owned here for as long as the sealing takes. Raises BadRequest for
    a passphrase that is missing, unfit or wrong, HomeInUse when the secrets of a running device would have to be sealed,
    StoreFailed.
    """
    folder = home / "keys"
    keyring = Keyring.of(folder, home.keyring_service)
    if keyring is not None and home.passphrase_file is not None:
        raise errors.BadRequest(
            "the keys of this device are in the operating system's keyring and need no passphrase",
            metadata={"field": "passphrase_file"},
        )
    if keyring is not None:
        return keyring
    if home.passphrase_file is None:
        with storing(folder):
            sealed = (folder / SEAL).exists()
        if sealed:
            raise errors.BadRequest(
                "the keys of this device are sealed: say --passphrase-file FILE, or set DISPATCH_PASSPHRASE_FILE",
                metadata={"field": "passphrase_file"},
            )
        return _new_in_keyring(home, folder, rng) or PlainFiles.of(home)
    passphrase = read_passphrase(home.passphrase_file)
    seal = Seal.read(folder)
    if seal is not None and seal.whole:
        return SealedFiles.opened(folder, seal, passphrase, rng)
    if owned:
        return SealedFiles.sealed(folder, passphrase, rng)
    try:
        with home.owned():
            return SealedFiles.sealed(folder, passphrase, rng)
    except errors.HomeInUse:
        raise errors.HomeInUse(
            "it runs with plain keys: stop it, and start it with --passphrase-file to have them sealed"
        ) from None


def _new_in_keyring(home: Home, folder: Path, rng: Rng) -> KeyStore | None:
    """Give the keyring to a device that has no secrets yet and lives in the default home; None when that is not so."""
    if not home.keyring_service or (folder.is_dir() and names(folder)):
        return None
    keyring = Keyring.found(home.keyring_service, rng)
    if keyring is not None:
        home.create()
        keyring.mark(folder)
    return keyring


def read_passphrase(file: Path) -> bytes:
    """Read a passphrase: what stands in the file, less one line end. Raises BadRequest."""
    try:
        with file.open("rb") as opened:
            facts = os.fstat(opened.fileno())
            content = opened.read(_LONGEST_PASSPHRASE_BYTES + 3)
    except OSError as failure:
        raise _unfit(f"{file}: {failure.strerror or failure}") from None
    if stat.S_ISREG(facts.st_mode) and others_may(facts):
        raise _unfit(f"{file} may be read by others: chmod 600 it")
    passphrase = content.removesuffix(b"\n").removesuffix(b"\r")
    if not passphrase:
        raise _unfit(f"{file} is empty")
    if len(passphrase) > _LONGEST_PASSPHRASE_BYTES:
        raise _unfit(f"{file} is longer than a passphrase may be, {_LONGEST_PASSPHRASE_BYTES:,} bytes")
    return passphrase


def _unfit(why: str) -> errors.BadRequest:
    return errors.BadRequest(why, metadata={"field": "passphrase_file"})
