"""The book of tasks: what was sent, each attempt's verdict, and the facts in the order in which they were learnt."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from dispatch.ids import MessageId, PairId, TaskId

from mobile_sim.facts import Fact, Kind


class Verdict(StrEnum):
    """What became of a post."""

    OPEN = "open"
    TAKEN = "taken"
    REFUSED = "refused"
    NEVER_STORED = "never_stored"
    UNKNOWN = "unknown"
    """The relay's log has lost the place where it may stand. One that comes all the same counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a person asked for."""

    task_id: TaskId
    pair_id: PairId
    text: str
    made_at_ms: int
    after_number: int
    """The last event of the thread when it was asked: where it stands when the host never had it."""
    state: str
    """The word of a `task_view.State`."""
    here: bool = False
    """Whether it was answered on this phone, and the host knows nothing of it."""
    action: bytes = field(default=b"", repr=False)
    """The serialized Action that each attempt sends, byte for byte; empty for a task that this phone did not make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One attempt to bring a command to the host."""

    message_id: MessageId
    pair_id: PairId
    task_id: TaskId
    action: str
    """"task", "cancel", "answer" or "steer"."""
    attempt: int
    posted_at_ms: int
    verdict: Verdict = Verdict.OPEN
    reason: str = ""
    retry_after_ms: int = 0
    direct: bool = False
    """Whether it went by the direct path, where this phone decides."""


_TASK = "task_id, pair_id, text, made_at_ms, after_number, state, action, here"
_POST = "message_id, pair_id, task_id, action, attempt, posted_at_ms, verdict, reason, retry_after_ms, direct"


