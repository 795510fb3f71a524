"""The two ends of a session: who is in which epoch, when a frame counts, what each event of the protocol's table does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dispatch.sealed.chain import Chain, seal
from dispatch.sealed.errors import SealError, Why
from dispatch.sealed.head import Head
from dispatch.sealed.keep import open_keep, prune
from dispatch.sealed.session import (
    HANDSHAKE_LIMIT_MS,
    RENEW_AFTER_MS,
    REPLAYS_KNOWN,
    Busy,
    HostSession,
    NoSession,
    Opened,
    PhoneSession,
    Undecided,
    Unopened,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pairs import GRANT, Ends, counted, make_ends, make_pair

# ---- From nothing to a session ----


def test_a_new_process_can_neither_send_nor_accept_a_command_before_a_handshake() -> None:
    ends = make_ends()
    ends.begin()
    command = ends.phone.seal_command(b"command")
    fresh = make_ends()  # the same keys, another process

    assert not fresh.phone.ready
    assert not fresh.host.ready
    for seal_nothing in (fresh.phone.seal_command, fresh.phone.seal_live, fresh.host.seal_live):
        with pytest.raises(NoSession):
            seal_nothing(b"")
    assert fresh.host.open_command(command, now_ms=0) == Unopened(Why.UNKNOWN_EPOCH)
    assert fresh.phone.open_live(command) == Unopened(Why.UNKNOWN_EPOCH)


def test_after_the_confirmation_all_four_chains_carry() -> None:
    ends = make_ends()
    begun, confirmed = ends.begin()

    assert ends.host.open_command(ends.phone.seal_command(b"do"), now_ms=0) == Opened(b"do", None)
    assert ends.host.open_live(ends.phone.seal_live(b"seen"), now_ms=0) == Opened(b"seen", None)
    assert ends.phone.open_live(ends.host.seal_live(b"partial")) == b"partial"
    sealed, _ = seal(confirmed.keep_chain, b"event", counted("salt"))
    assert open_keep(sealed, [begun.keep_chain]).body == b"event"
    assert ends.phone.epoch == ends.host.epoch == begun.epoch == confirmed.epoch


def test_the_confirmation_tells_what_message_1_said() -> None:
    ends = make_ends()
    ends.shake(head=Head(9, b"9" * 32))

    confirmed = ends.confirm()

    assert (confirmed.grant, confirmed.head, confirmed.version) == (GRANT, Head(9, b"9" * 32), 1)
    assert GRANT.decode() not in repr(confirmed)


def test_a_command_right_behind_message_2_confirms_too() -> None:
    ends = make_ends()
    ends.shake()

    opened = ends.host.open_command(ends.phone.seal_command(b"do"), now_ms=0)

    assert isinstance(opened, Opened)
    assert opened.body == b"do"
    assert opened.confirmed is not None
    ends.host.switch()
    assert ends.host.open_command(ends.phone.seal_command(b"more"), now_ms=0) == Opened(b"more", None)


def test_message_1_alone_changes_nothing_on_the_host() -> None:
    ends = make_ends()
    ends.begin()
    other = make_ends()

    message2 = ends.host.answer(other.phone.start(grant=b"stolen", head=Head(), now_ms=0), now_ms=0)

    assert isinstance(message2, bytes)
    assert ends.host.epoch == ends.phone.epoch
    assert ends.host.open_command(ends.phone.seal_command(b"do"), now_ms=0) == Opened(b"do", None)
    assert ends.phone.open_live(ends.host.seal_live(b"partial")) == b"partial"


def test_a_pending_epoch_is_confirmed_only_by_a_frame_that_opens() -> None:
    ends = make_ends()
    ends.shake()
    confirm = ends.phone.seal_live(b"")

    forged = confirm[:-1] + bytes([confirm[-1] ^ 1])

    assert ends.host.open_live(forged, now_ms=0) == Unopened(Why.BAD_TAG)
    assert not ends.host.ready
    opened = ends.host.open_live(confirm, now_ms=0)
    assert isinstance(opened, Opened)
    assert opened.confirmed is not None


def test_a_frame_of_one_class_does_not_open_as_another() -> None:
    ends = make_ends()
    ends.begin()
    ends.phone.seal_command(b"the first place, which Confirm has used up on the other chain")

    assert ends.host.open_live(ends.phone.seal_command(b"do"), now_ms=0) == Unopened(Why.BAD_TAG)
    assert ends.host.open_command(ends.phone.seal_live(b"seen"), now_ms=0) == Unopened(Why.BAD_TAG)


def test_a_frame_that_comes_back_to_its_sender_does_not_open() -> None:
    ends = make_ends()
    ends.begin()

    assert ends.phone.open_live(ends.phone.seal_live(b"seen")) == Unopened(Why.BAD_TAG)


# ---- The host decides ----


def test_a_refused_grant_leaves_the_host_in_the_old_epoch() -> None:
    ends = make_ends()
    ends.begin()
    old, old_epoch = ends.phone.seal_command(b"old"), ends.host.epoch
    ends.shake()
    opened = ends.host.open_command(ends.phone.seal_command(b"do"), now_ms=0)
    assert isinstance(opened, Opened)
    assert opened.confirmed is not None

    ends.host.refuse()

    assert ends.host.epoch == old_epoch
    assert ends.host.open_command(old, now_ms=0) == Opened(b"old", None)
    assert ends.host.open_command(ends.phone.seal_command(b"again"), now_ms=0) == Unopened(Why.UNKNOWN_EPOCH)


def test_between_the_confirmation_and_the_decision_nothing_else_may_happen() -> None:
    ends = make_ends()
    ends.shake()
    command = ends.phone.seal_command(b"do")
    ends.host.open_live(ends.phone.seal_live(b""), now_ms=0)

    for take in (ends.host.open_command, ends.host.open_live, ends.host.answer):
        with pytest.raises(Undecided):
            take(command, now_ms=0)
    ends.host.switch()
    assert ends.host.open_command(command, now_ms=0) == Opened(b"do", None)


def test_there_is_nothing_to_switch_to_without_a_confirmation() -> None:
    ends = make_ends()
    ends.shake()
    with pytest.raises(NoSession):
        ends.host.switch()


def test_after_the_switch_the_old_epoch_is_gone() -> None:
    ends = make_ends()
    ends.begin()
    old_command, old_live = ends.phone.seal_command(b"old"), ends.host.seal_live(b"old")

    ends.begin()

    assert ends.host.open_command(old_command, now_ms=0) == Unopened(Why.UNKNOWN_EPOCH)
    assert ends.phone.open_live(old_live) == Unopened(Why.UNKNOWN_EPOCH)


def test_the_host_names_the_epoch_it_seals_in_until_it_has_switched() -> None:
    ends = make_ends()
    first = ends.shake()
    again = ends.shake()
    assert (first.host_epoch, again.host_epoch) == (None, None)
    ends.confirm()

    third = ends.shake()

    assert third.host_epoch == again.epoch


def test_a_host_that_was_started_again_names_the_epoch_of_its_journal() -> None:
    ends = make_ends(keep_epoch=b"journal8")

    assert ends.shake().host_epoch == b"journal8"


# ---- One pending handshake, the newest; limits ----


def test_the_newest_handshake_replaces_the_pending_one() -> None:
    ends = make_ends()
    ends.shake()
    late_confirm = ends.phone.seal_live(b"")

    ends.shake()

    assert ends.host.open_live(late_confirm, now_ms=0) == Unopened(Why.UNKNOWN_EPOCH)
    ends.confirm()


def test_message_2_must_fit_the_one_open_handshake() -> None:
    ends = make_ends()
    message2 = ends.host.answer(ends.phone.start(grant=GRANT, head=Head(), now_ms=0), now_ms=0)
    message2_new = ends.host.answer(ends.phone.start(grant=GRANT, head=Head(), now_ms=0), now_ms=0)
    assert isinstance(message2, bytes)
    assert isinstance(message2_new, bytes)

    assert ends.phone.finish(message2, now_ms=0) is None
    assert not ends.phone.ready
    assert ends.phone.finish(b"junk", now_ms=0) is None
    assert ends.phone.finish(message2_new, now_ms=0) is not None
    assert ends.phone.finish(message2_new, now_ms=0) is None


def test_an_open_handshake_does_not_disturb_the_session() -> None:
    ends = make_ends()
    ends.begin()

    ends.phone.start(grant=GRANT, head=Head(), now_ms=0)
    ends.phone.finish(b"junk", now_ms=0)

    assert ends.host.open_command(ends.phone.seal_command(b"do"), now_ms=0) == Opened(b"do", None)


def test_a_handshake_that_takes_longer_than_five_seconds_is_dropped_by_the_phone() -> None:
    ends = make_ends()
    for now_ms, fits in ((HANDSHAKE_LIMIT_MS, True), (HANDSHAKE_LIMIT_MS + 1, False)):
        message2 = ends.host.answer(ends.phone.start(grant=GRANT, head=Head(), now_ms=0), now_ms=now_ms)
        assert isinstance(message2, bytes)
        assert (ends.phone.finish(message2, now_ms=now_ms) is not None) is fits
        assert ends.phone.finish(message2, now_ms=0) is None


def test_a_handshake_that_takes_longer_than_five_seconds_is_dropped_by_the_host() -> None:
    ends = make_ends()
    ends.shake(now_ms=100)
    confirm = ends.phone.seal_live(b"")

    assert ends.host.open_live(confirm, now_ms=100 + HANDSHAKE_LIMIT_MS + 1) == Unopened(Why.UNKNOWN_EPOCH)
    assert ends.host.open_live(confirm, now_ms=100) == Unopened(Why.UNKNOWN_EPOCH)

    ends.shake(now_ms=10_000)
    assert isinstance(ends.host.open_live(ends.phone.seal_live(b""), now_ms=10_000 + HANDSHAKE_LIMIT_MS), Opened)


def test_five_handshakes_at_once_then_one_a_second() -> None:
    ends = make_ends()

    def ask(now_ms: int) -> bytes | Busy | Unopened:
        return ends.host.answer(ends.phone.start(grant=GRANT, head=Head(), now_ms=now_ms), now_ms=now_ms)

    assert all(isinstance(ask(0), bytes) for _ in range(5))
    assert ask(0) == Busy(1_000)
    assert ask(400) == Busy(600)
    assert isinstance(ask(1_000), bytes)
    assert ask(1_000) == Busy(1_000)
    assert all(isinstance(ask(3_600_000), bytes) for _ in range(5))
    assert ask(3_600_000) == Busy(1_000)


def test_messages_that_do_not_open_count_against_the_limit_too() -> None:
    ends = make_ends()
    for _ in range(5):
        assert isinstance(ends.host.answer(b"\x81junk", now_ms=0), Unopened)
    assert isinstance(ends.host.answer(b"\x81junk", now_ms=0), Busy)


def test_a_message_1_that_was_answered_before_is_not_answered_again_and_pushes_nothing_aside() -> None:
    ends = make_ends()
    recorded = ends.phone.start(grant=GRANT, head=Head(), now_ms=0)
    assert isinstance(ends.host.answer(recorded, now_ms=0), bytes)
    ends.shake()

    assert ends.host.answer(recorded, now_ms=0) == Unopened(Why.REPLAYED)

    ends.confirm()


def test_so_many_handshakes_are_remembered_and_what_does_not_open_pushes_none_out() -> None:
    ends = make_ends()
    recorded = [ends.phone.start(grant=GRANT, head=Head(), now_ms=0) for _ in range(REPLAYS_KNOWN + 1)]
    for second, message1 in enumerate(recorded):
        ends.host.answer(message1, now_ms=second * 10_000)
        ends.host.answer(b"\x81junk", now_ms=second * 10_000)

    later = len(recorded) * 10_000
    assert ends.host.answer(recorded[-1], now_ms=later) == Unopened(Why.REPLAYED)
    assert ends.host.answer(recorded[1], now_ms=later) == Unopened(Why.REPLAYED)
    assert isinstance(ends.host.answer(recorded[0], now_ms=later), bytes)


# ---- Time ----


def test_the_phones_epoch_clock_is_never_ahead_of_the_hosts() -> None:
    """Both clocks have nothing in common but their speed; message 2 was written at 1,000,000 and took 700 ms."""
    ends = make_ends()
    message2 = ends.host.answer(ends.phone.start(grant=GRANT, head=Head(), now_ms=50), now_ms=1_000_000)
    assert isinstance(message2, bytes)
    assert ends.phone.finish(message2, now_ms=750) is not None
    ends.host.open_live(ends.phone.seal_live(b""), now_ms=1_000_800)
    ends.host.switch()

    deadline = ends.phone.deadline_ms(now_ms=2_750, valid_for_ms=10_000)

    assert ends.phone.epoch_ms(2_750) == 2_000
    assert ends.host.epoch_ms(1_000_000 + 2_700) == 2_700
    assert deadline == 12_000


def test_there_is_no_epoch_clock_without_a_session() -> None:
    ends = make_ends()
    for clock in (ends.phone.epoch_ms, ends.host.epoch_ms):
        with pytest.raises(NoSession):
            clock(0)


def test_a_session_is_renewed_after_a_day() -> None:
    ends = make_ends()
    assert ends.phone.renewal_in_ms(RENEW_AFTER_MS) is None
    ends.begin(now_ms=5)

    assert RENEW_AFTER_MS == 86_400_000
    assert ends.phone.renewal_in_ms(RENEW_AFTER_MS + 4) == 1
    assert ends.phone.renewal_in_ms(RENEW_AFTER_MS + 5) == ends.phone.renewal_in_ms(RENEW_AFTER_MS + 9) == 0


# ---- Ends ----


def test_a_superseded_stream_drops_everything_but_the_keep_chain() -> None:
    ends = make_ends()
    ends.begin()
    command = ends.phone.seal_command(b"do")

    ends.host.drop()
    ends.phone.drop()

    assert not ends.host.ready
    assert not ends.phone.ready
    assert ends.host.open_command(command, now_ms=0) == Unopened(Why.UNKNOWN_EPOCH)
    assert ends.shake().host_epoch is not None  # the journal's keep chain is still named


def test_a_dropped_phone_ignores_message_2() -> None:
    ends = make_ends()
    message2 = ends.host.answer(ends.phone.start(grant=GRANT, head=Head(), now_ms=0), now_ms=0)
    ends.phone.drop()
    assert isinstance(message2, bytes)
    assert ends.phone.finish(message2, now_ms=0) is None


def test_each_end_takes_only_its_own_keys() -> None:
    pair = make_pair()
    with pytest.raises(ValueError, match="host's"):
        PhoneSession(pair.host, rng=counted("x"))
    with pytest.raises(ValueError, match="phone's"):
        HostSession(pair.phone, keep_epoch=None, rng=counted("x"))


def test_two_copies_of_one_phone_replace_each_others_epoch_and_never_share_a_key() -> None:
    ends = make_ends()
    copy = Ends(PhoneSession(make_pair("ends").phone, rng=counted("copy")), ends.host)
    ends.begin()
    ours = ends.phone.seal_command(b"do")

    copy.begin()

    assert ends.host.open_command(ours, now_ms=0) == Unopened(Why.UNKNOWN_EPOCH)
    assert isinstance(ends.host.open_command(copy.phone.seal_command(b"do"), now_ms=0), Opened)


@given(st.lists(st.integers(0, 7), max_size=12))
def test_replays_drops_and_disorder_never_open_a_frame_twice(order: list[int]) -> None:
    ends = make_ends()
    ends.begin()
    frames = [ends.phone.seal_command(b"%d" % n) for n in range(8)]
    highest = -1
    for n in order:
        opened = ends.host.open_command(frames[n], now_ms=0)
        assert opened == (Opened(b"%d" % n, None) if n > highest else Unopened(Why.TOO_OLD))
        highest = max(highest, n)


# ---- The phone's keep chains ----


def keep(name: str) -> Chain:
    """Make a keep chain of an epoch with that name."""
    begun = make_ends("keep").shake()
    return replace(begun.keep_chain, epoch=name.encode().ljust(8), key=counted(name)(32))


A, B, C, D, E, NEW = (keep(name) for name in "ABCDEN")


@pytest.mark.parametrize(
    ("held", "host_seals_in", "kept"),
    [
        pytest.param((), None, (NEW,), id="first session"),
        pytest.param((A,), A, (A, NEW), id="the host is where the phone thinks"),
        pytest.param((A, B), A, (A, NEW), id="B was never confirmed"),
        pytest.param((A, B, C), A, (A, NEW), id="nor was C"),
        pytest.param((A, B, C), B, (A, B, NEW), id="rows of A may still come"),
        pytest.param((A, B, C, D), D, (B, C, D, NEW), id="four at most"),
        pytest.param((A, B, C, D, E), D, (B, C, D, NEW), id="first those after, then the oldest"),
        pytest.param((A, B, C, D), E, (B, C, D, NEW), id="the phone was restored and does not know E"),
        pytest.param((A, B, C, D), None, (B, C, D, NEW), id="the host lost its journal"),
        pytest.param((), A, (NEW,), id="the phone lost its database"),
    ],
)
def test_message_2_says_which_keep_chains_stay(
    held: tuple[Chain, ...], host_seals_in: Chain | None, kept: tuple[Chain, ...]
) -> None:
    assert prune(held, host_seals_in.epoch if host_seals_in else None, NEW) == kept


def test_a_row_opens_with_the_chain_of_its_epoch_and_frees_older_ones() -> None:
    sealed, turned = seal(B, b"event", counted("salt"))

    assert open_keep(sealed, (A, B, NEW)) == (b"event", (turned, NEW))


def test_a_row_of_the_oldest_chain_frees_nothing() -> None:
    sealed, turned = seal(A, b"event", counted("salt"))

    assert open_keep(sealed, (A, B, NEW)) == (b"event", (turned, B, NEW))


@pytest.mark.parametrize(
    ("sealed", "why"),
    [
        (seal(D, b"event", counted("salt")).sealed, Why.UNKNOWN_EPOCH),
        (seal(replace(A, key=bytes(32)), b"event", counted("salt")).sealed, Why.BAD_TAG),
        (seal(replace(A, n=16_385), b"event", counted("salt")).sealed, Why.TOO_FAR),
        (b"junk", Why.VERSION),
        (b"", Why.MALFORMED),
    ],
)
def test_a_row_that_does_not_open_says_why_and_is_a_hole(sealed: bytes, why: Why) -> None:
    with pytest.raises(SealError) as caught:
        open_keep(sealed, (A, B))
    assert caught.value.why is why


def test_a_row_that_comes_again_after_a_lost_ack_is_too_old_and_nothing_changes() -> None:
    sealed, _ = seal(A, b"event", counted("salt"))
    chains = open_keep(sealed, (A, B)).chains

    with pytest.raises(SealError) as caught:
        open_keep(sealed, chains)
    assert caught.value.why is Why.TOO_OLD


def test_a_row_of_a_freed_chain_is_a_hole() -> None:
    old, _ = seal(A, b"old", counted("salt"))
    new, _ = seal(B, b"new", counted("salt"))
    chains = open_keep(new, (A, B)).chains

    with pytest.raises(SealError) as caught:
        open_keep(old, chains)
    assert caught.value.why is Why.UNKNOWN_EPOCH


def test_rows_sealed_before_and_after_a_switch_all_open_in_order() -> None:
    """The whole row of the table: connect, a new session, rows of both epochs in the log."""
    ends = make_ends()
    begun, confirmed = ends.begin()
    chains = prune((), begun.host_epoch, begun.keep_chain)
    first, host_chain = seal(confirmed.keep_chain, b"1", counted("s1"))
    second, _ = seal(host_chain, b"2", counted("s2"))

    begun, confirmed = ends.begin()
    chains = prune(chains, begun.host_epoch, begun.keep_chain)
    third, _ = seal(confirmed.keep_chain, b"begin", counted("s3"))

    bodies = []
    for sealed in (first, second, third):
        body, chains = open_keep(sealed, chains)
        bodies.append(body)
    assert bodies == [b"1", b"2", b"begin"]
    assert len(chains) == 1


def test_a_confirm_that_was_lost_leaves_the_phone_able_to_read_what_the_host_still_seals() -> None:
    ends = make_ends()
    begun, confirmed = ends.begin()
    chains = prune((), begun.host_epoch, begun.keep_chain)
    for now_ms in range(10_000, 70_000, 10_000):  # handshakes that nobody confirms, as on a bad network
        begun = ends.shake(now_ms)
        chains = prune(chains, begun.host_epoch, begun.keep_chain)
    sealed, _ = seal(confirmed.keep_chain, b"old epoch, still good", counted("s"))

    assert open_keep(sealed, chains).body == b"old epoch, still good"
    assert len(chains) == 2
