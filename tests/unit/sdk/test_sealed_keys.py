"""A passphrase seals a device's keys: a copy of them is worth nothing without it, and nothing is lost on the way there."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.device.home import Home
from dispatch.device.key_store import key_store, read_passphrase
from dispatch.device.keys import DeviceKey, KeyStore, PlainFiles

SECRETS = {"device": bytes(range(32)), "session": b"a token that nobody may read", "pair-00": b"keys of a pairing"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give a home whose keys are plain, and that is opened with a passphrase."""
    home = Home(tmp_path / "device", with_passphrase(tmp_path, "correct horse"))
    for name, secret in SECRETS.items():
        PlainFiles.of(home).put(name, secret)
    return home


def with_passphrase(folder: Path, words: str) -> Path:
    file = folder / f"passphrase of {words}"
    file.write_text(f"{words}\n")
    file.chmod(0o600)
    return file


def kept(store: KeyStore) -> dict[str, bytes | None]:
    return {name: store.get(name) for name in SECRETS}


def on_disk(home: Home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (home / "keys").iterdir()}


def test_plain_keys_are_sealed_in_place_and_only_the_passphrase_opens_them(home: Home) -> None:
    sealed = key_store(home, os.urandom)
    again = key_store(home, os.urandom)

    assert kept(sealed) == kept(again) == SECRETS
    assert sealed.kind == "sealed file"
    assert sorted(on_disk(home)) == sorted([*SECRETS, "seal"])
    everything = b"".join(on_disk(home).values())
    for secret in (*SECRETS.values(), b"correct horse"):
        assert secret not in everything
        assert secret.hex().encode() not in everything
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (home / "keys").iterdir()}
    assert modes == {0o600}
    assert "horse" not in repr(sealed)


def test_what_is_put_is_sealed_anew_each_time_and_what_is_deleted_is_gone(home: Home) -> None:
    store = key_store(home, os.urandom)

    store.put("session", b"another token")
    first = on_disk(home)["session"]
    store.put("session", b"another token")
    store.delete("pair-00")
    store.delete("pair-00")

    assert on_disk(home)["session"] != first
    again = key_store(home, os.urandom)
    assert (again.get("session"), again.get("pair-00")) == (b"another token", None)


def test_a_new_home_has_sealed_keys_from_the_first(tmp_path: Path) -> None:
    home = Home(tmp_path / "device", with_passphrase(tmp_path, "correct horse"))

    made = DeviceKey.load_or_make(key_store(home, os.urandom), os.urandom)

    again = DeviceKey.load(key_store(home, os.urandom))
    assert again is not None
    assert again.public == made.public


def test_a_wrong_passphrase_is_one_clear_refusal_and_changes_nothing(home: Home, tmp_path: Path) -> None:
    key_store(home, os.urandom)
    before = on_disk(home)

    with pytest.raises(errors.BadRequest, match="not the one that sealed"):
        key_store(Home(home.path, with_passphrase(tmp_path, "wrong horse")), os.urandom)

    assert on_disk(home) == before


def test_sealed_keys_are_refused_without_the_passphrase_and_the_option_is_named(home: Home) -> None:
    key_store(home, os.urandom)

    with pytest.raises(errors.BadRequest, match="--passphrase-file"):
        key_store(Home(home.path), os.urandom)
    (home / "keys" / "seal").unlink()
    with pytest.raises(errors.StoreFailed, match="seal is missing"):
        key_store(Home(home.path), os.urandom).get("device")


def test_no_new_seal_is_made_over_keys_of_another_one(home: Home) -> None:
    key_store(home, os.urandom)
    (home / "keys" / "seal").unlink()
    before = on_disk(home)

    with pytest.raises(errors.StoreFailed, match="seal is missing"):
        key_store(home, os.urandom)

    assert on_disk(home) == before


def test_a_file_in_the_place_of_another_is_found_out(home: Home) -> None:
    store = key_store(home, os.urandom)
    (home / "keys" / "session").replace(home / "keys" / "device")

    with pytest.raises(errors.StoreFailed, match="another file was put in its place"):
        store.get("device")


def test_a_plain_file_among_sealed_ones_is_not_believed(home: Home) -> None:
    key_store(home, os.urandom)
    PlainFiles.of(home).put("device", b"the key of whoever wrote this")

    with pytest.raises(errors.StoreFailed, match="not sealed"):
        key_store(home, os.urandom).get("device")