class TaskBook:
    """Reads and writes tasks, within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, task_id: TaskId) -> Task | None:
        """Give one."""
        row = self._connection.execute(f"SELECT {_TASK} FROM tasks WHERE task_id = ?", (task_id,)).fetchone()  # noqa: S608 -- constant
        return None if row is None else _task(row)

    def of_pairing(self, pair_id: PairId) -> list[Task]:
        """List a pairing's, oldest first."""
        rows = self._connection.execute(
            f"SELECT {_TASK} FROM tasks WHERE pair_id = ? ORDER BY made_at_ms, task_id",  # noqa: S608 -- constant
            (pair_id,),
        )
        return [_task(row) for row in rows]

    def in_states(self, pair_id: PairId, states: Iterable[str]) -> list[Task]:
        """List a pairing's tasks that are in one of the states, oldest first."""
        wanted = list(states)
        marks = ", ".join("?" * len(wanted))
        rows = self._connection.execute(
            f"SELECT {_TASK} FROM tasks WHERE pair_id = ? AND state IN ({marks}) ORDER BY made_at_ms, task_id",  # noqa: S608 -- marks only
            (pair_id, *wanted),
        )
        return [_task(row) for row in rows]

    def add(self, task: Task) -> None:
        """Keep a new one."""
        self._connection.execute(
            f"INSERT INTO tasks ({_TASK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 -- constant
            (
                task.task_id,
                task.pair_id,
                task.text,
                task.made_at_ms,
                task.after_number,
                task.state,
                task.action,
                task.here,
            ),
        )

    def set_state(self, task_id: TaskId, state: str) -> None:
        """Note where it stands now."""
        self._connection.execute("UPDATE tasks SET state = ? WHERE task_id = ?", (state, task_id))

    def shown_question(self, task_id: TaskId) -> bytes:
        """Give the id of the question that the person was shown and has not answered; empty for none."""
        row = self._connection.execute("SELECT shown_question FROM tasks WHERE task_id = ?", (task_id,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def set_shown_question(self, task_id: TaskId, question_id: bytes) -> None:
        """Note which question the person was shown."""
        self._connection.execute("UPDATE tasks SET shown_question = ? WHERE task_id = ?", (question_id, task_id))

    def set_here(self, task_id: TaskId) -> None:
        """Note that it was answered on this phone."""
        self._connection.execute("UPDATE tasks SET here = 1 WHERE task_id = ?", (task_id,))

    def set_text(self, task_id: TaskId, text: str) -> None:
        """Change its words: they go when the person drops it, and so does what was to be sent."""
        self._connection.execute("UPDATE tasks SET text = ?, action = x'' WHERE task_id = ?", (text, task_id))

    def facts(self, task_id: TaskId) -> list[Fact]:
        """List what is known of a task, in order."""
        rows = self._connection.execute("SELECT content FROM facts WHERE task_id = ? ORDER BY ordinal", (task_id,))
        return [_fact(content) for (content,) in rows]

    def add_fact(self, task_id: TaskId, fact: Fact) -> None:
        """Note one thing more."""
        content = {name: value for name, value in asdict(fact).items() if value not in ("", 0, (), False)}
        self._connection.execute(
            "INSERT INTO facts (task_id, ordinal, content)"
            " SELECT ?1, coalesce(max(ordinal), 0) + 1, ?2 FROM facts WHERE task_id = ?1",
            (task_id, json.dumps(content, ensure_ascii=False)),
        )

    def post(self, message_id: MessageId) -> Post | None:
        """Give a post by its id."""
        row = self._connection.execute(f"SELECT {_POST} FROM posts WHERE message_id = ?", (message_id,)).fetchone()  # noqa: S608 -- constant
        return None if row is None else _post(row)

    def posts(self, task_id: TaskId, action: str) -> list[Post]:
        """List the attempts of one action, in order."""
        rows = self._connection.execute(
            f"SELECT {_POST} FROM posts WHERE task_id = ? AND action = ? ORDER BY attempt",  # noqa: S608 -- constant
            (task_id, action),
        )
        return [_post(row) for row in rows]

    def open_posts(self, pair_id: PairId, *, direct: bool) -> list[Post]:
        """List a pairing's posts without a verdict: those that this phone decides, or those of the relay."""
        rows = self._connection.execute(
            f"SELECT {_POST} FROM posts WHERE pair_id = ? AND verdict = 'open' AND direct = ? ORDER BY posted_at_ms",  # noqa: S608 -- constant
            (pair_id, direct),
        )
        return [_post(row) for row in rows]

    def add_post(self, post: Post) -> None:
        """Keep an attempt, before it is sent."""
        self._connection.execute(
            f"INSERT INTO posts ({_POST}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 -- constant
            (
                post.message_id, post.pair_id, post.task_id, post.action, post.attempt, post.posted_at_ms,
                post.verdict, post.reason, post.retry_after_ms, post.direct,
            ),
        )  # fmt: skip

    def set_verdict(
        self, message_id: MessageId, verdict: Verdict, *, reason: str = "", retry_after_ms: int = 0
    ) -> None:
        """Note a verdict. The first that says anything counts."""
        self._connection.execute(
            "UPDATE posts SET verdict = ?, reason = ?, retry_after_ms = ? WHERE message_id = ? AND verdict IN ('open', 'unknown')",
            (verdict, reason, retry_after_ms, message_id),
        )


def _task(row: tuple[bytes, bytes, str, int, int, str, bytes, int]) -> Task:
    task_id, pair_id, text, made_at_ms, after_number, state, action, here = row
    return Task(
        task_id=TaskId(task_id),
        pair_id=PairId(pair_id),
        text=text,
        made_at_ms=made_at_ms,
        after_number=after_number,
        state=state,
        action=action,
        here=bool(here),
    )


def _post(row: tuple[bytes, bytes, bytes, str, int, int, str, str, int, int]) -> Post:
    message_id, pair_id, task_id, action, attempt, posted_at_ms, verdict, reason, retry_after_ms, direct = row
    return Post(
        message_id=MessageId(message_id),
        pair_id=PairId(pair_id),
        task_id=TaskId(task_id),
        action=action,
        attempt=attempt,
        posted_at_ms=posted_at_ms,
        verdict=Verdict(verdict),
        reason=reason,
        retry_after_ms=retry_after_ms,
        direct=bool(direct),
    )


def _fact(content: str) -> Fact:
    fields = json.loads(content)
    kind = Kind(fields.pop("kind"))
    if "choices" in fields:
        fields["choices"] = tuple(fields["choices"])
    return Fact(kind=kind, at_ms=fields.pop("at_ms", 0), **fields)
