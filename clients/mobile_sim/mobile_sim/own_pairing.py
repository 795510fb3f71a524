"""What becomes of a line's pairing: it is active once a session shows that the host has it, and over when the host says so.

Noted in the step that learns it; whom it concerns is told behind the step. Called by `talk` and the sides of a `line`.
"""

from __future__ import annotations

from collections.abc import Callable

from dispatch.ids import PairId

from mobile_sim.store import PairingState, Store


class OwnPairing:
    """The pairing of one line."""

    def __init__(
        self, store: Store, pair_id: PairId, *, ended: Callable[[], None], replaced: Callable[[PairId], None]
    ) -> None:
        # Fixed after __init__.
        self._store = store
        self._pair_id = pair_id
        self._ended = ended  # the keys are to go
        self._replaced = replaced  # an older one with this host is over
        # Noted in a step, told behind it.
        self._became_active = False
        self._revoked = False

    def confirmed(self) -> None:
        """Hear that there is a session: the host has the pairing."""
        if self._revoked:
            return  # in this very step: that counts
        own = self._store.pairings.get(self._pair_id)
        if own is not None and (own.state is not PairingState.ACTIVE or own.reason):
            self._store.pairings.set_state(self._pair_id, PairingState.ACTIVE)
            self._became_active = True

    def revoked(self) -> None:
        """Hear from the host that it has ended the pairing."""
        self._store.pairings.set_state(self._pair_id, PairingState.ENDED, reason="HOST_REVOKED")
        self._revoked = True

    def concluded(self) -> bool:
        """Tell whom it concerns, behind the step; gives whether the pairing is over."""
        became_active, revoked = self._became_active, self._revoked
        self.forget()
        if became_active:
            self._replaced(self._pair_id)
        if revoked:
            self._ended()
        return revoked

    def forget(self) -> None:
        """Hear that the step failed: nothing has become of it."""
        self._became_active = self._revoked = False
