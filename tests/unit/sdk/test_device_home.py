"""All state of one device lives in its home, which has one owner and is closed to others."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.device.home import Home, write_private
from dispatch.device.keys import DeviceKey, PlainFiles

from tests.support.waiting import DEADLINE_SECONDS

_OWNS = """
import socket, sys
from pathlib import Path
from dispatch.device.home import Home
home = Home(Path(sys.argv[1]))
with home.owned(), socket.socket(socket.AF_UNIX) as serving:
    if sys.argv[2:]:
        serving.bind(str(home.socket()))
        serving.listen()
    print('owned', flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another(home: Home, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process own the home; with a word more it serves at the socket, as a host that runs does."""
    command = [sys.executable, "-c", _OWNS, str(home.path), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"owned\n"
        yield other
        other.kill()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "device")
    home.create()
    write_private(home / "secret", b"x")

    assert mode(home.path) == 0o700
    assert mode(home / "secret") == 0o600


def test_a_second_process_is_refused_the_home_and_gets_it_when_the_first_has_died(tmp_path: Path) -> None:
    home = Home(tmp_path / "device")
    with another(home) as other:
        with pytest.raises(errors.HomeInUse), home.owned():
            pass
        other.kill()
        other.wait()
        with home.owned():
            pass


def test_a_command_that_is_over_soon_is_waited_for_and_no_reason_to_fail(tmp_path: Path) -> None:
    """A look at the status, by a container's health check, kept the host from starting."""
    home, owned = Home(tmp_path / "device"), []

    def own() -> None:
        with home.owned(patience_seconds=DEADLINE_SECONDS):
            owned.append(True)

    with another(home) as command, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(own)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.2)
        command.kill()
        waiting.result()
    assert owned == [True]


def test_one_that_serves_there_is_not_waited_for(tmp_path: Path) -> None:
    home = Home(tmp_path / "device")

    with another(home, "serves"), pytest.raises(errors.HomeInUse), home.owned(patience_seconds=float("inf")):
        pass


def test_a_long_home_still_has_a_socket_that_fits(tmp_path: Path) -> None:
    home = Home(tmp_path / ("x" * 90) / ("y" * 90))

    assert len(os.fsencode(home.socket())) <= 107
    assert home.socket() == home.socket()
    assert mode(home.socket().parent) == 0o700


def test_a_home_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(errors.StoreFailed, match="file"):
        Home(tmp_path / "file" / "device").create()


def test_a_device_key_is_made_once_and_its_repr_holds_no_secret(tmp_path: Path) -> None:
    store = PlainFiles(tmp_path / "keys")
    made = DeviceKey.load_or_make(store, os.urandom)
    again = DeviceKey.load(store)

    assert again is not None
    assert made.public == again.public
    assert (store.get("device") or b"?").hex() not in repr(made)


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    store = PlainFiles(tmp_path / "keys")
    store.put("device", bytes(32))
    (tmp_path / "keys" / "device").chmod(0o644)

    with pytest.raises(errors.StoreFailed, match="read by others"):
        DeviceKey.load(store)
