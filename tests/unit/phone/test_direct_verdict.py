"""Explores the commit point of the direct path: whatever breaks in whatever order, nothing refused runs and nothing runs twice."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mobile_sim.direct_verdict import STEPS, Event, Status

from tests.support.direct_model import Host, Line, Phone


def test_every_pair_is_decided_and_a_verdict_is_final() -> None:
    assert set(STEPS) == {(status, event) for status in Status for event in Event}
    for (status, _), step in STEPS.items():
        assert step.status is status or status is Status.OPEN


class DirectPath(RuleBasedStateMachine):
    """Phone, host, the direct path, and the relay's for what is said in passing; every rule is one thing that may happen next."""

    def __init__(self) -> None:
        super().__init__()
        self.phone, self.host = Phone(), Host()
        self.relayed = Line()
        self.old: list[Line] = []
        self.posted = 0
        self.the_direct_path_opens()

    @rule()
    def the_direct_path_opens(self) -> None:
        self._break()
        self.phone.direct = self.host.direct = Line()
        self.host.ask_again(self.relayed)

    @precondition(lambda self: self.phone.direct is not None)
    @rule()
    def the_phone_posts(self) -> None:
        self.posted += 1
        self.phone.post(f"m{self.posted}")

    @rule()
    def the_host_reads_the_direct_path(self) -> None:
        if self.host.direct is not None and self.host.direct.up:
            self.host.receive(self.host.direct.up.popleft(), self.host.direct, willing=True)

    @rule()
    def the_host_declines_what_comes_next(self) -> None:
        if self.host.direct is not None and self.host.direct.up:
            self.host.receive(self.host.direct.up.popleft(), self.host.direct, willing=False)

    @rule()
    def the_phone_reads_the_direct_path(self) -> None:
        if self.phone.direct is not None and self.phone.direct.down:
            self.phone.receive(self.phone.direct.down.popleft(), self.relayed)

    @rule()
    def the_host_reads_by_the_relay(self) -> None:
        if self.relayed.up:
            self.host.receive(self.relayed.up.popleft(), self.relayed, willing=True)

    @rule()
    def the_phone_reads_by_the_relay(self) -> None:
        if self.relayed.down:
            self.phone.receive(self.relayed.down.popleft(), self.relayed)

    @precondition(lambda self: self.old)
    @rule(data=st.data())
    def the_host_reads_what_lay_in_an_old_buffer(self, data: st.DataObject) -> None:
        line = data.draw(st.sampled_from(self.old))
        if line.up:
            self.host.receive(line.up.popleft(), line, willing=True)

    # ---- things break

    @rule()
    def the_phone_loses_the_direct_path_first(self) -> None:
        if self.phone.direct is not None:
            self.old.append(self.phone.direct)
        self.phone.lose_path(self.relayed)

    @rule()
    def the_host_loses_the_direct_path_first(self) -> None:
        self.host.direct = None
        self.host.ask_again(self.relayed)

    @rule()
    def the_relay_loses_what_was_said_in_passing(self) -> None:
        self.relayed.up.clear()
        self.relayed.down.clear()

    @precondition(lambda self: self.phone.verdicts)
    @rule(data=st.data())
    def time_is_over_for_a_command(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(sorted(self.phone.verdicts)))
        self.phone.late.add(message)
        self.host.in_time.discard(message)
        if data.draw(st.booleans()):  # the timer may fire later than the clock says so
            self.phone.meet(message, Event.TIME_OVER, self.relayed)

    @rule()
    def the_host_crashes(self) -> None:
        self._break()
        self.host.crash()

    @rule()
    def the_phone_crashes(self) -> None:
        self._break()

    def _break(self) -> None:
        if self.phone.direct is not None:
            self.old.append(self.phone.direct)
        self.host.direct = None
        self.phone.lose_path(self.relayed)

    # ---- what must hold

    @invariant()
    def nothing_runs_without_the_phones_go(self) -> None:
        assert all(self.phone.verdicts[message] is Status.TAKEN for message in self.host.runs)

    @invariant()
    def nothing_runs_twice(self) -> None:
        assert all(count == 1 for count in self.host.runs.values())

    @invariant()
    def a_command_has_one_verdict(self) -> None:
        assert all(len(verdicts) == 1 for verdicts in self.phone.decided.values())

    def teardown(self) -> None:
        """The path opens again and all is read: then both ends know the same of every command."""
        self.the_direct_path_opens()
        for _ in range(4 * (self.posted + 1) + len(self.relayed.up) + len(self.relayed.down)):
            self.the_host_reads_the_direct_path()
            self.the_phone_reads_the_direct_path()
            self.the_host_reads_by_the_relay()
            self.the_phone_reads_by_the_relay()
        for message, verdict in self.phone.verdicts.items():
            state = self.host.journal.get(message)
            assert verdict in {Status.TAKEN, Status.REFUSED}
            assert state in ({"started", "over"} if verdict is Status.TAKEN else {None, "withdrawn"}), (message, state)
        self.nothing_runs_twice()


DirectPath.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
TestDirectPath = DirectPath.TestCase
