"""The bus between processes of the services: how its servers are named, and a connection that never gives up.

Called by the services when the operator names a bus (`--bus FILE`); knows nothing of what is said over it. The bus keeps nothing:
what is published while it is away may be lost, or come late. docs/scale.md is the design, "Setting it up" the operator's part.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from dispatch import secret_file
from dispatch.address import Address
from dispatch.runtime.logs import get_logger
from dispatch.tls import KeyFiles, read_authorities

if TYPE_CHECKING:  # nats is of the extra `scale`, and takes a start a tenth of a second
    from nats.aio.client import Client, Server

_LARGEST_FILE_BYTES = 64 * 1_024
_PORT = 4222
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 2.0
_CONNECT_SECONDS = 2
_PING_SECONDS, _PINGS_UNANSWERED = 5, 2
"""A server that is there and says nothing is given up after 10 s; docs/scale.md has shorter times for what needs them."""
_PENDING_BYTES = 2 * 1_024 * 1_024
"""What may wait while the bus is away; publishing more raises nats.errors.OutboundBufferLimitError."""

_log = get_logger()

Told = Callable[[], Awaitable[None]]
"""Called when the connection is lost, or is there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusOptions:
    """Where the bus is, and who we are there."""

    servers: tuple[Address, ...]
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    """Whose certificates count over TLS; None: the computer's own list."""
    keys: KeyFiles | None = None
    """What to show over TLS."""

    @property
    def urls(self) -> list[str]:
        """The servers as the client wants them, without a secret in them."""
        return [f"{'tls' if self.tls else 'nats'}://{server}" for server in self.servers]

    def context(self) -> ssl.SSLContext | None:
        """Make what TLS needs; None in the clear. Raises ValueError with a sentence for the operator."""
        if not self.tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as for every other connection of ours
        if self.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cadata=read_authorities(self.ca))
        if self.keys is not None:
            try:
                context.load_cert_chain(self.keys.certificate, self.keys.key)
            except (OSError, ssl.SSLError) as failure:
                why = failure.strerror if isinstance(failure, OSError) and failure.strerror else type(failure).__name__
                raise ValueError(f"{self.keys.certificate} and its key can't be used for the bus: {why}") from None
        return context


def read(file: Path, *, ca: Path | None = None, keys: KeyFiles | None = None) -> BusOptions:
    """Read the file with the addresses, one a line; empty lines and those that begin with # don't count.

    `ca` and `keys` are for `tls://`. Raises ValueError with a sentence that names the line and never shows what is in it.
    """
    if find_spec("nats") is None:
        raise ValueError("--bus needs what the extra `scale` installs")
    lines = [
        (number, line)
        for number, text in enumerate(_private_text(file).splitlines(), start=1)
        if (line := text.strip()) and not line.startswith("#")
    ]
    if not lines:
        raise ValueError(f"{file} names no server: one a line, nats://user:password@host:4222 or tls://…")
    found = [_server(line, where=f"{file}, line {number}") for number, line in lines]
    first = found[0]
    for (number, _), other in zip(lines, found, strict=True):
        # It is one bus: servers that are found on the way want the same user, and TLS on some of them protects nobody.
        if (other.tls, other.user, other.password) != (first.tls, first.user, first.password):
            raise ValueError(f"{file}, line {number}: all servers of a bus have one scheme, user and password")
    return BusOptions(
        servers=tuple(server for one in found for server in one.servers),
        tls=first.tls,
        user=first.user,
        password=first.password,
        ca=ca,
        keys=keys,
    )


def _private_text(file: Path) -> str:
    try:
        content = secret_file.read(file, most_bytes=_LARGEST_FILE_BYTES)
    except OSError as failure:
        raise ValueError(f"{file} can't be read: {failure.strerror}") from failure
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8") from None  # its cause would quote the bytes


