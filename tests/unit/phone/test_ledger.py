"""Between a task's go and the host's own word somebody looks after it: by time, by the host's going away, by a new process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.ids import MessageId, TaskId
from mobile_sim.deciding import Deciding
from mobile_sim.facts import Fact, Kind
from mobile_sim.ledger import Ledger
from mobile_sim.store import Post, Store, Task
from mobile_sim.task_view import State

from tests.unit.phone.conftest import PAIR, HandClock

TASK = TaskId(b"t" * 16)
VERDICT_BY_MS = 12_000


class Book:
    """A ledger, and what a test does with it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = HandClock()
        self.ledger = Ledger(store, PAIR, self.clock)
        self.ledger.word_within_ms = 3_000

    def posts(self, attempt: int = 1, *, direct: bool = False) -> MessageId:
        message_id = MessageId(bytes([attempt]) * 16)
        post = Post(
            message_id=message_id,
            pair_id=PAIR,
            task_id=TASK,
            action="task",
            attempt=attempt,
            posted_at_ms=self.clock.now_ms,
            direct=direct,
        )
        self.ledger.posted(post, until_ms=self.clock.now_ms + VERDICT_BY_MS)
        return message_id

    def passes(self, ms: int) -> None:
        self.clock.now_ms += ms
        self.ledger.overdue(self.clock.now_ms)

    def new_process(self) -> None:
        self.ledger = Ledger(self.store, PAIR, self.clock)
        self.ledger.process_began()

    def shown(self) -> State:
        return self.ledger.view(TASK).shown_state

    def kept(self) -> str:
        task = self.store.tasks.get(TASK)
        assert task is not None
        return task.state


@pytest.fixture
def book(store: Store) -> Iterator[Book]:
    with store.transaction():
        store.tasks.add(Task(task_id=TASK, pair_id=PAIR, text="build it", made_at_ms=2, after_number=0, state="new"))
        yield Book(store)


def test_the_hosts_word_is_waited_for_as_long_as_two_leases_and_then_the_task_is_unconfirmed(book: Book) -> None:
    book.ledger.taken(book.posts())
    assert book.ledger.next_due_ms() == 3_000

    book.passes(2_999)
    assert book.shown() is State.HANDED_OVER
    book.passes(1)
    assert book.shown() is State.UNCONFIRMED
    assert book.ledger.next_due_ms() is None


def test_a_verdict_that_does_not_come_leaves_a_task_unconfirmed_and_a_late_one_is_waited_on_from_then(
    book: Book,
) -> None:
    message_id = book.posts()
    book.passes(VERDICT_BY_MS)
    assert book.shown() is State.UNCONFIRMED

    book.ledger.taken(message_id)

    assert book.shown() is State.HANDED_OVER
    assert book.ledger.next_due_ms() == VERDICT_BY_MS + 3_000


@pytest.mark.parametrize("direct", [False, True])
def test_a_host_that_is_away_takes_a_task_along_that_has_its_go_and_the_wait_begins_when_it_is_back(
    book: Book, direct: bool
) -> None:
    book.ledger.taken(book.posts(direct=direct))

    book.ledger.host_away(Reason.REASON_HOST_ASLEEP)
    assert (book.shown(), book.ledger.view(TASK).away) == (State.OUT_OF_CONTACT, "HOST_ASLEEP")
    book.passes(60_000)
    assert book.shown() is State.OUT_OF_CONTACT
    book.ledger.host_back()

    assert book.shown() is State.HANDED_OVER
    assert book.ledger.next_due_ms() == 63_000


def test_a_task_without_its_go_is_not_the_hosts_to_take_along(book: Book) -> None:
    book.posts()
    book.ledger.host_away(Reason.REASON_HOST_ASLEEP)

    assert book.shown() is State.SENT


def test_the_loss_of_the_direct_path_takes_no_go_back(book: Book) -> None:
    message_id = book.posts(direct=True)
    deciding = Deciding(book.store, book.ledger, PAIR)
    deciding.posted(message_id, until_ms=10_000)
    assert deciding.took(message_id, now_ms=1) is not None

    deciding.path_lost(())
    book.ledger.host_away(Reason.REASON_NO_NETWORK)

    assert book.shown() is State.OUT_OF_CONTACT


def test_a_new_process_waits_for_no_word_of_the_one_before(book: Book) -> None:
    book.ledger.taken(book.posts())
    book.new_process()

    assert book.shown() is State.UNCONFIRMED
    assert book.ledger.view(TASK).may_be_dismissed


def test_a_process_that_died_between_two_attempts_leaves_a_task_that_was_not_sent(book: Book) -> None:
    message_id = book.posts()
    book.ledger.stream_lost()
    post = book.store.tasks.post(message_id)
    assert post is not None
    book.ledger.never_stored(post, attended={TASK})
    assert book.shown() is State.UNCONFIRMED

    book.new_process()

    assert book.kept() == book.shown() == State.NOT_SENT


@pytest.mark.parametrize("reason", [Reason.REASON_HOST_UNREACHABLE, Reason.REASON_QUEUE_FULL])
def test_what_the_outbox_reads_is_the_same(book: Book, reason: Reason.ValueType) -> None:
    book.ledger.taken(book.posts())
    book.ledger.refused(book.posts(2), reason)
    assert book.kept() == State.UNCONFIRMED

    book.ledger.not_sent(TASK, Reason.REASON_NO_NETWORK)
    assert book.kept() == State.UNCONFIRMED

    book.ledger.note(TASK, Fact(kind=Kind.ACCEPTED, at_ms=9, attempt=1))
    assert (book.kept(), book.ledger.view(TASK).tampering) == (State.ACCEPTED, False)


def test_a_handing_over_that_the_relay_repeats_is_kept_once_a_stream(book: Book) -> None:
    message_id = book.posts()

    def handed_over() -> int:
        return [fact.kind for fact in book.store.tasks.facts(TASK)].count(Kind.HANDED_OVER)

    for _ in range(100):
        book.ledger.handed_over(message_id)
        book.passes(VERDICT_BY_MS)
    assert handed_over() == 1
    assert book.shown() is State.UNCONFIRMED

    book.ledger.stream_lost()
    for _ in range(100):
        book.ledger.handed_over(message_id)
    assert handed_over() == 2
    assert book.shown() is State.HANDED_OVER

    book.ledger.note(TASK, Fact(kind=Kind.ACCEPTED, at_ms=9, attempt=1))
    book.ledger.stream_lost()
    book.ledger.handed_over(message_id)
    assert handed_over() == 2
