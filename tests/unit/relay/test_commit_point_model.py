"""Explores the commit point: whatever breaks in whatever order, no fate is unknown and nothing refused runs."""

from __future__ import annotations

from dispatch_relay import presence, verdict
from dispatch_relay.verdict import Status
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.commit_model import Host, Line, Phone, Relay


class CommitPoint(RuleBasedStateMachine):
    """Phone, relay and host; every rule is one thing that may happen next."""

    def __init__(self) -> None:
        super().__init__()
        self.relay, self.host, self.phone = Relay(), Host(), Phone()
        self.posted = 0
        self.the_phone_attaches()
        self.the_host_attaches()

    # ---- people and devices

    @rule()
    def the_phone_posts(self) -> None:
        self.posted += 1
        self.phone.post(f"m{self.posted}")

    @precondition(lambda self: self.phone.outbox)
    @rule(data=st.data())
    def the_phone_posts_again(self, data: st.DataObject) -> None:
        self.phone.post(data.draw(st.sampled_from(self.phone.outbox)))

    @rule()
    def the_phone_attaches(self) -> None:
        if self.phone.line is not None:
            self.phone.line.device_open = False
        self.phone.line = Line()
        known = self.relay.attach_phone(self.phone.line, self.phone.resume_after)
        self.phone.given_up |= {*self.phone.outbox} - known

    @rule()
    def the_host_attaches(self) -> None:
        if self.host.line is not None:
            self.host.line.device_open = False
        self.host.line = Line()
        self.relay.attach_host(self.host.line, self.host.resume_after)

    # ---- frames move, one at a time

    @rule()
    def the_relay_reads_the_phone(self) -> None:
        line = self.relay.phone_line
        if line is not None and line.up:
            self.relay.receive(line, line.up.popleft())

    @rule()
    def the_relay_reads_the_host(self) -> None:
        line = self.relay.host_line
        if line is not None and line.up:
            self.relay.receive(line, line.up.popleft())

    @rule()
    def the_relay_writes_to_the_phone(self) -> None:
        if self.relay.phone_line is not None:
            self.relay.write(self.relay.phone_line)

    @rule()
    def the_relay_writes_to_the_host(self) -> None:
        if self.relay.host_line is not None:
            self.relay.write(self.relay.host_line)

    @rule()
    def the_phone_reads(self) -> None:
        if self.phone.line is not None and self.phone.line.down:
            self.phone.receive(self.phone.line.down.popleft())

    @rule(willing=st.booleans())
    def the_host_reads(self, willing: bool) -> None:
        # Also from the buffer of a line that the relay has given up long ago: a process that thaws does just that.
        if self.host.line is not None and self.host.line.down:
            self.host.receive(self.host.line.down.popleft(), willing=willing)

    @rule(rounds=st.integers(1, 4))
    def all_goes_well_for_a_while(self, rounds: int) -> None:
        for _ in range(rounds):
            self._anything_moves()

    # ---- things break

    @rule()
    def the_hosts_line_breaks(self) -> None:
        self.relay.lose_host(presence.Event.BROKE)

    @rule()
    def the_hosts_lease_is_lost(self) -> None:
        self.relay.lose_host(presence.Event.LEASE_LOST)

    @rule()
    def the_grace_is_over(self) -> None:
        if self.relay.host.standing is presence.Standing.RECONNECTING and self.relay.host_line is None:
            self.relay.meet(presence.Event.GRACE_OVER)

    @precondition(lambda self: self.relay.host_line is not None)
    @rule(
        said=st.sampled_from(
            [presence.Event.SAID_ASLEEP, presence.Event.SAID_APP_CLOSED, presence.Event.SAID_RESTARTING]
        )
    )
    def the_host_says_why_it_goes(self, said: presence.Event) -> None:
        self.relay.meet(said)

    @rule()
    def the_host_crashes(self) -> None:
        self.host.crash()

    @rule()
    def the_relay_crashes(self) -> None:
        self.relay.crash()

    @precondition(lambda self: self.relay.status)
    @rule(data=st.data())
    def time_is_over_for_a_post(self, data: st.DataObject) -> None:
        # The clock says so, whatever the verdict was; the timer may fire later.
        self.relay.overdue.add(data.draw(st.sampled_from(sorted(self.relay.status))))

    @precondition(lambda self: self.relay.overdue)
    @rule(data=st.data())
    def the_timer_fires(self, data: st.DataObject) -> None:
        self.relay.decide(data.draw(st.sampled_from(sorted(self.relay.overdue))), verdict.Event.GIVEN_UP)

    @rule()
    def the_relay_writes_what_it_held(self) -> None:
        self.relay.write_held()

    @rule()
    def the_relay_can_not_write_what_it_held(self) -> None:
        self.relay.fail_to_write()

    # ---- what must hold

    @invariant()
    def nothing_refused_runs(self) -> None:
        for row in self.relay.rows:
            assert row.accepted or row.message not in self.host.runs

    @invariant()
    def nothing_runs_without_its_permission(self) -> None:
        accepted = {row.message for row in self.relay.rows if row.accepted}
        assert set(self.host.runs) <= accepted

    @invariant()
    def nothing_accepted_is_withdrawn(self) -> None:
        accepted = {row.message for row in self.relay.rows if row.accepted}
        assert not accepted & self.host.withdrawn

    @invariant()
    def nothing_is_accepted_that_its_phone_takes_for_never_stored(self) -> None:
        assert not {row.message for row in self.relay.rows if row.accepted} & self.phone.given_up

    @invariant()
    def nothing_runs_twice(self) -> None:
        assert all(count == 1 for count in self.host.runs.values())

    @invariant()
    def a_post_has_one_verdict(self) -> None:
        messages = [row.message for row in self.relay.rows]
        assert len(messages) == len(set(messages))

    @invariant()
    def a_post_has_one_answer_however_often_it_is_posted(self) -> None:
        assert all(len(answers) == 1 for answers in self.phone.answers.values())

    @invariant()
    def rows_reach_both_ends_in_order_without_gaps(self) -> None:
        for seen in (self.phone.seen, self.host.seen):
            assert seen == list(range(1, len(seen) + 1))

    def teardown(self) -> None:
        """Everybody comes back and time goes on: then every post is answered."""
        self.the_phone_attaches()
        self.the_host_attaches()
        for message in self.phone.outbox:
            self.phone.post(message)
        while self._anything_moves():
            pass
        self.relay.write_held()
        for message in self.relay.pending():
            self.relay.decide(message, verdict.Event.GIVEN_UP)
        while self._anything_moves():
            pass
        assert set(self.phone.answers) == set(self.phone.outbox)
        assert Status.PENDING not in self.relay.status.values()
        self.nothing_refused_runs()
        self.nothing_runs_twice()
        self.a_post_has_one_answer_however_often_it_is_posted()
        self.rows_reach_both_ends_in_order_without_gaps()

    def _anything_moves(self) -> bool:
        before = self._books()
        for step in (
            self.the_relay_reads_the_phone,
            self.the_relay_reads_the_host,
            self.the_relay_writes_to_the_phone,
            self.the_relay_writes_to_the_host,
            self.the_phone_reads,
        ):
            step()
        self.the_host_reads(willing=True)
        return before != self._books()

    def _books(self) -> tuple[int, ...]:
        lines = [line for line in (self.phone.line, self.host.line) if line is not None]
        cursors = [line.cursor for line in lines]
        return (len(self.relay.rows), *cursors, *(len(queue) for line in lines for queue in (line.up, line.down)))


