"""The file that `--bus` names: what is in it, and that nothing of it is ever shown. tests/scale/test_bus.py connects."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch.address import Address
from dispatch.runtime.bus import read

from tests.support.certificates import Certificates


def a_file(folder: Path, text: str | bytes, *, mode: int = 0o600) -> Path:
    file = folder / "bus"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return file


def test_servers_stand_one_a_line_with_one_user_for_all(tmp_path: Path) -> None:
    lines = "# the bus\n\nnats://ada:p%40ss%20word@one:4223\n  nats://ada:p%40ss%20word@[::1]  \n"
    options = read(a_file(tmp_path, lines))

    assert options.servers == (Address("one", 4223), Address("::1", 4222))
    assert (options.user, options.password, options.tls) == ("ada", "p@ss word", False)
    assert options.urls == ["nats://one:4223", "nats://[::1]:4222"]
    assert options.context() is None
    assert "p@ss" not in repr(options)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "one:4222",
        "http://ada:s3cret@one:4222",
        "nats://ada:s3cret@one:port",
        "nats://ada:s3cret@one:99999",
        "nats://ada:s3cret@[one:4222",
        "nats://ada:s3cret@one two:4222",
        "nats://ada:s3cret@:4222",
        "nats://ada:s3cret@one:4222/more",
        "nats://ada:s3cret@one:4222?s3cret",
        "nats://s3cret@one:4222",
        "nats://ada:s3cret@one\nnats://ada:other@two",
        "nats://ada:s3cret@one\ntls://ada:s3cret@two",
        b"nats://ada:s3cret\xff@one",
        b"nats://ada:s3cret@one\n" * 10_000,
    ],
)
def test_what_is_no_list_of_servers_is_refused_without_showing_it(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"bus") as refused:
        read(a_file(tmp_path, text))

    shown = str(refused.value) + str(refused.value.__cause__)
    assert "s3cret" not in shown
    assert "other" not in shown


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ValueError, match="read by others"):
        read(a_file(tmp_path, "nats://ada:s3cret@one", mode=mode))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read: No such file"):
        read(tmp_path / "none")


def test_tls_takes_the_authority_and_keys_of_the_services(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    file = a_file(tmp_path, "tls://ada:s3cret@localhost:4222")
    context = read(file, ca=certificates.file, keys=certificates.keys()).context()

    assert context is not None
    assert len(context.get_ca_certs()) == 1
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    with pytest.raises(ValueError, match=r"broken\.pem"):
        read(file, ca=broken).context()
    with pytest.raises(ValueError, match="can't be used"):
        read(file, ca=certificates.file, keys=certificates.keys().__class__(broken, broken)).context()
