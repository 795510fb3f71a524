"""Calls the person of a pairing, unless they look, and keeps what became of it. Used by `keeping` and `watch`.

A call is owed from the transaction that its cause is stored in until its outcome is stored: a relay that is killed in between
calls when it is back, and one that has called does not call again. docs/protocol.md "Calling a person".
"""

from __future__ import annotations

from collections.abc import Sequence

from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import short
from dispatch.runtime.logs import get_logger

from dispatch_relay.log import Called
from dispatch_relay.place import Place, nothing
from dispatch_relay.presence import End
from dispatch_relay.push import OwedCall, PushOutcome

_log = get_logger()


class Calling:
    """The calls to the person of a place."""

    def __init__(self, place: Place, owed: Sequence[OwedCall], *, phone_acked: int) -> None:
        self._place = place
        self._left = owed  # by the relay before this one
        self._left_acked = phone_acked
        self._held: list[OwedCall] = []  # the host comes and goes, and may be back in a moment

    def recover(self) -> None:
        """Take up what the relay before this one owed, when it is known how the host is."""
        place, left, self._left = self._place, self._left, ()
        for owed in left:
            if not owed.seq:
                self._held.append(owed)
            elif (
                owed.seq <= self._left_acked and not owed.due_ms
            ):  # else it was decided to call, whatever a phone in a pocket has
                self._became(PushOutcome.SUPPRESSED_LOOKING, owed)  # the phone has it
            else:
                self.call(owed)
        if place.presence[End.HOST].absent and place.open_tasks:
            self.call_held()
        else:
            self.let_be()  # should it not come back, that is a call of its own

    def call(self, owed: OwedCall) -> None:
        """Call the person, unless they look."""
        if self._looked_at():
            self._became(PushOutcome.SUPPRESSED_LOOKING, owed)
        else:
            self._place.tools.spawn(self._push(owed))

    def hold_back(self, owed: OwedCall) -> None:
        """Do not call the person yet: the host comes and goes, and they were called for that."""
        if self._place.presence[End.HOST].absent:
            self._held.append(owed)
        else:
            self._became(PushOutcome.SUPPRESSED_UNSTEADY, owed)

    def let_be(self) -> None:
        """The host is there: nobody needs to be called for that it was not."""
        held, self._held = self._held, []
        for owed in held:
            self._became(PushOutcome.SUPPRESSED_UNSTEADY, owed)

    def call_held(self) -> None:
        """The host stays away: call once for all that was held back."""
        if self._held:
            last = self._held.pop()
            self.let_be()
            self.call(last)

    def looked(self) -> None:
        """A person looks: whatever they were to be called for, they see it."""
        self._place.tools.push.looked(self._place.pair_id)

    def forget(self) -> None:
        """The pairing is over, and the store has forgotten what was owed."""
        self._held = []
        self._place.tools.push.forget(self._place.pair_id)

    def _looked_at(self) -> bool:
        phone = self._place.streams.get(End.PHONE)
        return phone is not None and phone.looking and not self._place.presence[End.PHONE].absent

    async def _push(self, owed: OwedCall) -> None:
        self._became(await self._place.tools.push.call(self._place.pair_id, owed), owed)

    def _became(self, outcome: PushOutcome, owed: OwedCall) -> None:
        place = self._place
        place.tools.metrics.pushed(outcome)
        name = pb.PushHint.Name(owed.hint).removeprefix("PUSH_HINT_").lower()
        _log.info("push", outcome=outcome.value, hint=name, pairing=short(place.pair_id))
        if owed.number:
            place.submit(Called(owed.number, outcome), nothing)
