"""What counts against somebody's attempts at a password: being wrong, and nothing that is the service's own trouble."""

from __future__ import annotations

import asyncio

import pytest
from dispatch.errors import Internal, RateLimited, SignInFailed, StoreFailed
from dispatch_pairing.attempts import Attempts
from dispatch_pairing.limits import Rate

from tests.support.pairing_service import HandClock, with_limits


def attempt(attempts: Attempts, ends: BaseException | None) -> None:
    """Make an attempt that ends like this."""
    with attempts.one("ada", "192.0.2.1"):
        if ends is not None:
            raise ends


@pytest.mark.parametrize(
    ("ends", "counts"),
    [
        (None, False),
        (SignInFailed(), True),
        (StoreFailed("the disk is full"), False),
        (RateLimited("too many passwords at once"), False),
        (Internal(), False),
        # Else somebody could have passwords checked without end by hanging up.
        (asyncio.CancelledError(), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_attempt_counts_when_the_password_was_wrong(ends: BaseException | None, counts: bool) -> None:
    attempts = Attempts(clock=HandClock(), limits=with_limits(per_account=Rate(burst=1, refill_ms=60_000)))
    if ends is None:
        attempt(attempts, ends)
    else:
        with pytest.raises(type(ends)):
            attempt(attempts, ends)

    if counts:
        with pytest.raises(RateLimited, match="too many failed attempts"):
            attempt(attempts, None)
    else:
        attempt(attempts, None)
