"""Whatever order the words of phone, host, clock, agent and cancel come in, and wherever the process dies: one answer, one outcome.

A stateful test over the very steps that the host runs in its journal, each one transaction. A phone's command is two of them, taken
and gone, with anything in between; a process that dies is followed by the step with which the next one begins.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import SystemClock
from dispatch.ids import MessageId, PairId, TaskId
from dispatch_host import answers, command_steps, questions, steps
from dispatch_host.admission import Readable
from dispatch_host.command_steps import Word
from dispatch_host.journal import schema, tasks, threads
from dispatch_host.journal.values import Pairing, StoredQuestion, StoredTask
from dispatch_host.questions import Heard
from dispatch_host.scribe import Scribe
from dispatch_host.steps import Then
from dispatch_host.tasks import OPEN, OUTCOMES, Event, State
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

PAIR = PairId(b"p" * 16)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


class OneAnswer(RuleBasedStateMachine):
    """One task after the other, and everything that can be said about its questions."""

    def __init__(self) -> None:
        super().__init__()
        self.tx = sqlite3.connect(":memory:", isolation_level=None)
        self.tx.row_factory = sqlite3.Row
        schema.prepare(self.tx)
        self.scribe = Scribe(
            sign=KEY.sign, key=KEY.public_key().public_bytes_raw(), clock=SystemClock(), rng=os.urandom
        )
        self.task: StoredTask | None = None
        self.asked: list[tuple[TaskId, bytes]] = []
        self.taken: list[MessageId] = []  # commands that wait for their go
        self.heard: dict[bytes, Heard] = {}  # what the agent was told first
        self.answered_by: list[str] = []  # who was first with an answer, by question
        self.cancelling = False  # the runner was told to cancel, and has not written the end yet

    def teardown(self) -> None:
        self.tx.close()

    @initialize()
    def paired(self) -> None:
        threads.join(
            self.tx,
            Pairing(
                pair_id=PAIR,
                phone_key=b"f" * 32,
                phone_name="pocket",
                attestation=b"a",
                phone_signature=b"b",
                host_signature=b"c",
            ),
        )

    # ---- The phone: each command is taken, and later gone.

    def takes(self, task_id: bytes, action: pb.Action) -> bool:
        """Have a command journalled; tells whether it was taken."""
        command = pb.UpCommand(
            pair_id=PAIR, task_id=task_id, attempt=1, action=action.SerializeToString(), direct=False
        )
        message_id = MessageId(os.urandom(16))
        refused = command_steps.take(
            self.tx, PAIR, message_id, Readable(command, action), undecided=0, direct=False, takes_words=True
        )
        if refused is None:
            self.taken.append(message_id)
        return refused is None

    @precondition(lambda self: self.now() is None)
    @rule()
    def the_phone_sends_a_task_that_starts(self) -> None:
        task_id = os.urandom(16)
        assert self.takes(task_id, pb.Action(task=pb.Task(text="work"), action_id=task_id))
        self.goes(len(self.taken) - 1)
        ready = steps.start_next(self.tx, self.scribe, agent="by hand")
        assert ready is not None
        self.task, self.cancelling = ready.task, False

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 3), said=st.sampled_from(["north", "south"]))
    def the_phone_answers(self, which: int, said: str) -> None:
        """Any question of late: the open one, or one that is long closed."""
        task_id, question_id = self.asked[-1 - which % len(self.asked)]
        self.takes(
            task_id,
            pb.Action(answer=pb.Answer(question_id=question_id, text=said), action_id=os.urandom(16)),
        )

    @precondition(lambda self: self.task)
    @rule()
    def the_phone_cancels(self) -> None:
        assert self.task is not None
        self.takes(self.task.task_id, pb.Action(cancel=pb.Cancel(), action_id=os.urandom(16)))

    @precondition(lambda self: self.task)
    @rule()
    def the_phone_says_more(self) -> None:
        assert self.task is not None
        self.takes(self.task.task_id, pb.Action(steer=pb.Steer(text="more"), action_id=os.urandom(16)))

    @precondition(lambda self: self.taken)
    @rule(which=st.integers(0, 9), again=st.booleans())
    def a_go_comes(self, which: int, again: bool) -> None:
        place = which % len(self.taken)
        message_id = self.taken[place]
        self.goes(place)
        if again:
            self.taken.append(message_id)  # the stream broke, and it comes again

    def goes(self, place: int) -> None:
        gone = command_steps.go(self.tx, self.scribe, PAIR, Word(self.taken.pop(place)), in_time=True, now_ms=1)
        if gone.then is Then.CANCEL and self.task is not None and gone.task_id == self.task.task_id:
            self.cancelling = True

    # ---- The host's owner, the clock and the agent.

    @precondition(lambda self: self.asked)
    @rule(said=st.sampled_from(["north", "south", "west"]))
    def the_host_answers(self, said: str) -> None:
        task_id, question_id = self.asked[-1]
        answer = pb.Answer(question_id=question_id, text=said)
        with contextlib.suppress(errors.TaskOver, errors.QuestionClosed, errors.BadRequest):
            questions.answer_here(self.tx, self.scribe, task_id, answer, by="desk")

    @precondition(lambda self: self.state() is State.ASKING)
    @rule(
        phone=st.sampled_from(["north", "south"]), host=st.sampled_from(["north", "south", "west"]), gone=st.booleans()
    )
    def both_answer(self, phone: str, host: str, gone: bool) -> None:
        """The race itself, which the single steps seldom come to: the host's answer is behind the phone's go, or before it."""
        self.the_phone_answers(0, phone)
        if gone:
            self.goes(len(self.taken) - 1)
        self.the_host_answers(host)
        if not gone:
            self.goes(len(self.taken) - 1)

    @precondition(lambda self: self.task)
    @rule()
    def the_host_cancels(self) -> None:
        assert self.task is not None
        with contextlib.suppress(errors.TaskOver):
            self.cancelling |= steps.cancel_here(self.tx, self.scribe, self.task.task_id).then is Then.CANCEL

    @precondition(lambda self: self.state() is State.RUNNING and not self.cancelling)
    @rule()
    def the_agent_asks(self) -> None:
        assert self.task is not None
        question_id = os.urandom(16)
        content = pb.Question(question_id=question_id, text="Which?", choices=["north", "south"], answer_within_ms=9)
        stored = StoredQuestion(
            question_id=question_id,
            task_id=self.task.task_id,
            content=content.SerializeToString(),
            stands_on=frozenset(),
            rule_digest=b"",
            asked_at_ms=len(self.asked),
        )
        assert questions.ask(self.tx, self.scribe, self.task, stored)
        self.asked.append((self.task.task_id, question_id))

    @precondition(lambda self: self.asked)
    @rule(why=st.sampled_from([errors.NobodyAnswered.reason, errors.QuestionClosed.reason]))
    def nobody_waits_any_longer(self, why: Reason.ValueType) -> None:
        """Its time is over, or the agent went on: also when somebody has just answered."""
        task_id, question_id = self.asked[-1]
        task = tasks.find(self.tx, task_id)
        assert task is not None
        if self.task is not None and task_id == self.task.task_id:
            self.hears(question_id, questions.give_up(self.tx, self.scribe, task, question_id, why))

    @precondition(lambda self: self.asked and self.state() in OPEN)
    @rule()
    def the_agent_looks(self) -> None:
        _, question_id = self.asked[-1]
        if (reply := questions.heard(self.tx, question_id)) is not None:
            self.hears(question_id, reply)

    def hears(self, question_id: bytes, reply: Heard) -> None:
        """What it hears once it hears for good; of a task that is over nothing counts any more."""
        if self.state() in OPEN and self.task is not None and (self.task.task_id, question_id) in self.asked:
            assert self.heard.setdefault(question_id, reply) == reply

    @precondition(lambda self: self.state() in OPEN)
    @rule(event=st.sampled_from([Event.DONE, Event.FAIL, Event.DENY, Event.TIME_OUT]))
    def the_agent_ends(self, event: Event) -> None:
        """Or the runner does so, when it was told to cancel: whoever comes first to write."""
        assert self.task is not None
        if self.cancelling:
            event = Event.CANCEL
        reason = Reason.REASON_UNSPECIFIED if event is Event.DONE else Reason.REASON_AGENT_FAILED
        assert steps.end(self.tx, self.scribe, self.task, event, reason=reason)
        assert not steps.end(self.tx, self.scribe, self.task, Event.FAIL, reason=reason)

    @rule()
    def the_process_dies(self) -> None:
        """What a new one finds open it ends; what was taken without a go is not started, though the go still comes."""
        steps.interrupt_all(self.tx, self.scribe, running=Reason.REASON_HOST_DIED)
        self.cancelling = False

    # ---- What must hold.

    def state(self) -> State | None:
        known = tasks.find(self.tx, self.task.task_id) if self.task is not None else None
        return known.state if known is not None else None

    def now(self) -> State | None:
        """Give the state of a task that is open."""
        state = self.state()
        return state if state in OPEN else None

    @invariant()
    def one_answer_one_outcome(self) -> None:
        thread = self.tx.execute("SELECT id FROM thread").fetchone()
        if thread is None:
            return
        events = [pb.Event.FromString(one) for _, one in threads.told(self.tx, thread["id"], after_id=0, limit=10_000)]
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        for task_id in {event.task_id for event in events if event.task_id}:
            self.look_at([event for event in events if event.task_id == task_id], task_id)

    def look_at(self, events: list[pb.Event], task_id: bytes) -> None:
        known = tasks.find(self.tx, task_id)
        assert known is not None
        kinds = [event.WhichOneof("event") for event in events]
        asked = [event.question.question_id for event in events if event.HasField("question")]
        closed = [event.answered for event in events if event.HasField("answered")]
        assert [one.question_id for one in closed] == asked[: len(closed)]  # each once, and in their order
        assert len(asked) - len(closed) == (known.state is State.ASKING)
        assert kinds.count("ended") == (known.state in OUTCOMES)
        if known.state in OUTCOMES:
            assert set(kinds[kinds.index("ended") + 1 :]) <= {"steer_refused"}
            assert OUTCOMES[known.state] == next(event.ended.outcome for event in events if event.HasField("ended"))
        self.answered_by = [one.by for one in closed]
        for one in closed:
            if (heard := self.heard.get(one.question_id)) is not None:
                assert heard == answers.heard(one)


@pytest.mark.parametrize(("gone", "first"), [(True, "pocket"), (False, "desk")])
def test_the_race_of_phone_and_host_is_won_by_whoever_is_written_first(gone: bool, first: str) -> None:
    """That the steps of the run below do lead to answers, which its randomness alone does not promise."""
    race = OneAnswer()
    race.paired()
    race.the_phone_sends_a_task_that_starts()
    race.the_agent_asks()

    race.both_answer("north", "south", gone)

    race.one_answer_one_outcome()
    assert race.answered_by == [first]
    race.teardown()


def test_of_a_command_that_never_began_its_owner_hears_that_there_is_no_such_task() -> None:
    host = OneAnswer()
    host.paired()
    task_id = os.urandom(16)
    assert host.takes(task_id, pb.Action(task=pb.Task(text="work"), action_id=task_id))

    with pytest.raises(errors.TaskUnknown):
        steps.cancel_here(host.tx, host.scribe, task_id)
    with pytest.raises(errors.TaskUnknown):
        questions.answer_here(host.tx, host.scribe, task_id, pb.Answer(question_id=b"q"), by="desk")
    host.teardown()


def test_whatever_comes_in_whatever_order() -> None:
    run_state_machine_as_test(OneAnswer, settings=settings(max_examples=60, stateful_step_count=40))
