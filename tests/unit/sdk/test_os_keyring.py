"""A device's keys in the operating system's keyring: in the default home alone, and never by halves.

The backend is the seam that the library keyring has for this; ours keeps secrets in memory, and can be locked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from dispatch import errors
from dispatch.device.home import Home
from dispatch.device.key_store import key_store
from dispatch.device.keys import DeviceKey, PlainFiles
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked

SERVICE = "dispatch-phone"


class MemoryKeyring(KeyringBackend):
    """Keeps secrets, and remembers who asked for what."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # the library types it in part
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False
        self.forgetful = False

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        if not self.forgetful:
            self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._open()
        del self.kept[service, username]

    def _open(self) -> None:
        if self.locked:
            raise KeyringLocked("the words of a keyring may say anything")


@pytest.fixture
def backend() -> Iterator[MemoryKeyring]:
    """Give this computer a keyring."""
    before, mine = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(mine)
    yield mine
    keyring.set_keyring(before)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give the default home of a phone."""
    return Home(tmp_path, keyring_service=SERVICE)


def test_only_the_default_home_may_use_the_keyring(tmp_path: Path) -> None:
    assert Home.at(None, app=SERVICE).keyring_service == SERVICE
    assert Home.at(str(tmp_path), app=SERVICE).keyring_service == ""


def test_a_new_device_in_the_default_home_keeps_its_secrets_there_and_nowhere_else(
    home: Home, backend: MemoryKeyring
) -> None:
    store = key_store(home, os.urandom)
    key = DeviceKey.load_or_make(store, os.urandom)
    store.put("session", b"\0token\xff")

    again = key_store(home, os.urandom)

    assert (store.kind, again.kind) == ("keyring", "keyring")
    found = DeviceKey.load(again)
    assert found is not None
    assert found.public == key.public
    assert again.get("session") == b"\0token\xff"
    assert {service for service, _ in backend.kept} == {SERVICE}
    assert [path.name for path in (home / "keys").iterdir()] == [".in-keyring"]
    again.delete("session")
    again.delete("session")
    assert again.get("session") is None


def test_a_home_that_was_named_never_touches_it(tmp_path: Path, backend: MemoryKeyring) -> None:
    store = key_store(Home(tmp_path), os.urandom)
    store.put("session", b"token")

    assert store.kind == "plain file"
    assert backend.kept == {}


def test_a_device_that_has_plain_keys_keeps_them(home: Home, backend: MemoryKeyring) -> None:
    PlainFiles.of(home).put("session", b"token")

    assert key_store(home, os.urandom).get("session") == b"token"
    assert backend.kept == {}


@pytest.mark.parametrize("trouble", ["none", "locked", "forgetful"])
def test_where_no_keyring_keeps_what_it_is_given_the_keys_are_in_plain_files(
    home: Home, backend: MemoryKeyring, trouble: str
) -> None:
    backend.locked, backend.forgetful = trouble == "locked", trouble == "forgetful"
    if trouble == "none":
        keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call] # the library types it in part

    assert key_store(home, os.urandom).kind == "plain file"
    assert not (home / "keys" / ".in-keyring").exists()


def test_a_keyring_that_is_locked_later_is_an_error_and_never_a_new_device(home: Home, backend: MemoryKeyring) -> None:
    DeviceKey.load_or_make(key_store(home, os.urandom), os.urandom)
    backend.locked = True

    with pytest.raises(errors.StoreFailed, match="unlock") as refused:
        DeviceKey.load_or_make(key_store(home, os.urandom), os.urandom)
    assert "may say anything" not in str(refused.value)

    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call] # the library types it in part
    with pytest.raises(errors.StoreFailed, match="keyring"):
        key_store(home, os.urandom)


def test_a_passphrase_for_keys_in_the_keyring_is_a_mistake_that_is_said(home: Home, backend: MemoryKeyring) -> None:
    key_store(home, os.urandom)
    passphrase = home / "passphrase"
    passphrase.write_text("words")
    passphrase.chmod(0o600)

    with pytest.raises(errors.BadRequest, match="no passphrase"):
        key_store(Home(home.path, passphrase, SERVICE), os.urandom)
    assert {name for _, name in backend.kept} == set()


def test_what_somebody_else_put_there_is_not_taken_for_a_secret(home: Home, backend: MemoryKeyring) -> None:
    store = key_store(home, os.urandom)
    backend.kept[SERVICE, "session"] = "not base64!"

    with pytest.raises(errors.StoreFailed, match="session"):
        store.get("session")
