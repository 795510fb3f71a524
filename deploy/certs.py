"""Make certificates for development: `make certs` on this machine, `make up` in a volume of its own. Not for the internet.

Two authorities: one that devices are told of (login --ca), one for what the services show each other. Servers are issued for
this computer and for their names in compose.yaml, and for nothing else. Needs Python and cryptography, nothing of ours: it
also runs by itself in a container. docs/operations.md says who reads which file; `scale_secrets` adds what several of a
service need.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS, DAYS, RENEW_BEFORE_DAYS = 365, 30, 10
HERE = ("localhost", "127.0.0.1", "::1")
SERVERS = ("pairing", "relay", "host", "web")
BESIDE = ("balancer", "postgres", "nats")
"""Servers of compose.scale.yaml that are none of ours."""
CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """Somebody who signs certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, name: str, *, names: Sequence[str], now: datetime) -> Authority:
        """Make one that can only sign for these names (and for any IP address: gRPC can't read limits on those)."""
        key = ec.generate_private_key(ec.SECP256R1())
        permitted = [x509.DNSName(one) for one in names if not _is_ip(one)]
        certificate = (
            _builder(name, issuer=name, key=key, now=now, days=AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.NameConstraints(permitted, None), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def read(cls, issued: Issued) -> Authority:
        """Read one that was made before. Raises ValueError."""
        key = load_pem_private_key(issued.key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("an authority of ours has an EC key")
        return cls(x509.load_pem_x509_certificate(issued.certificate), key)

    @property
    def pem(self) -> bytes:
        """Its own certificate: what others are told to believe."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def issued(self) -> Issued:
        """Its certificate and its key."""
        return Issued(self.pem, _pem(self.key))

    def issue(
        self, names: Sequence[str], *, now: datetime, days: float = DAYS, caller: bool = False, both: bool = False
    ) -> Issued:
        """Issue a certificate for these names, the first being what people call it; `caller` for one that dials, `both`
        for one that is dialled as well."""
        key = ec.generate_private_key(ec.SECP256R1())  # gRPC's TLS takes no Ed25519
        dials, dialled = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
        purposes = [dials, dialled] if both else [dials if caller else dialled]
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(one)) if _is_ip(one) else x509.DNSName(one) for one in names
        ]
        own = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        certificate = (
            _builder(names[0], issuer=self.certificate.subject, key=key, now=now, days=days)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Issued(certificate.public_bytes(Encoding.PEM), _pem(key))


def make(folder: Path, *, extra_names: Sequence[str], renew: bool, now: datetime) -> list[Path]:
    """Fill the folder; gives the certificates that were made. Raises ValueError, FileExistsError and other OSErrors.

    With `renew`, what is missing or ends soon is made anew and all else is left alone.
    """
    if not renew and any(folder.rglob("*.key")):
        raise FileExistsError(
            f"there are keys in {folder} already; --renew makes anew what ends soon, and nothing else"
        )
    names = (*HERE, *SERVERS, *BESIDE, *extra_names)
    made: list[Path] = []
    authorities = {}
    for name, people_say in (("ca", "Dispatch development"), ("services-ca", "Dispatch development, services")):
        found = _read(folder / "ca" / name)
        if found is None:
            authorities[name] = Authority.make(people_say, names=names, now=now)
            made.append(_write(folder / "ca" / name, authorities[name].issued))
        else:
            authorities[name] = Authority.read(found)
        if authorities[name].certificate.not_valid_after_utc < now + timedelta(days=DAYS):
            raise ValueError(f"{folder / 'ca' / name}.pem ends too soon to sign anything: begin with an empty folder")
    public, services = authorities["ca"], authorities["services-ca"]

    for server in SERVERS:
        made += keep(folder / server / "tls", (server, *HERE, *extra_names), by=public, now=now)
    # Relays dial it there, and it dials the bus.
    made += keep(folder / "pairing" / "services", ("pairing", *HERE, *extra_names), by=services, now=now, both=True)
    made += keep(folder / "relay" / "services", ("relay",), by=services, now=now, caller=True)
    for server in ("pairing", "relay"):
        put(folder / server / "services-ca.pem", services.pem, mode=0o644)
    (folder / "devices").mkdir(mode=0o755, exist_ok=True)
    put(folder / "devices" / "ca.pem", public.pem, mode=0o644)
    return made


def keep(
    where: Path, names: Sequence[str], *, by: Authority, now: datetime, caller: bool = False, both: bool = False
) -> list[Path]:
    """Issue a certificate into a file unless the one there lasts; gives what was made. Raises OSError."""
    if _days_left(where, now=now) >= RENEW_BEFORE_DAYS:
        return []
    return [_write(where, by.issue(names, now=now, caller=caller, both=both))]


def authority(folder: Path, name: str) -> Authority:
    """Give an authority that `make` made: "ca" or "services-ca". Raises FileNotFoundError, ValueError."""
    found = _read(folder / "ca" / name)
    if found is None:
        raise FileNotFoundError(f"there is no {folder / 'ca' / name}.pem with its key")
    return Authority.read(found)


def put(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file aside and rename it: a service may be reading. Raises OSError."""
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
    aside.replace(path)


def main(words: Sequence[str]) -> int:
    """Do what the command line says; gives the exit code."""
    parser = argparse.ArgumentParser(prog="make certs", description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("out/certs"), help="folder, readable by you alone")
    parser.add_argument("--name", action="append", default=[], help="one more name or IP address of the servers")
    parser.add_argument("--renew", action="store_true", help="make only what is missing or ends soon")
    given = parser.parse_args(words)
    try:
        made = make(given.into, extra_names=given.name, renew=given.renew, now=datetime.now(UTC))
    except (OSError, ValueError, TypeError) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    for path in made:
        sys.stdout.write(f"{path}\n")
    return 0


def _builder(
    name: str, *, issuer: str | x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer) if isinstance(issuer, str) else issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _read(where: Path) -> Issued | None:
    try:
        return Issued(where.with_suffix(".pem").read_bytes(), where.with_suffix(".key").read_bytes())
    except FileNotFoundError:
        return None


def _days_left(where: Path, *, now: datetime) -> float:
    found = _read(where)
    if found is None:
        return 0
    return (x509.load_pem_x509_certificate(found.certificate).not_valid_after_utc - now) / timedelta(days=1)


def _write(where: Path, issued: Issued) -> Path:
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    put(where.with_suffix(".key"), issued.key, mode=0o600)
    put(where.with_suffix(".pem"), issued.certificate, mode=0o644)
    return where.with_suffix(".pem")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
