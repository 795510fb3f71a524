"""What `make certs` makes: keys for their owner alone, nothing overwritten, nothing that lasts, names that are ours."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.certs import AUTHORITY_DAYS, DAYS, Authority, main, make

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
LEAVES = {"pairing/tls", "relay/tls", "host/tls", "web/tls", "pairing/services", "relay/services"}


def made(folder: Path, *, renew: bool = False, now: datetime = NOW, names: tuple[str, ...] = ()) -> set[str]:
    """Run it; gives what was made, without the endings."""
    found = make(folder, extra_names=names, renew=renew, now=now)
    return {path.relative_to(folder).with_suffix("").as_posix() for path in found}


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_everything_is_made_once_and_keys_are_their_owners_alone(tmp_path: Path) -> None:
    assert made(tmp_path) == LEAVES | {"ca/ca", "ca/services-ca"}

    for key in tmp_path.rglob("*.key"):
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "devices").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "devices" / "ca.pem").stat().st_mode & 0o777 == 0o644
    assert not list((tmp_path / "devices").glob("*.key"))
    assert not list(tmp_path.rglob("*.new"))


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert main(["--into", str(tmp_path)]) == 1

    assert "there are keys in" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_renewing_makes_only_what_ends_soon_with_the_same_authority(tmp_path: Path) -> None:
    made(tmp_path)
    authority = (tmp_path / "devices" / "ca.pem").read_bytes()

    assert made(tmp_path, renew=True) == set()
    assert made(tmp_path, renew=True, now=NOW + timedelta(days=DAYS - 5)) == LEAVES
    assert (tmp_path / "devices" / "ca.pem").read_bytes() == authority

    (tmp_path / "relay" / "tls.key").unlink()
    assert made(tmp_path, renew=True, now=NOW + timedelta(days=DAYS - 5)) == {"relay/tls"}


def test_an_authority_that_ends_itself_signs_nothing_more(tmp_path: Path) -> None:
    made(tmp_path)

    with pytest.raises(ValueError, match="begin with an empty folder"):
        made(tmp_path, renew=True, now=NOW + timedelta(days=AUTHORITY_DAYS - DAYS + 1))


def test_nothing_lasts(tmp_path: Path) -> None:
    made(tmp_path)

    for leaf in LEAVES:
        assert certificate(tmp_path / f"{leaf}.pem").not_valid_after_utc == NOW + timedelta(days=DAYS)


def test_servers_are_named_for_this_computer_and_for_compose(tmp_path: Path) -> None:
    made(tmp_path, names=("dispatch.example", "192.0.2.7"))

    named = certificate(tmp_path / "relay" / "tls.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName)

    assert set(named.value.get_values_for_type(x509.DNSName)) == {"relay", "localhost", "dispatch.example"}
    assert set(map(str, named.value.get_values_for_type(x509.IPAddress))) == {"127.0.0.1", "::1", "192.0.2.7"}


def test_keys_are_of_the_kind_that_grpc_takes(tmp_path: Path) -> None:
    made(tmp_path)

    for path in tmp_path.rglob("*.pem"):
        key = certificate(path).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(key.curve, ec.SECP256R1)


def test_python_accepts_them_as_strictly_as_it_can(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    make(tmp_path, extra_names=(), renew=False, now=now)

    shaken = _handshake(tmp_path / "pairing" / "tls", tmp_path / "devices" / "ca.pem", name="pairing")

    assert shaken in {"TLSv1.2", "TLSv1.3"}


def test_the_authority_can_not_speak_for_names_of_others(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = Authority.make("ours", names=["pairing", "localhost"], now=now)
    issued = authority.issue(["bank.example"], now=now)
    (tmp_path / "tls.pem").write_bytes(issued.certificate)
    (tmp_path / "tls.key").write_bytes(issued.key)
    (tmp_path / "ca.pem").write_bytes(authority.pem)

    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        _handshake(tmp_path / "tls", tmp_path / "ca.pem", name="bank.example")


def _handshake(keys: Path, ca: Path, *, name: str) -> str | None:
    """Shake hands in memory; gives the version of TLS."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(keys.with_suffix(".pem"), keys.with_suffix(".key"))
    asking = ssl.create_default_context(cafile=str(ca))
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server, server_hostname=name)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.version()