def cut(content: bytes, at: int) -> bytes:
    return content[:at]


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("harm", [cut, flipped], ids=["cut", "changed"])
def test_a_sealed_file_with_any_byte_missing_or_changed_is_found_out(
    home: Home, harm: Callable[[bytes, int], bytes]
) -> None:
    store = key_store(home, os.urandom)
    path = home / "keys" / "device"
    whole = path.read_bytes()

    for at in range(len(whole)):
        path.write_bytes(harm(whole, at))
        with pytest.raises(errors.StoreFailed, match="device"):
            store.get("device")


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"whole": False}, errors.BadRequest),  # it would have a plain file taken up
        ({"passes": 1}, errors.BadRequest),
        ({"salt": "00" * 16}, errors.BadRequest),
        ({"salt": "00"}, errors.StoreFailed),
        ({"check": ""}, errors.StoreFailed),
        ({"seal": 2}, errors.StoreFailed),
        ({"memory_kib": 1 << 40}, errors.StoreFailed),
        ({"passes": 1 << 40}, errors.StoreFailed),
        ({"lanes": 0}, errors.StoreFailed),
        ({"lanes": "many"}, errors.StoreFailed),
        ({"passes": float("inf")}, errors.StoreFailed),
    ],
)
def test_a_seal_that_somebody_changed_opens_nothing(
    home: Home, change: dict[str, object], refusal: type[errors.DispatchError]
) -> None:
    key_store(home, os.urandom)
    path = home / "keys" / "seal"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    before = on_disk(home)

    with pytest.raises(refusal):
        key_store(home, os.urandom)

    assert on_disk(home) == before


def test_a_seal_that_is_no_seal_opens_nothing(home: Home) -> None:
    key_store(home, os.urandom)
    for content in (b"", b"[]", b"{}", b"\xff", b"null", b"[" * 100_000):
        (home / "keys" / "seal").write_bytes(content)
        with pytest.raises(errors.StoreFailed, match="damaged"):
            key_store(home, os.urandom)


class Crash(Exception):
    """The process ends here."""


def crashing(draws: int) -> Callable[[int], bytes]:
    """Give a source of randomness after which the process ends: each write of the sealing draws just before it."""

    def rng(count: int) -> bytes:
        nonlocal draws
        if draws == 0:
            raise Crash
        draws -= 1
        return os.urandom(count)

    return rng


@pytest.mark.parametrize("draws", range(3 + len(SECRETS)))
def test_a_crash_while_keys_are_sealed_loses_none_and_the_next_start_goes_on(
    home: Home, tmp_path: Path, draws: int
) -> None:
    with pytest.raises(Crash):
        key_store(home, crashing(draws))
    begun = (home / "keys" / "seal").exists()
    (home / "keys" / ".session.new").write_bytes(SECRETS["session"])  # half written, by an earlier crash

    if begun:
        with pytest.raises(errors.BadRequest, match="not the one that sealed"):
            key_store(Home(home.path, with_passphrase(tmp_path, "wrong horse")), os.urandom)
        with pytest.raises(errors.BadRequest, match="--passphrase-file"):
            key_store(Home(home.path), os.urandom)
    else:
        assert kept(key_store(Home(home.path), os.urandom)) == SECRETS

    assert kept(key_store(home, os.urandom)) == SECRETS
    assert not any(secret in content for secret in SECRETS.values() for content in on_disk(home).values())


def test_the_crashes_are_all_there_are(home: Home) -> None:
    key_store(home, crashing(3 + len(SECRETS)))


def test_the_keys_of_a_running_device_are_not_sealed_behind_its_back(home: Home) -> None:
    with home.owned():
        with pytest.raises(errors.HomeInUse, match="plain keys"):
            key_store(home, os.urandom)
        assert kept(PlainFiles.of(home)) == SECRETS
        assert kept(key_store(home, os.urandom, owned=True)) == SECRETS
        assert kept(key_store(home, os.urandom)) == SECRETS  # beside it, once they are sealed


def test_the_seal_is_no_secret(home: Home) -> None:
    store = key_store(home, os.urandom)

    for files in (store, PlainFiles.of(home)):
        with pytest.raises(ValueError, match="seal"):
            files.put("seal", b"")


def test_a_passphrase_is_what_stands_in_its_file_less_the_end_of_the_line(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    for content in (b"two words", b"two words\n", b"two words\r\n"):
        file.write_bytes(content)
        file.chmod(0o600)
        assert read_passphrase(file) == b"two words"


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"", 0o600, "empty"),
        (b"\n", 0o600, "empty"),
        (bytes(2000), 0o600, "longer"),
        (b"words", 0o644, "others"),
        (b"words", 0o640, "others"),
    ],
)
def test_an_unfit_passphrase_file_is_refused(tmp_path: Path, content: bytes, mode: int, why: str) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(content)
    file.chmod(mode)

    with pytest.raises(errors.BadRequest, match=why):
        read_passphrase(file)


def test_a_passphrase_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.BadRequest, match="No such file"):
        read_passphrase(tmp_path / "nowhere")
