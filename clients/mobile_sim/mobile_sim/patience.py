"""How long a phone waits for what, in seconds: one set of times that `desk` hands to all who wait.

Longer waits hold a person up, shorter ones say "not there" of what is only slow. Tests of something else wait longer.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The times. What a relay's lease decides is not among them (`Ledger.word_within_ms`)."""

    # A command.
    command_seconds: float = 10.0
    """How long it lives, from the moment when the person sent it."""
    connect_seconds: float = 5.0
    """For a path; then it is not sent."""
    shake_seconds: float = 3.0
    """For a session; then it goes without a seal, so that its refusal names the cause."""
    verdict_seconds: float = 2.0
    """For the verdict, behind its own time: the relay counts that from the arrival."""
    cancelled_seconds: float = 15.0
    """For the outcome of a task whose cancellation was taken."""

    # A look.
    sync_seconds: float = 2.0
    """For what is new, before what is known is shown."""
    status_seconds: float = 3.0
    """For a word on how a computer is."""
    presence_seconds: float = 1.0
    """For the relay to say once more how it is."""
    direct_seconds: float = 2.0
    """For the direct path, which is shown if there is one."""
    session_seconds: float = 6.0
    """For a handshake."""
    probe_seconds: float = 5.0
    """For the computer's own answer."""

    # The doctor.
    open_seconds: float = 10.0
    """For the relay to open the thread."""
    found_out_seconds: float = 7.0
    """For a computer that neither answers nor is known to be away, behind the two leases within which it is found out."""

    # A file.
    transfer_ready_seconds: float = 15.0
    """For a host that can be asked, at most: a path and a session."""
    transfer_stuck_seconds: float = 60.0
    """For a transfer that got on once to get on again; one that never did waits as long as a command for a path."""
    transfer_refusal_seconds: float = 0.5
    """For the computer to say why it left a transfer."""

    # The pairing service.
    told_seconds: float = 3.0
    """For it to hear that a pairing was ended here; it is told again the next time."""

    @property
    def posted_ms(self) -> int:
        """Give how long a command may be without a verdict, ms."""
        return round((self.command_seconds + self.verdict_seconds) * 1000)


USUAL = Patience()
