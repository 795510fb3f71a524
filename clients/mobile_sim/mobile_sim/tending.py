"""When a phone shakes hands with its host. Pure: told what happens, it says when the next handshake is due.

docs/encryption.md "Session": one for each connection, when the host is another process than before, when the host says that
it can't open what we send, after a day, and never while the host is away. Called by `line`.
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.sealed.session import HANDSHAKE_LIMIT_MS

BEGIN_WITHIN_MS = 10_000
FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 30_000
_NOT_NAMED = b""


@dataclass(slots=True)
class Tending:
    """What decides about the next handshake."""

    _reachable: bool = False
    _instance: bytes = b""
    """The host's process, as the relay names it."""
    _with: bytes | None = None
    """The process that the session is with; None without a session."""
    _open_since_ms: int | None = None
    """When the handshake was started that has no answer yet."""
    _confirmed_ms: int | None = None
    """When Confirm was sent to which no Begin has come yet."""
    _tries: int = 0
    """Handshakes since the last Begin."""
    _not_before_ms: int = 0

    def host_is(self, *, reachable: bool, instance: bytes) -> None:
        """Hear how the host is, from the relay."""
        if self._with == _NOT_NAMED:
            self._with = (
                instance  # a session of the direct path, where no process is named; if it is another, nothing opens
            )
        self._reachable, self._instance = reachable, instance
        if not reachable:
            self._open_since_ms = None

    def stream_lost(self) -> None:
        """Hear that the stream is gone: the next one begins with a handshake."""
        self._reachable, self._with, self._open_since_ms, self._confirmed_ms = False, None, None, None

    def relay_lost(self) -> None:
        """Hear that the relay's stream is gone, and the direct path is not: the session goes on."""
        self._reachable, self._open_since_ms = False, None

    def started(self, now_ms: int) -> None:
        """Hear that message 1 was sent."""
        self._open_since_ms = now_ms
        self._not_before_ms = now_ms + min(FIRST_WAIT_MS * 2**self._tries, LONGEST_WAIT_MS)
        self._tries = min(self._tries + 1, 16)

    def finished(self, now_ms: int) -> None:
        """Hear that message 2 fitted and Confirm was sent."""
        self._open_since_ms = None
        self._with, self._confirmed_ms = self._instance, now_ms

    def begun(self) -> None:
        """Hear that the host has confirmed the epoch: Begin, or any row of it, was opened."""
        self._confirmed_ms, self._tries, self._not_before_ms = None, 0, 0

    def refused(self) -> None:
        """Hear that the host can't open what was sent (STALE_EPOCH, SESSION_NEEDED), or finds it late though it was not."""
        self._with = None

    def due_in(self, now_ms: int, *, renewal_in_ms: int | None) -> int | None:
        """Tell in how many ms a handshake is due: 0 is now, None is not by the passing of time alone.

        `renewal_in_ms` says in how many the session is old enough for another; None while it is to stay, whatever its age.
        """
        if not self._reachable:
            return None
        if self._open_since_ms is not None:
            left_ms = self._open_since_ms + HANDSHAKE_LIMIT_MS - now_ms
            if left_ms > 0:
                return left_ms
            self._open_since_ms = None
        if self._with == self._instance:
            begin_in_ms = None if self._confirmed_ms is None else self._confirmed_ms + BEGIN_WITHIN_MS - now_ms
            waits = [wait_ms for wait_ms in (renewal_in_ms, begin_in_ms) if wait_ms is not None]
            if not waits:
                return None
            if min(waits) > 0:
                return min(waits)
        return max(0, self._not_before_ms - now_ms)

    @property
    def confirmed(self) -> bool:
        """Whether the host has confirmed the session."""
        return self._with is not None and self._confirmed_ms is None

    @property
    def is_open(self) -> bool:
        """Whether a handshake waits for its answer."""
        return self._open_since_ms is not None
