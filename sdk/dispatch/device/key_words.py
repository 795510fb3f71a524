"""What `status` says to people of where a device keeps its keys."""

from __future__ import annotations

PLAIN, SEALED, KEYRING = "plain file", "sealed file", "keyring"


def words(kind: str) -> str:
    """Warn of keys that a copy of the disk gives away; empty for others."""
    if kind != PLAIN:
        return ""
    return "the keys are not sealed: a copy of them is this device. --passphrase-file FILE seals them"
