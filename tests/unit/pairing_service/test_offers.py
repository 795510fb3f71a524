"""The offer's machine: its table is total, and what must hold does for every sequence of events."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.ids import AccountId, DeviceId, OfferId
from dispatch_pairing import offers
from dispatch_pairing.limits import Limits
from dispatch_pairing.model import Device, Role
from dispatch_pairing.offers import STEPS, Change, Event, Offer, State
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import integers, sampled_from

LIMITS = Limits()
TOKEN = b"t" * 32
ADA, BOB = AccountId(b"ada." * 4), AccountId(b"bob." * 4)
HOST = DeviceId(b"host" * 4)

# What the facts can't be: nobody contests an offer that nobody has, only a finished offer is completed late, and
# only a running one counts misses, runs out or is replaced.
IMPOSSIBLE = {
    (State.OPEN, Event.CONTEST),
    *((state, Event.COMPLETE_LATE) for state in State if state is not State.ENDED),
    *((state, event) for state in (State.COMPLETE, State.ENDED) for event in (Event.REPLACE, Event.EXPIRE)),
    *((state, Event.LAST_MISS) for state in (State.COMPLETE, State.ENDED)),
}


def device(name: str, account: AccountId = ADA, role: Role = Role.PHONE) -> Device:
    key = hashlib.sha256(name.encode()).digest()
    return Device(device_id=DeviceId(key[:16]), account_id=account, key=key, role=role, name=name, created_ms=0)


POCKET, TABLET, STRANGER = device("pocket"), device("tablet"), device("stranger", BOB)


def fresh(now_ms: int = 0) -> Offer:
    return Offer(
        offer_id=OfferId(b"o" * 16),
        host_id=HOST,
        account_id=ADA,
        claim_token_hash=hashlib.sha256(TOKEN).digest(),
        created_ms=now_ms,
        claim_by_ms=now_ms + LIMITS.claim_ms,
    )


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_state_answers_every_event_or_can_not_see_it(state: State, event: Event) -> None:
    assert ((state, event) in STEPS) is ((state, event) not in IMPOSSIBLE)


def test_no_way_leads_back() -> None:
    order = {State.OPEN: 0, State.CLAIMED: 1, State.ENDED: 2, State.COMPLETE: 3}
    for (before, _), (after, _) in STEPS.items():
        assert order[before] <= order[after]
    leaving_the_end = [event for (before, event), (after, _) in STEPS.items() if before is State.ENDED is not after]
    assert leaving_the_end == [Event.COMPLETE_LATE]


def table() -> str:
    """Draw the table that docs/pairing.md shows."""
    lines = ["| | " + " | ".join(state.value for state in State) + " |", "|---|" + "---|" * len(State)]
    for event in Event:
        cells = []
        for state in State:
            found = STEPS.get((state, event))
            if found is None:
                cells.append("–")
                continue
            after, refusal = found
            where = "" if after is state else f"→ {after.value}"
            if refusal is None:
                told = "" if where else "stays"
            elif refusal.value is None:
                told = "refused with why it ended"
            else:
                told = "refused: " + Reason.Name(refusal.value).removeprefix("REASON_")
            cells.append(", ".join(part for part in (where, told) if part))
        lines.append(f"| {event.value} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def test_the_documented_table_is_the_one_in_the_code() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "pairing.md"

    assert table() in page.read_text("utf-8")


def test_the_time_is_over_at_its_end_and_not_before() -> None:
    offer = fresh()

    assert offers.at(offer, LIMITS.claim_ms - 1) == offer
    over = offers.at(offer, LIMITS.claim_ms)
    assert (over.state, over.reason) == (State.ENDED, Reason.REASON_OFFER_EXPIRED)


def test_a_clock_set_back_does_not_revive_an_offer() -> None:
    over = offers.at(fresh(), LIMITS.claim_ms)

    change = offers.claim(over, POCKET, TOKEN, now_ms=0, limits=LIMITS)

    assert change == Change(offer=over, refusal=Reason.REASON_OFFER_EXPIRED)


def test_whose_offer_was_replaced_hears_that_and_not_that_the_time_is_over() -> None:
    replaced = offers.supersede(fresh(), now_ms=1)

    change = offers.claim(replaced, POCKET, TOKEN, now_ms=1, limits=LIMITS)

    assert change == Change(offer=replaced, refusal=Reason.REASON_OFFER_REPLACED)


def test_what_both_signed_counts_also_when_the_host_has_opened_another_offer_meanwhile() -> None:
    claimed = offers.claim(fresh(), POCKET, TOKEN, now_ms=1, limits=LIMITS).offer

    change = offers.complete(offers.supersede(claimed, now_ms=2), host_id=HOST, phone_id=POCKET.device_id, now_ms=2)

    assert (change.offer.state, change.refusal) == (State.COMPLETE, None)


def test_misses_are_not_counted_on_an_offer_that_is_over() -> None:
    over = offers.at(fresh(), LIMITS.claim_ms)

    assert offers.claim(over, POCKET, b"wrong", now_ms=LIMITS.claim_ms, limits=LIMITS).offer == over


def test_the_token_is_not_in_what_is_printed() -> None:
    assert hashlib.sha256(TOKEN).hexdigest() not in repr(fresh())
    assert "claim_token_hash" not in repr(fresh())


class OfferMachine(RuleBasedStateMachine):
    """Whatever happens to an offer, in any order and at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.offer = fresh()
        self.claimer: DeviceId | None = None
        self.completed = False
        self.refused = False

    def take(self, change: Change) -> None:
        before, self.offer = self.offer, change.offer
        assert self.offer.misses >= before.misses
        assert self.offer.contested >= before.contested

    @rule(ms=integers(0, 130_000))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @rule(phone=sampled_from([POCKET, TABLET, STRANGER]), token=sampled_from([TOKEN, b"wrong", b""]))
    def claim(self, phone: Device, token: bytes) -> None:
        change = offers.claim(self.offer, phone, token, now_ms=self.now_ms, limits=LIMITS)
        if change.refusal is None:
            assert token == TOKEN
            assert phone is not STRANGER
            assert self.claimer in (None, phone.device_id)
            self.claimer = phone.device_id
        self.take(change)

    @rule()
    def step(self) -> None:
        change = offers.step(self.offer, now_ms=self.now_ms)
        assert (change.refusal is None) == (change.offer.state in (State.CLAIMED, State.COMPLETE))
        self.take(change)

    @rule(reason=sampled_from(sorted(offers.END_REASONS)))
    def end(self, reason: Reason.ValueType) -> None:
        self.take(offers.end(self.offer, reason, now_ms=self.now_ms))

    @rule()
    def replace(self) -> None:
        self.take(Change(offer=offers.supersede(self.offer, now_ms=self.now_ms)))

    @rule(phone=sampled_from([POCKET, TABLET]))
    def complete(self, phone: Device) -> None:
        change = offers.complete(self.offer, host_id=HOST, phone_id=phone.device_id, now_ms=self.now_ms)
        if change.refusal is None:
            assert phone.device_id == self.claimer
            self.completed = True
        self.take(change)

    @rule()
    def complete_by_another_host(self) -> None:
        change = offers.complete(self.offer, host_id=DeviceId(b"x" * 16), phone_id=POCKET.device_id, now_ms=self.now_ms)
        assert change.refusal == Reason.REASON_ATTESTATION_MISMATCH
        self.take(change)

    @invariant()
    def facts_fit(self) -> None:
        offer = self.offer
        assert offer.phone_id == self.claimer
        assert (offer.reason is not None) == (offer.state is State.ENDED)
        assert (offer.state is State.COMPLETE) == self.completed
        assert (offer.phone_id is None) == (offer.confirm_by_ms is None)
        assert offer.phone_id is not None or offer.state in (State.OPEN, State.ENDED)
        assert offer.misses <= LIMITS.misses
        assert offer.misses < LIMITS.misses or offer.ends_ms is None
        later = offers.at(offer, self.now_ms)
        assert later == offers.at(later, self.now_ms)
        if later.ends_ms is not None:
            assert self.now_ms < later.ends_ms <= LIMITS.claim_ms + LIMITS.confirm_ms
        assert replace(later, state=offer.state, reason=offer.reason) == offer


TestOfferMachine = OfferMachine.TestCase
TestOfferMachine.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
