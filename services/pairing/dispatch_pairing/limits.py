"""Every bound of the service in one place. Passed in; tests pass smaller ones. docs/pairing.md repeats the table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

_SECOND_MS = 1_000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS

GRANT_BACKDATE_MS = _MINUTE_MS
GRANT_MS_MOST = _DAY_MS - GRANT_BACKDATE_MS
"""From not_before to not_after the contract allows 24 h."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` at once, and one more each `refill_ms`."""

    burst: int
    refill_ms: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may ask of the service, and how long things stand."""

    claim_ms: int = 120 * _SECOND_MS
    """An offer waits so long for a phone (product row P2)."""
    confirm_ms: int = 120 * _SECOND_MS
    """A claimed offer waits so long for both people (product row P2)."""
    offers_per_hour: int = 20
    """New codes of one host: each gives a middle man one guess in a million."""
    offer_hour_ms: int = _HOUR_MS
    misses: int = 5
    """Wrong claim tokens until the offer ends."""
    offer_kept_ms: int = _DAY_MS
    """An offer and its opaque steps are forgotten after this."""
    step_bytes: int = 4_096
    request_bytes: int = 16 * 1_024
    """Of a device."""
    report_bytes: int = 256 * 1_024
    """Of another service."""
    sign_in_ms: int = 30 * _DAY_MS
    """A sign-in ends when it was not used for this long."""
    sign_in_step_ms: int = _HOUR_MS
    """The end of a sign-in is moved, and its token replaced, at most so often: reading must not mean writing."""
    nonce_ms: int = 10 * _MINUTE_MS
    grant_ms: int = GRANT_MS_MOST
    """The operator may set less."""
    grant_backdate_ms: int = GRANT_BACKDATE_MS
    """A relay's clock may be behind by this much and still take a grant just issued."""
    clock_tolerance_ms: int = 10 * _MINUTE_MS
    """How far off the clocks of hosts may be that judge a grant (docs/encryption.md, Session)."""
    seen_step_ms: int = _MINUTE_MS
    """That a device was seen is noted at most so often."""
    farewells: int = 100
    """Pairings that the service does not know and that one device may say goodbye to; the oldest goes."""
    follows: int = 8
    """Streams that one device, or relays of one address, may have open."""
    relays: int = 256
    """Relay addresses kept at once."""
    relay_seen_ms: int = 60 * _SECOND_MS
    """A relay whose stream broke is still handed out for this long."""
    heartbeat_ms: int = 15 * _SECOND_MS
    """FollowTrust says something at least so often; the contract allows 20 s."""
    look_again_ms: int = 5 * _SECOND_MS
    """Whoever waits for the bell looks at the store at least so often: a ring may be lost on the way from another service."""
    trust_chunk: int = 1_000
    """Ended pairings in one message of the trust feed."""
    reports: int = 1_000
    """Reports of tasks in one call of a relay."""
    history_ms: int = 90 * _DAY_MS
    """What is known of a task is forgotten so long after it was posted."""
    forget_ms: int = _HOUR_MS
    """How often what is over is looked for (docs/retention.md)."""
    forget_rows: int = 1_000
    """So many of a kind are forgotten in one transaction: whoever writes meanwhile waits for no more than that."""
    history_page: int = 500
    """Most tasks in one answer."""
    per_account: Rate = field(default_factory=lambda: Rate(burst=10, refill_ms=30 * _SECOND_MS))
    """Failed attempts on the password of one account."""
    per_address: Rate = field(default_factory=lambda: Rate(burst=30, refill_ms=5 * _SECOND_MS))
    """Failed attempts on passwords from one address."""
    sign_ups: Rate = field(default_factory=lambda: Rate(burst=20, refill_ms=3 * _MINUTE_MS))
    """Accounts made, and not made, from one address."""
    provider_per_address: Rate = field(default_factory=lambda: Rate(burst=20, refill_ms=15 * _SECOND_MS))
    """Codes of the provider that are asked for from one address."""
    provider_attempts: int = 1_000
    """Sign-ins that may wait for their person at the provider at once."""
    provider_again_ms: int = _MINUTE_MS
    """A device whose answer was lost may ask once more within this time."""
    guesses_per_account: Rate = field(default_factory=lambda: Rate(burst=20, refill_ms=30 * _SECOND_MS))
    """Wrong claim tokens of the phones of one account."""
    guesses_per_address: Rate = field(default_factory=lambda: Rate(burst=60, refill_ms=10 * _SECOND_MS))
    """Wrong claim tokens from one address."""
    buckets: int = 10_000
    """Accounts or addresses whose failures are remembered at once."""
    answers: int = 256
    """Answers under way at once, up to which those whose callers have hung up go to their end."""
    passwords_waiting: int = 64
    """Passwords that may wait to be checked or hashed before more are sent away."""
    web_idle_ms: int = 30 * _MINUTE_MS
    """A browser's session ends when it was not used for this long."""
    web_session_ms: int = 12 * _HOUR_MS
    """It ends after this however much it is used."""
    web_step_ms: int = _MINUTE_MS
    """The end of a session is moved at most so often: reading must not mean writing."""
    web_sessions: int = 20
    """Sessions of one account; a further one ends the oldest."""
    web_fresh_ms: int = 5 * _MINUTE_MS
    """For so long after it was opened, a session of an account without a password may do what others need it for."""
    web_read_ms: int = 10 * _SECOND_MS
    """A form has to arrive within this."""
    web_connections: int = 256
    """Connections of browsers at once; further ones are sent away."""
    web_tasks: int = 25
    """Tasks on one page of the history."""

    def keeping_history(self, *, days: int) -> Limits:
        """Give the same limits, but for how long the history is kept."""
        return replace(self, history_ms=days * _DAY_MS)
