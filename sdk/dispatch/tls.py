"""How addresses are dialled: in the clear or over TLS, whom to believe, and why it failed. docs/adr/0002 has the reasons.

Called by devices and by the relay, for every address that they were told. Knows no service and reads no environment.
gRPC says of a failed handshake only that the service is unavailable, in words that change with its version; so `explain`
looks for itself, by a TLS handshake of its own that sends nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import grpc

from dispatch import errors
from dispatch.address import Address, may_be_plaintext
from dispatch.channel import dial

PROBE_SECONDS = 5.0
_LARGEST_FILE_BYTES = 1024 * 1024

# What OpenSSL calls them: X509_V_ERR_*.
_NOT_YET, _EXPIRED, _OTHER_NAMES = (9,), (10,), (62, 64)
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)

_HUNG_UP = "hung up after the handshake, as one does that wants a certificate of another authority from its callers"

# HTTP/2 (RFC 9113, 3.4): how a client begins, and with what every server answers.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_HEAD, _SETTINGS = 9, 4


class Flaw(Enum):
    """What can be wrong with TLS at an address. The values go on from the address."""

    UNTOLD = "speaks TLS, and this side was not told whom to believe"
    NO_TLS = "does not speak TLS"
    EXPIRED = "shows a certificate that has expired"
    NOT_YET = "shows a certificate that is not valid yet; is the clock right?"
    OTHER_NAME = "shows a certificate that is for another name"
    UNKNOWN_AUTHORITY = "shows a certificate of an authority that is not trusted here"
    OTHER = "does something else that is not accepted"


_FLAWS = (
    (_EXPIRED, Flaw.EXPIRED),
    (_NOT_YET, Flaw.NOT_YET),
    (_OTHER_NAMES, Flaw.OTHER_NAME),
    (_UNKNOWN_AUTHORITY, Flaw.UNKNOWN_AUTHORITY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of TLS at an address."""

    spoken: bool = True
    flaw: Flaw | None = None
    words: str = ""
    """The flaw for people, to go on from the address; empty for none."""
    not_after_ms: int | None = None
    """When the certificate ends, ms since 1970; None where none was seen."""


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """A certificate (with those between it and its authority) and its private key, as PEM files."""

    certificate: Path
    key: Path

    @classmethod
    def given(cls, certificate: Path | None, key: Path | None, *, option: str) -> KeyFiles | None:
        """Take what the command line has: both or none. `option` is "--tls", for the error. Raises ValueError."""
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise ValueError(f"{option}-cert and {option}-key go together")
        return cls(certificate, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialler:
    """Opens connections by the one rule.

    With a `ca`, every address speaks TLS and only its authorities are believed. Without one, this computer is spoken to in the
    clear and all others over TLS, where the computer's own list of authorities is believed. The name in the certificate must
    be the one dialled.
    """

    ca: str = ""
    """Certificates of authorities, PEM; empty for the computer's own list."""
    plaintext: bool = False
    """Whether to speak in the clear off this computer, too, when there is no `ca`: DISPATCH_PLAINTEXT=1."""
    name: str = ""
    """What the certificate must be for, when that is not the address: for a health check behind the public name."""
    identity: KeyFiles | None = None
    """What to show to a service that wants a certificate of its callers. Read whenever something is dialled."""

    def speaks_tls(self, address: str) -> bool:
        """Tell whether an address is dialled over TLS. Raises ValueError for what is no address."""
        return bool(self.ca) or not may_be_plaintext(Address.parse(address), allowed=self.plaintext)

    def dial(self, address: str, *, alone: bool = False) -> grpc.aio.Channel:
        """Open a channel, `alone` on a connection of its own. It connects when it is first used.

        Raises ValueError for what is no address, TlsFailed when the identity can't be read.
        """
        credentials = self._credentials() if self.speaks_tls(address) else None
        return dial(address, credentials, name=self.name, alone=alone)

    async def explain(self, address: str, error: errors.DispatchError) -> errors.DispatchError:
        """Give the error that says why nothing could be reached, if that is TLS; else the one given.

        Takes up to PROBE_SECONDS when the network is slow.
        """
        if type(error) is not errors.NoNetwork:
            return error
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                seen = await self.look(address)
        except (TimeoutError, OSError, ValueError):
            return error  # it is the network, or nothing that can be said for sure
        return errors.TlsFailed(f"{address} {seen.words}") if seen.flaw is not None else error

    def _credentials(self) -> grpc.ChannelCredentials:
        key = certificate = None
        if self.identity is not None:
            try:
                key, certificate = self.identity.key.read_bytes(), self.identity.certificate.read_bytes()
            except OSError as failure:
                raise errors.TlsFailed(f"{failure.filename} can't be read: {failure.strerror}") from failure
        roots = self.ca.encode() if self.ca else system_authorities()
        return grpc.ssl_channel_credentials(roots, key, certificate)

    async def look(self, address: str) -> Seen:
        """Shake hands, send nothing, and say what was seen of TLS there. Raises OSError, ValueError for what is no address."""
        there = Address.parse(address)
        if not self.speaks_tls(address):
            untold = await _speaks_tls(there)
            return Seen(spoken=untold, flaw=Flaw.UNTOLD if untold else None, words=Flaw.UNTOLD.value if untold else "")
        try:
            answered, not_after_ms = await _handshake(there, self._context(), name=self.name or there.host)
        except ConnectionRefusedError:
            return Seen(spoken=False)
        except ssl.SSLCertVerificationError as failure:
            flaw, words = _of_certificate(failure)
            return Seen(flaw=flaw, words=words)
        except (ssl.SSLError, ConnectionError):
            if await _speaks_plaintext(there):
                return Seen(spoken=False, flaw=Flaw.NO_TLS, words=Flaw.NO_TLS.value)
            return Seen(spoken=False, flaw=Flaw.OTHER, words="broke the TLS handshake off")
        if answered:
            return Seen(not_after_ms=not_after_ms)
        return Seen(flaw=Flaw.OTHER, words=_HUNG_UP)

    def _context(self) -> ssl.SSLContext:
        # By hand rather than by create_default_context, whose strictness differs between versions of Python and from gRPC's.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as gRPC does
        context.set_alpn_protocols(["h2"])
        if self.ca:
            context.load_verify_locations(cadata=self.ca)
        else:
            context.load_default_certs()
        if self.identity is not None:
            context.load_cert_chain(self.identity.certificate, self.identity.key)
        return context


BY_THE_RULE = Dialler()
"""For whom was told nothing: this computer in the clear, all others over TLS."""


def read_authorities(path: Path) -> str:
    """Read certificates of authorities from a PEM file, and nothing else that may stand in it. Raises ValueError."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE_BYTES + 1)
    except OSError as failure:
        raise ValueError(f"{path} can't be read: {failure.strerror}") from failure
    return checked_authorities(content, name=str(path))


def checked_authorities(content: bytes, *, name: str) -> str:
    """Give the certificates in PEM bytes as PEM, without anything else. `name` is for the error. Raises ValueError."""
    if len(content) > _LARGEST_FILE_BYTES:
        raise ValueError(f"{name} is larger than a list of certificate authorities")
    # Only here: it is a tenth of what a command has to load before it says a word, and most need none of it.
    from cryptography import x509  # noqa: PLC0415 -- see above
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 -- see above

    try:
        found = x509.load_pem_x509_certificates(content)
        return "".join(one.public_bytes(Encoding.PEM).decode() for one in found)
    except ValueError as failure:
        raise ValueError(f"{name} holds no certificate of an authority (PEM)") from failure


def system_authorities() -> bytes | None:
    """Give the authorities that this computer believes, PEM; None when it has no list, which leaves gRPC its own."""
    paths = ssl.get_default_verify_paths()
    for file in (paths.cafile, paths.capath and Path(paths.capath, "ca-certificates.crt")):
        if file and Path(file).is_file():
            return Path(file).read_bytes()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()  # on Windows from its store
    return "".join(map(ssl.DER_cert_to_PEM_cert, context.get_ca_certs(binary_form=True))).encode() or None


def _of_certificate(failure: ssl.SSLCertVerificationError) -> tuple[Flaw, str]:
    for codes, flaw in _FLAWS:
        if failure.verify_code in codes:
            return flaw, flaw.value
    return Flaw.OTHER, f"shows a certificate that can't be accepted: {failure.verify_message}"


async def _handshake(there: Address, context: ssl.SSLContext, *, name: str) -> tuple[bool, int | None]:
    """Shake hands; tells whether the server then goes on, as HTTP/2 servers do by themselves, instead of hanging up, and when
    its certificate ends.

    With TLS 1.3 a server looks at its caller's certificate only when the caller already takes the handshake for done.
    """
    reader, writer = await asyncio.open_connection(there.host, there.port, ssl=context, server_hostname=name)
    ends = (writer.get_extra_info("peercert") or {}).get("notAfter")
    not_after_ms = ssl.cert_time_to_seconds(ends) * 1000 if ends else None
    try:
        return bool(await reader.read(1)), not_after_ms
    except (ssl.SSLError, ConnectionError):
        return False, not_after_ms
    finally:
        writer.transport.abort()


async def _speaks_tls(there: Address) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: the question is only what is spoken there
    context.set_alpn_protocols(["h2"])
    try:
        _, writer = await asyncio.open_connection(there.host, there.port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        return False
    writer.transport.abort()
    return True


async def _speaks_plaintext(there: Address) -> bool:
    reader, writer = await asyncio.open_connection(there.host, there.port)
    try:
        writer.write(_PREFACE)
        head = await reader.readexactly(_FRAME_HEAD)
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    finally:
        writer.transport.abort()
    return head[3] == _SETTINGS
