"""Notes what is learnt about tasks and posts, within the caller's transaction. Knows no wire and no seal."""

from __future__ import annotations

from collections.abc import Collection

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.clock import Clock
from dispatch.ids import MessageId, PairId, TaskId
from dispatch.tracing import UNTOLD, Traces

from mobile_sim.facts import Fact, Kind
from mobile_sim.store import Post, Store, Task, Verdict
from mobile_sim.story import Story
from mobile_sim.task_view import ON_THE_WAY, STEPS, WITH_HOST, State, TaskView, after, view_of

TASK = "task"
CANCEL = "cancel"
ANSWER = "answer"
STEER = "steer"

LEASE_MS = 5_000
"""The short lease of a relay that has not said its own."""

UNDECIDED = frozenset({Verdict.OPEN, Verdict.UNKNOWN})
"""A verdict may still come."""

_MAY_BE_HANDED_OVER, _ = STEPS[Kind.HANDED_OVER]
_UNSAID = frozenset({State.SENT, State.HANDED_OVER})
"""A word is waited for, and a person is shown nothing amiss."""


class Ledger:
    """The tasks and posts of one pairing."""

    def __init__(self, store: Store, pair_id: PairId, clock: Clock, traces: Traces = UNTOLD) -> None:
        self._store = store
        self._pair_id = pair_id
        self._clock = clock
        self._story = Story(store, pair_id, clock, traces)
        self._views: dict[TaskId, TaskView] = {}
        self._due_ms: dict[
            TaskId, int
        ] = {}  # steady; when the word is overdue that a task waits for, the relay's or the host's
        self._handed_over: set[MessageId] = set()  # on this stream
        self.word_within_ms = 2 * LEASE_MS
        """How long the host's own word may take once an attempt has its go: two leases of the relay."""

    def view(self, task_id: TaskId) -> TaskView:
        """Give a task as it can be shown now."""
        if task_id not in self._views:
            self._views[task_id] = view_of(self._store.tasks.facts(task_id))
        return self._views[task_id]

    def forget(self) -> None:
        """Read everything anew: a transaction was rolled back."""
        self._views.clear()
        self._handed_over.clear()

    def note(self, task_id: TaskId, fact: Fact) -> None:
        """Note a fact of a task that is known here."""
        before = self.view(task_id)
        view = after(before, fact)
        self._store.tasks.add_fact(task_id, fact)
        self._store.tasks.set_state(task_id, view.state)
        self._views[task_id] = view
        self._story.learnt(task_id, fact, before=before.state, after=view)

    def learn(self, task_id: TaskId, text: str, *, at_ms: int, after_number: int) -> None:
        """Take up a task that is not known here: it came before this phone's memory begins, or from the host itself."""
        known = self._store.tasks.get(task_id)
        if known is not None and not known.text:
            self._store.tasks.set_text(task_id, text)  # dropped here, and the host had it all the same
        if known is None:
            task = Task(
                task_id=task_id,
                pair_id=self._pair_id,
                text=text,
                made_at_ms=at_ms,
                after_number=after_number,
                state=TaskView().state,
            )
            self._store.tasks.add(task)

    def posted(self, post: Post, *, until_ms: int) -> None:
        """Keep an attempt that is about to be sent and should have its verdict by that time (steady)."""
        self._store.tasks.add_post(post)
        self._of_task(post, Kind.SENT, path="direct" if post.direct else "relay")
        if post.action == TASK:
            self._due_ms[post.task_id] = until_ms

    def handed_over(self, message_id: MessageId) -> None:
        """Hear that an attempt was given to the host's stream."""
        post = self._open(message_id)
        if post is None or message_id in self._handed_over or self.view(post.task_id).state not in _MAY_BE_HANDED_OVER:
            return  # no news: a relay may say it as often as it likes
        self._handed_over.add(message_id)
        self._of_task(post, Kind.HANDED_OVER)
        # One of an earlier process has no time of its own here any more.
        self._due_ms.setdefault(post.task_id, self._clock.steady_ms() + self.word_within_ms)

    def taken(self, message_id: MessageId) -> None:
        """Hear the verdict: accepted. The host's own word is the next that is waited for."""
        if post := self._open(message_id):
            self._store.tasks.set_verdict(message_id, Verdict.TAKEN)
            self._of_task(post, Kind.TAKEN)
            self._await_host(post.task_id)

    def refused(self, message_id: MessageId, reason: Reason.ValueType, *, retry_after_ms: int = 0) -> bool:
        """Hear the verdict: refused. Tells whether it was a verdict on a post of ours that had none."""
        post = self._open(message_id)
        if post is None:
            return False
        word = errors.word(reason)
        self._store.tasks.set_verdict(message_id, Verdict.REFUSED, reason=word, retry_after_ms=retry_after_ms)
        self._of_task(post, Kind.REFUSED, reason=word, retry_after_ms=retry_after_ms)
        return True

    def never_stored(self, post: Post, *, attended: Collection[TaskId]) -> None:
        """Hear that the relay never had an attempt. A task that no sender attends to will not be sent again by itself."""
        self._store.tasks.set_verdict(post.message_id, Verdict.NEVER_STORED)
        if self.view(post.task_id).state in ON_THE_WAY:
            self._of_task(post, Kind.NEVER_STORED)
            if post.action == TASK and post.task_id not in attended:
                self.not_sent(post.task_id, Reason.REASON_NO_NETWORK)

    def log_lost(self) -> None:
        """Hear that the relay's log has lost rows. The verdicts that are out may have stood there: nothing is denied."""
        for post in self.unsettled():
            self._store.tasks.set_verdict(post.message_id, Verdict.UNKNOWN)
            view = self.view(post.task_id)
            if view.state in _UNSAID and view.attempt == post.attempt and post.action == TASK:
                self._unconfirmed(post.task_id)

    def not_sent(self, task_id: TaskId, reason: Reason.ValueType) -> None:
        """Give up on a task: it will not be sent again by itself. What was posted of it before may run all the same."""
        attempt = self.view(task_id).attempt
        fact = Fact(kind=Kind.NOT_SENT, at_ms=self._clock.wall_ms(), attempt=attempt, reason=errors.word(reason))
        self.note(task_id, fact)

    def dropped(self, task_id: TaskId) -> None:
        """Hear that the person does not want a task sent any more: its words go."""
        self.note(task_id, Fact(kind=Kind.DROPPED, at_ms=self._clock.wall_ms()))
        self._store.tasks.set_text(task_id, "")

    def dismissed(self, task_id: TaskId) -> None:
        """Hear that the person waits no longer for a task."""
        self.note(task_id, Fact(kind=Kind.DISMISSED, at_ms=self._clock.wall_ms()))

    def process_began(self) -> None:
        """Take up what an earlier process left: it sends nothing more, and waits for no word any more."""
        for task in self._store.tasks.in_states(self._pair_id, ON_THE_WAY):
            view = self.view(task.task_id)
            if not view.may_run:
                self.not_sent(task.task_id, Reason.REASON_NO_NETWORK)
            elif view.state in _UNSAID:
                self._unconfirmed(task.task_id)

    def stream_lost(self) -> None:
        """Hear that the relay's stream broke: what has no verdict of the relay is unconfirmed."""
        self._handed_over.clear()
        for post in self.unsettled():
            view = self.view(post.task_id)
            if view.state in _UNSAID and view.attempt == post.attempt:
                self._unconfirmed(post.task_id)

    def next_due_ms(self) -> int | None:
        """Give the steady time from which a word is overdue."""
        for task_id in [one for one in self._due_ms if self.view(one).state not in ON_THE_WAY]:
            del self._due_ms[task_id]
        waiting = [due_ms for task_id, due_ms in self._due_ms.items() if self._is_waiting(self.view(task_id))]
        return min(waiting, default=None)

    def overdue(self, now_ms: int) -> None:
        """Hear that so much time has passed: what waits in vain for a word is unconfirmed. A later word moves it on."""
        for task_id, due_ms in self._due_ms.items():
            if due_ms <= now_ms and self._is_waiting(self.view(task_id)):
                self._unconfirmed(task_id)

    def host_away(self, reason: Reason.ValueType) -> None:
        """Hear that the host is out of contact: every task that it has is, too, and every one that has its go."""
        word = errors.word(reason)
        for task_id in self._of_the_host():
            if self.view(task_id).away != word:
                self.note(task_id, Fact(kind=Kind.OUT_OF_CONTACT, at_ms=self._clock.wall_ms(), reason=word))

    def host_back(self) -> None:
        """Hear that the host is there again."""
        for task_id in self._of_the_host():
            if self.view(task_id).away:
                self.note(task_id, Fact(kind=Kind.BACK, at_ms=self._clock.wall_ms()))
                self._await_host(task_id)

    def unsettled(self) -> list[Post]:
        """List the posts that the relay has still to decide."""
        return self._store.tasks.open_posts(self._pair_id, direct=False)

    def _of_the_host(self) -> list[TaskId]:
        tasks = self._store.tasks.in_states(self._pair_id, ON_THE_WAY | WITH_HOST)
        return [task.task_id for task in tasks if self.view(task.task_id).is_the_hosts]

    def _await_host(self, task_id: TaskId) -> None:
        if self.view(task_id).awaits_host:
            self._due_ms[task_id] = self._clock.steady_ms() + self.word_within_ms

    def _unconfirmed(self, task_id: TaskId) -> None:
        attempt = self.view(task_id).attempt
        self.note(task_id, Fact(kind=Kind.UNCONFIRMED, at_ms=self._clock.wall_ms(), attempt=attempt))

    @staticmethod
    def _is_waiting(view: TaskView) -> bool:
        """Whether a word is waited for and nothing amiss is shown yet."""
        return view.shown_state in _UNSAID

    def _open(self, message_id: MessageId) -> Post | None:
        """Give the post if it is ours and has no verdict yet: the first verdict counts."""
        post = self._store.tasks.post(message_id)
        return post if post is not None and post.verdict in UNDECIDED and post.pair_id == self._pair_id else None

    def _of_task(self, post: Post, kind: Kind, *, reason: str = "", retry_after_ms: int = 0, path: str = "") -> None:
        """Note what became of an attempt of the task itself; what becomes of other actions is in the posts."""
        if post.action == TASK:
            self.note(
                post.task_id,
                Fact(
                    kind=kind,
                    at_ms=self._clock.wall_ms(),
                    attempt=post.attempt,
                    reason=reason,
                    retry_after_ms=retry_after_ms,
                    path=path,
                ),
            )
