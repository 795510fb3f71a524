"""The only way out of the browser's sandbox: SOCKS 5 on a socket that was made in there. The host looks up, decides, and dials.

A name is looked up here and the very address that was allowed is dialled, so that no second look can give another one. Whatever
speaks on the socket may be taken over by a page: every byte is checked, and all of it is bounded. Of RFC 1928 there is
CONNECT, without authentication.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from dispatch_host.browser.reach import Address, Network, Reach, literal

Resolve = Callable[[str], Awaitable[Sequence[Address]]]
"""Looks a name up. Raises OSError when there is none of it."""

MOST_CONNECTIONS = 256
MOST_BYTES = 2 * 1024**3
_CHUNK_BYTES = 64 * 1024
_GREETING_SECONDS = 10.0
_DIAL_SECONDS = 15.0
_VERSION, _CONNECT, _NO_AUTHENTICATION = 5, 1, 0


class Reply(IntEnum):
    """What the browser hears, by the numbers of RFC 1928."""

    SUCCEEDED = 0
    NOT_ALLOWED = 2
    HOST_UNREACHABLE = 4
    COMMAND_NOT_SUPPORTED = 7


class _Kind(IntEnum):
    IPV4 = 1
    NAME = 3
    IPV6 = 4


@dataclass(frozen=True, slots=True)
class Target:
    """What the browser wants to reach: a name or an address, as it said it."""

    host: str
    port: int


class Proxy:
    """The proxy of one session. Use it as a context manager around the listening socket of the sandbox."""

    def __init__(
        self,
        listening: socket.socket,
        reach: Reach,
        *,
        resolve: Resolve,
        near: Callable[[], Sequence[Network]],
        refused: Callable[[Target], object] = lambda _: None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`listening` is a bound socket that listens. `near` gives the networks that this computer is in; it may raise OSError.
        `refused` hears what was not allowed.
        """
        # Fixed after __init__.
        self._listening = listening
        self._reach = reach
        self._resolve = resolve
        self._near = near
        self._refused = refused
        # Touched on one loop.
        self._left_bytes = most_bytes
        self._ways: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._take, sock=self._listening, limit=_CHUNK_BYTES)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None  # noqa: S101  entered
        self._server.close()
        for way in self._ways:
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._ways) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        way = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._ways.add(way)
        way.add_done_callback(self._ways.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                target = await _greeting(reader, writer)
            if target is None:
                writer.write(_reply(Reply.COMMAND_NOT_SUPPORTED))
                return
            said, far = await self._dial(target)
            writer.write(_reply(said))
            await writer.drain()
            if far is not None:
                await self._relay(reader, writer, *far)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return  # whoever was there is gone, or never was a browser
        finally:
            writer.close()

    async def _dial(self, target: Target) -> tuple[Reply, tuple[asyncio.StreamReader, asyncio.StreamWriter] | None]:
        address = literal(target.host)
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                found = [address] if address is not None else await self._resolve(target.host)
                near = self._near()
                allowed = [one for one in found if self._reach.allows(one, target.port, near=near)]
                if found and not allowed:
                    self._refused(target)
                    return Reply.NOT_ALLOWED, None
                for one in allowed:
                    with contextlib.suppress(OSError):
                        return Reply.SUCCEEDED, await asyncio.open_connection(str(one), target.port, limit=_CHUNK_BYTES)
        except (OSError, TimeoutError, UnicodeError):
            pass
        return Reply.HOST_UNREACHABLE, None

    async def _relay(
        self,
        near_in: asyncio.StreamReader,
        near_out: asyncio.StreamWriter,
        far_in: asyncio.StreamReader,
        far_out: asyncio.StreamWriter,
    ) -> None:
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(near_in, far_out))
                both.create_task(self._pump(far_in, near_out))
        except* OSError:
            pass  # one end is gone, and the other goes with it
        finally:
            far_out.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            self._left_bytes -= len(data)
            if self._left_bytes < 0:
                raise ConnectionAbortedError
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()


async def _greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Target | None:
    """Read which host is wanted; None for what is not done here. Raises IncompleteReadError, ConnectionError."""
    version, methods = await reader.readexactly(2)
    if version != _VERSION or _NO_AUTHENTICATION not in await reader.readexactly(methods):
        raise ConnectionAbortedError
    writer.write(bytes((_VERSION, _NO_AUTHENTICATION)))
    version, command, _, kind = await reader.readexactly(4)
    if version != _VERSION:
        raise ConnectionAbortedError
    match kind:
        case _Kind.IPV4:
            host = str(IPv4Address(await reader.readexactly(4)))
        case _Kind.IPV6:
            host = str(IPv6Address(await reader.readexactly(16)))
        case _Kind.NAME:
            (length,) = await reader.readexactly(1)
            name = await reader.readexactly(length)
            host = name.decode("ascii", "replace")
        case _:
            return None
    port = int.from_bytes(await reader.readexactly(2))
    return Target(host, port) if command == _CONNECT and host.isprintable() and port else None


def _reply(said: Reply) -> bytes:
    return bytes((_VERSION, said, 0, _Kind.IPV4)) + bytes(6)
