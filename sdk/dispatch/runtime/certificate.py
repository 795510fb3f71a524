"""A server's certificate, from files, read again when they change: nobody has to restart a service for a new one.

A new file that can't be used is logged and counted, and the old certificate goes on. Called by the servers of this package;
knows no service. docs/operations.md "Certificates" is for the operator.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from prometheus_client import CollectorRegistry, Counter, Gauge

from dispatch import secret_file
from dispatch.runtime.logs import get_logger
from dispatch.tls import KeyFiles, read_authorities

_log = get_logger()

OK, BROKEN = "ok", "broken"
_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """What a server shows, and whose certificates its callers must show."""

    keys: KeyFiles
    callers: Path | None = None
    """Authorities, PEM: who has no certificate of one of them is not let in. None lets everybody in."""

    @classmethod
    def given(
        cls, certificate: Path | None, key: Path | None, *, option: str, callers: Path | None = None
    ) -> CertificateFiles | None:
        """Take what the command line has: both or none. `option` is "--tls", for the error. Raises ValueError."""
        keys = KeyFiles.given(certificate, key, option=option)
        return None if keys is None else cls(keys=keys, callers=callers)

    def check(self) -> None:
        """Raise ValueError, with a line for each mistake, for files that can't be used or a key that others may read."""
        wrong = []
        for path in (self.keys.certificate, self.keys.key, self.callers):
            try:
                if path is not None:
                    _read(path)
            except ValueError as failure:
                wrong.append(str(failure))
        try:
            if not wrong:
                _load(self, now=datetime.now(UTC))
        except ValueError as failure:
            wrong.append(str(failure))
        with contextlib.suppress(OSError):
            if secret_file.others_may(self.keys.key.stat()):
                wrong.append(f"{self.keys.key} may be read by others: chmod 600 it, and have a new key certified")
        if wrong:
            raise ValueError("\n".join(wrong))


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The content of the files, checked."""

    chain: bytes
    key: bytes
    callers: bytes | None
    expires: datetime


class CertificateMetrics:
    """What there is to see of a process's certificates, by listener."""

    def __init__(self, registry: CollectorRegistry, *, prefix: str) -> None:
        self.expiry = Gauge(
            f"{prefix}_certificate_expiry_seconds",
            "When the certificate ends, in seconds since 1970.",
            ["listener"],
            registry=registry,
        )
        self.loads = Counter(
            f"{prefix}_certificate_loads",
            "Certificates read from changed files, by whether they could be used.",
            ["listener", "result"],
            registry=registry,
        )


class Certificate:
    """One listener's certificate. Methods may be called on any thread: gRPC asks on its own."""

    def __init__(
        self,
        files: CertificateFiles,
        *,
        listener: str,
        metrics: CertificateMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read the files. Raises ValueError with a sentence for the operator when they can't be used."""
        self._files = files
        self._listener = listener
        self._now = now
        self._loads = {result: metrics.loads.labels(listener, result) for result in (OK, BROKEN)}
        # Under the lock: what was read, from which files, and what gRPC has of it.
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._loaded = _load(files, now=now())
        self._with_grpc = self._loaded
        self._context, self._in_context = self._fresh_context(), self._loaded
        metrics.expiry.labels(listener).set_function(self._expires_seconds)

    @property
    def expires(self) -> datetime:
        """When the certificate in use ends."""
        with self._lock:
            return self._newest().expires

    def _expires_seconds(self) -> float:
        return self.expires.timestamp()

    def credentials(self) -> grpc.ServerCredentials:
        """Give what a gRPC server listens with; it asks again at every handshake."""
        changed: Any = self._changed  # its published type lacks the None that stands for "nothing new"
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._loaded), changed, require_client_authentication=self._files.callers is not None
        )

    def context(self) -> ssl.SSLContext:
        """Give the same for servers of HTTP: a context that swaps itself for the newest at every handshake."""

        def newest(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
            with self._lock:
                if self._newest() is not self._in_context:
                    # The files may have changed once more just now; then the next handshake sees to it.
                    with contextlib.suppress(OSError):
                        self._context, self._in_context = self._fresh_context(), self._loaded
                connection.context = self._context

        context = self._fresh_context()
        context.sni_callback = newest
        return context

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        with self._lock:
            if self._newest() is self._with_grpc:
                return None
            self._with_grpc = self._loaded
            return _configuration(self._loaded)

    def _newest(self) -> _Loaded:
        """Give what is in use, read again if the files have changed."""
        stamp = self._look()
        if stamp == self._stamp:
            return self._loaded
        self._stamp = stamp
        try:
            self._loaded = _load(self._files, now=self._now())
        except ValueError as failure:
            self._loads[BROKEN].inc()
            _log.error("certificate not taken, the old one stays", listener=self._listener, why=str(failure))
        else:
            self._loads[OK].inc()
            _log.info("certificate taken", listener=self._listener, expires=self._loaded.expires.isoformat())
        return self._loaded

    def _look(self) -> _Stamp:
        """Tell the files' state apart from every other; a missing file is a state as well."""
        return tuple(_stamp(path) for path in (self._files.keys.certificate, self._files.keys.key, self._files.callers))

    def _fresh_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._files.keys.certificate, self._files.keys.key)
        return context


def _stamp(path: Path | None) -> tuple[int, int, int]:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        found = None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found is not None else (0, 0, 0)


def _configuration(loaded: _Loaded) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(loaded.key, loaded.chain)], loaded.callers)


def _load(files: CertificateFiles, *, now: datetime) -> _Loaded:
    """Read and check. Raises ValueError: gRPC itself would only fail every handshake, without a word."""
    chain, key_pem = _read(files.keys.certificate), _read(files.keys.key)
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as failure:
        raise ValueError(f"{files.keys.certificate} holds no certificate (PEM)") from failure
    try:
        key = load_pem_private_key(key_pem, password=None)
    except TypeError as failure:
        raise ValueError(f"{files.keys.key} is locked with a passphrase") from failure
    except ValueError as failure:
        raise ValueError(f"{files.keys.key} holds no private key (PEM)") from failure
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise ValueError(f"{files.keys.key} is neither an EC nor an RSA key; gRPC's TLS takes no other")  # noqa: TRY004 -- the caller's one error, for whatever a file holds
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise ValueError(f"{files.keys.key} is not the key of {files.keys.certificate}")
    if leaf.not_valid_after_utc <= now:
        raise ValueError(f"{files.keys.certificate} expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    callers = None if files.callers is None else read_authorities(files.callers).encode()
    return _Loaded(chain=chain, key=key_pem, callers=callers, expires=leaf.not_valid_after_utc)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failure:
        raise ValueError(f"{path} can't be read: {failure.strerror}") from failure
