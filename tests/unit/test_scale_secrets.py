"""What `make up SCALE=1` makes besides certificates: passwords that exist once, in files that one container each can read."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.certs import DAYS
from deploy.scale_secrets import fill, main

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_each_service_has_the_password_of_its_own_database_and_no_other(tmp_path: Path) -> None:
    fill(tmp_path, now=NOW)

    passwords = {name: (tmp_path / "postgres" / f"{name}.password").read_text() for name in ("pairing", "relay")}
    assert passwords["pairing"] != passwords["relay"]
    for name, password in passwords.items():
        address = urlsplit((tmp_path / name / "database").read_text().strip())
        assert (address.scheme, address.username, address.password) == ("postgresql", name, password)
        assert (address.hostname, address.port, address.path) == ("postgres", 5432, f"/{name}")
        assert address.query == "sslmode=verify-full&sslrootcert=/certs/services-ca.pem"
        holders = {path.split("/")[0] for path, content in files(tmp_path).items() if password.encode() in content}
        assert holders == {"postgres", name}


def test_no_password_has_a_sign_that_sql_or_an_address_reads_otherwise(tmp_path: Path) -> None:
    for number in range(20):
        fill(tmp_path / str(number), now=NOW)
        for path in (tmp_path / str(number) / "postgres").glob("*.password"):
            assert set(path.read_text()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
            assert len(path.read_text()) == 32


def test_what_is_secret_is_its_owners_alone(tmp_path: Path) -> None:
    fill(tmp_path, now=NOW)

    for path in tmp_path.rglob("*"):
        secret = path.suffix in {".key", ".password"} or path.name in {"database", "bus", "shown.pem"}
        if path.is_file() and secret:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, now=NOW)
    before = files(tmp_path)

    fill(tmp_path, now=NOW)

    assert files(tmp_path) == before


def test_a_run_that_was_cut_short_is_made_whole_with_the_same_password(tmp_path: Path) -> None:
    fill(tmp_path, now=NOW)
    before = files(tmp_path)
    for name in ("relay/database", "balancer/shown.pem", "pairing/bus"):
        (tmp_path / name).unlink()

    fill(tmp_path, now=NOW)

    assert files(tmp_path) == before


def test_certificates_are_renewed_and_passwords_stay(tmp_path: Path) -> None:
    fill(tmp_path, now=NOW)
    before = files(tmp_path)

    fill(tmp_path, now=NOW + timedelta(days=DAYS - 5))

    after = files(tmp_path)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert {"postgres/tls.key", "nats/tls.key", "balancer/shown.pem", "pairing/services.pem"} <= changed
    assert not [name for name in changed if name.endswith((".password", "database", "bus")) or name.startswith("ca/")]
    assert after["balancer/shown.pem"] == after["balancer/tls.pem"] + after["balancer/tls.key"]


@pytest.mark.parametrize(
    ("who", "usages"),
    [
        ("pairing/services", {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}),
        ("relay/services", {ExtendedKeyUsageOID.CLIENT_AUTH}),
        ("postgres/tls", {ExtendedKeyUsageOID.SERVER_AUTH}),
        ("nats/tls", {ExtendedKeyUsageOID.SERVER_AUTH}),
        ("balancer/tls", {ExtendedKeyUsageOID.SERVER_AUTH}),
    ],
)
def test_a_certificate_is_for_what_its_owner_does(tmp_path: Path, who: str, usages: set[x509.ObjectIdentifier]) -> None:
    # A pairing service that could only be dialled would not be let in by the bus.
    fill(tmp_path, now=NOW)

    found = certificate(tmp_path / f"{who}.pem").extensions.get_extension_for_class(x509.ExtendedKeyUsage)

    assert set(found.value) == usages


def test_the_balancers_file_is_what_a_server_can_show(tmp_path: Path) -> None:
    fill(tmp_path, now=datetime.now(UTC))

    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "balancer" / "shown.pem")
    assert (tmp_path / "balancer" / "ca.pem").read_bytes() == (tmp_path / "devices" / "ca.pem").read_bytes()


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")

    assert main(["--into", str(tmp_path / "file" / "below")]) == 1

    assert capsys.readouterr().err.count("\n") == 1
