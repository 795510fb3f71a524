"""Certificates for one test: an authority in a folder, and what it signed. Made by `deploy.certs`, as `make certs` does."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from dispatch.address import Address
from dispatch.runtime.certificate import Certificate, CertificateFiles, CertificateMetrics
from dispatch.tls import Dialler, KeyFiles
from prometheus_client import CollectorRegistry

from deploy.certs import HERE, Authority, Issued


class Certificates:
    """An authority and its folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self.name = name
        self.authority = Authority.make(name, names=[*HERE, "relay", "elsewhere"], now=datetime.now(UTC))
        self.pem = self.authority.pem.decode()
        self.file = folder / f"{name}.pem"
        folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.pem)

    def issue(self, names: Sequence[str] = HERE, *, days: float = 5, caller: bool = False) -> Issued:
        """Issue a certificate; with negative `days` one that is over since."""
        return self.authority.issue(names, now=datetime.now(UTC), days=days, caller=caller)

    def keys(self, issued: Issued | None = None, *, name: str = "server") -> KeyFiles:
        """Put a certificate and its key into files, in place of those of that name."""
        issued = issued or self.issue()
        keys = KeyFiles(self.folder / f"{self.name}-{name}.pem", self.folder / f"{self.name}-{name}.key")
        replaced(keys.key, issued.key)
        replaced(keys.certificate, issued.certificate)
        return keys

    def server(self, issued: Issued | None = None, *, callers: Certificates | None = None) -> CertificateFiles:
        """Give what a server listens with."""
        return CertificateFiles(keys=self.keys(issued), callers=None if callers is None else callers.file)

    def believing(self) -> ssl.SSLContext:
        """Give what a browser has that was told of this authority."""
        return ssl.create_default_context(cadata=self.pem)

    def dialler(self, *, identity: KeyFiles | None = None) -> Dialler:
        """Give how somebody dials who was told of this authority."""
        return Dialler(ca=self.pem, identity=identity)


def replaced(path: Path, content: bytes) -> None:
    """Write a file as programs do that renew certificates: aside, then renamed."""
    aside = path.with_name(f"{path.name}.new")
    aside.write_bytes(content)
    aside.chmod(0o600)
    os.replace(aside, path)


def served(files: CertificateFiles, *, registry: CollectorRegistry | None = None, days_ago: float = 0) -> Certificate:
    """Give the certificate as a server has it; with `days_ago` as if the server's clock were slow."""
    return Certificate(
        files,
        listener="devices",
        metrics=CertificateMetrics(registry or CollectorRegistry(), prefix="test"),
        now=lambda: datetime.now(UTC) - timedelta(days=days_ago),
    )


async def shown_by(address: str, **context: ssl.TLSVersion) -> bytes:
    """Shake hands with a server, believing everything; gives the certificate that it shows, PEM. Raises ssl.SSLError."""
    believing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    believing.check_hostname = False
    believing.verify_mode = ssl.CERT_NONE
    believing.set_ciphers("DEFAULT:@SECLEVEL=0")  # else it would be this side that refuses what is old
    believing.set_alpn_protocols(["h2"])
    for name, value in context.items():
        setattr(believing, name, value)
    there = Address.parse(address)
    _, writer = await asyncio.open_connection(there.host, there.port, ssl=believing)
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return ssl.DER_cert_to_PEM_cert(der).encode()


def is_shown(issued: Issued, pem: bytes) -> bool:
    """Tell whether this is the certificate."""
    return x509.load_pem_x509_certificate(issued.certificate) == x509.load_pem_x509_certificate(pem)