CommitPoint.TestCase.settings = settings(
    max_examples=400,
    stateful_step_count=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
TestCommitPoint = CommitPoint.TestCase


def test_takes_of_posts_that_could_not_be_stored_withdraw_nothing_that_is_accepted_later() -> None:
    """One Take comes while nothing is stored, the next when the post has come again: found by thinking, not by chance."""
    world = CommitPoint()
    world.the_phone_posts()
    for _ in range(2):
        world.the_relay_reads_the_phone()
        world.the_relay_can_not_write_what_it_held()
        world.the_host_reads(willing=True)
        world.phone.post("m1")
    world.the_relay_reads_the_host()
    world.the_relay_reads_the_phone()
    world.the_relay_reads_the_host()
    world.the_relay_writes_to_the_host()
    world.all_goes_well_for_a_while(4)
    assert world.host.runs == {"m1": 1}
    world.nothing_accepted_is_withdrawn()


def test_a_phone_that_comes_again_while_its_post_is_being_stored_does_not_take_it_for_lost() -> None:
    world = CommitPoint()
    world.the_phone_posts()
    world.the_relay_reads_the_phone()
    world.the_phone_attaches()
    world.all_goes_well_for_a_while(4)
    assert world.host.runs == {"m1": 1}
    world.nothing_is_accepted_that_its_phone_takes_for_never_stored()
