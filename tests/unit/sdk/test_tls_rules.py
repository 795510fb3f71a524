"""Which addresses are dialled over TLS, what counts as an authority, and what a sign-in keeps of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dispatch.device.home import Home, write_private
from dispatch.device.sign_in import SignIn
from dispatch.tls import BY_THE_RULE, Dialler, KeyFiles, checked_authorities, read_authorities, system_authorities

from tests.support.certificates import Certificates

HERE = ("127.0.0.1:7301", "127.8.8.8:7301", "[::1]:7301", "localhost:7301")
ELSEWHERE = ("192.0.2.7:7301", "pairing:7301", "[2001:db8::1]:7301", "0.0.0.0:7301", "localhost.example:7301")


@pytest.mark.parametrize("address", HERE)
def test_this_computer_is_spoken_to_in_the_clear_until_an_authority_is_named(address: str) -> None:
    assert not Dialler().speaks_tls(address)
    assert not Dialler(plaintext=True).speaks_tls(address)
    assert Dialler(ca="some").speaks_tls(address)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_all_others_are_spoken_to_over_tls_unless_the_operator_says_otherwise(address: str) -> None:
    assert Dialler().speaks_tls(address)
    assert not Dialler(plaintext=True).speaks_tls(address)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_an_authority_outweighs_the_operators_word(address: str) -> None:
    assert Dialler(ca="some", plaintext=True).speaks_tls(address)


@pytest.mark.parametrize("address", ["", "pairing", "pairing:70000", "https://pairing:7301", "127.0.0.1:7301/x"])
def test_what_is_no_address_is_not_dialled(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        BY_THE_RULE.dial(address)


def test_of_a_file_only_certificates_are_kept(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    other = Certificates(tmp_path, "other")
    both = b"a comment\n" + certificates.authority.issued.key + certificates.authority.pem + other.authority.pem

    kept = checked_authorities(both, name="it")

    assert kept == certificates.pem + other.pem
    assert "PRIVATE" not in kept


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_certificate_is_said_to_be_that(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(content)

    with pytest.raises(ValueError, match=r"ca\.pem holds no certificate of an authority"):
        read_authorities(file)


def test_a_file_that_is_not_there_or_endless_is_said_to_be_that(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read: No such file"):
        read_authorities(tmp_path / "ca.pem")
    with pytest.raises(ValueError, match="is larger than"):
        read_authorities(Path("/dev/zero"))


def test_a_sign_in_from_before_tls_believes_nobody_in_particular(tmp_path: Path) -> None:
    old = dict.fromkeys(("server", "service_name", "account", "account_id", "device_name"), "x")
    write_private(tmp_path / "sign-in.json", json.dumps(old).encode())

    signed_in = SignIn.required(Home(tmp_path))

    assert signed_in.dialler(plaintext=False) == BY_THE_RULE
    assert signed_in.dialler(plaintext=True) == Dialler(plaintext=True)


def test_the_computer_has_authorities_of_its_own_or_grpc_is_left_to_its_own() -> None:
    found = system_authorities()

    assert found is None or b"BEGIN CERTIFICATE" in found


def test_a_certificate_and_its_key_go_together() -> None:
    file = Path("one.pem")

    assert KeyFiles.given(None, None, option="--tls") is None
    assert KeyFiles.given(file, file, option="--tls") == KeyFiles(file, file)
    for pair in ((file, None), (None, file)):
        with pytest.raises(ValueError, match="--tls-cert and --tls-key go together"):
            KeyFiles.given(*pair, option="--tls")