def _server(line: str, *, where: str) -> BusOptions:
    problem = f"{where}: not nats://user:password@host:4222 or tls://user:password@host:4222"
    try:
        url = urlsplit(line)
        server = Address.parse(_with_port(url))
    except ValueError:
        raise ValueError(problem) from None  # its cause would quote the line
    if url.scheme not in ("nats", "tls") or url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError(problem)
    if (url.username is None) != (url.password is None):
        # A server takes a user alone for a token, of which the operator is told nothing.
        raise ValueError(problem)
    user = None if url.username is None else unquote(url.username)
    password = None if url.password is None else unquote(url.password)
    return BusOptions(servers=(server,), tls=url.scheme == "tls", user=user, password=password)


def _with_port(url: SplitResult) -> str:
    host = url.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{_PORT if url.port is None else url.port}"


async def connect(
    options: BusOptions,
    *,
    name: str,
    disconnected: Told | None = None,
    reconnected: Told | None = None,
) -> Client:
    """Connect, however long that takes, and stay so until the client is closed. `name` is for the server's own lists.

    Subscriptions last over a lost connection, and nobody hears what it says itself. Whoever must start while the bus is away does
    this in a task. Raises ValueError for certificates that can't be used.
    """
    context = options.context()
    client = _client(tls=options.tls)
    told = _Told(name, disconnected=disconnected, reconnected=reconnected)
    try:
        await client.connect(
            options.urls,
            name=name,
            user=options.user,
            password=options.password,
            tls=context,
            no_echo=True,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,  # of the first connection; afterwards _next_server says
            reconnect_to_server_handler=_next_server,
            connect_timeout=_CONNECT_SECONDS,
            ping_interval=_PING_SECONDS,
            max_outstanding_pings=_PINGS_UNANSWERED,
            pending_size=_PENDING_BYTES,
            error_cb=told.failed,
            disconnected_cb=told.disconnected,
            reconnected_cb=told.reconnected,
        )
    except BaseException:
        await client.close()
        raise
    _log.info("bus connected", client=name)
    return client


class _Told:
    """What the client tells, in the log and to its owner."""

    def __init__(self, name: str, *, disconnected: Told | None, reconnected: Told | None) -> None:
        self._name = name
        self._disconnected = disconnected
        self._reconnected = reconnected
        self._said: str | None = None

    async def failed(self, failure: Exception) -> None:
        # The kind and never the words: they may quote what a server said. The same again, twice a second, says nothing new.
        kind = type(failure).__name__
        if kind != self._said:
            self._said = kind
            _log.warning("bus failure", client=self._name, kind=kind)

    async def disconnected(self) -> None:
        _log.warning("bus lost", client=self._name)
        if self._disconnected is not None:
            await self._disconnected()

    async def reconnected(self) -> None:
        self._said = None
        _log.info("bus connected", client=self._name)
        if self._reconnected is not None:
            await self._reconnected()


def _next_server(servers: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
    """Choose the server that failed least, and wait longer the more often it did. Called by the client."""
    chosen = min(servers, key=lambda server: server.reconnects)
    return chosen, min(_FIRST_WAIT_SECONDS * 2 ** min(chosen.reconnects, 10), _LONGEST_WAIT_SECONDS)


def _client(*, tls: bool) -> Client:
    """Make a client that is stricter than nats-py's in two places that have no option."""
    from nats import errors  # noqa: PLC0415 -- see TYPE_CHECKING above
    from nats.aio.client import Client  # noqa: PLC0415 -- as above
    from nats.protocol.parser import PERMISSIONS_ERR  # noqa: PLC0415 -- as above

    class Strict(Client):
        async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
            # The client speaks in the clear when the server says so, password first: whoever is in between could say so.
            if tls and initial_connection and info.get("tls_required") is not True:
                raise errors.SecureConnRequiredError
            await super()._process_info(info, initial_connection)

        async def _process_err(self, err_msg: str) -> None:
            # Else whatever a server complains about closes the client for good, a password that is being changed included.
            if PERMISSIONS_ERR in err_msg.lower():
                await super()._process_err(err_msg)
            else:
                await self._process_op_err(errors.Error("the server ended the connection"))

    return Strict()
