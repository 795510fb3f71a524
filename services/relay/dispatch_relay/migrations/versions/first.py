"""Everything that one relay keeps. A store in SQLite without a note of its version, but for `user_version` 1, is this one."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE = (
    """CREATE TABLE pairing (
    id INTEGER PRIMARY KEY,
    pair_id BLOB NOT NULL UNIQUE,
    head_seq INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    phone_acked INTEGER NOT NULL DEFAULT 0,
    host_acked INTEGER NOT NULL DEFAULT 0
) STRICT""",
    """CREATE TABLE thread_row (
    pairing INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    author INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    message_id BLOB NOT NULL,
    task_id BLOB NOT NULL,
    sealed BLOB NOT NULL,
    reason INTEGER NOT NULL,
    retry_after_ms INTEGER NOT NULL,
    push_hint INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT""",
    "CREATE UNIQUE INDEX thread_row_by_seq ON thread_row (pairing, seq)",
    "CREATE UNIQUE INDEX thread_row_by_message ON thread_row (pairing, author, message_id)",
    """CREATE TABLE pending (
    pairing INTEGER NOT NULL,
    message_id BLOB NOT NULL,
    task_id BLOB NOT NULL,
    sealed BLOB NOT NULL,
    arrived_ms INTEGER NOT NULL,
    valid_for_ms INTEGER NOT NULL
) STRICT""",
    "CREATE UNIQUE INDEX pending_by_message ON pending (pairing, message_id)",
    """CREATE TABLE task (
    pairing INTEGER NOT NULL,
    task_id BLOB NOT NULL,
    outcome INTEGER NOT NULL,
    posted_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT""",
    "CREATE UNIQUE INDEX task_by_id ON task (pairing, task_id)",
    "CREATE INDEX task_open ON task (pairing) WHERE outcome = 0",
    """CREATE TABLE presence (
    pairing INTEGER NOT NULL,
    end_kind INTEGER NOT NULL,
    standing TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    last_heard_ms INTEGER NOT NULL,
    instance BLOB NOT NULL
) STRICT""",
    "CREATE UNIQUE INDEX presence_by_end ON presence (pairing, end_kind)",
    """CREATE TABLE call (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    pairing INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hint INTEGER NOT NULL,
    task_outcome INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_ms INTEGER NOT NULL DEFAULT 0,
    outcome TEXT NOT NULL DEFAULT ''
) STRICT""",
    "CREATE INDEX call_owed ON call (pairing) WHERE outcome = ''",
    """CREATE TABLE push_target (
    pairing INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL,
    p256dh BLOB NOT NULL,
    auth BLOB NOT NULL,
    time_zone TEXT NOT NULL,
    from_minute INTEGER NOT NULL,
    to_minute INTEGER NOT NULL,
    questions_ring INTEGER NOT NULL,
    language TEXT NOT NULL
) STRICT""",
    """CREATE TABLE report (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    pair_id BLOB NOT NULL,
    task_id BLOB NOT NULL,
    posted_ms INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL
) STRICT""",
)

# Here a pairing is its own key: a batch is read and written by arrays, and a number in between would be one more question.
_POSTGRESQL = (
    """CREATE TABLE pairing (
    pair_id bytea PRIMARY KEY,
    head_seq bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    phone_acked bigint NOT NULL DEFAULT 0,
    host_acked bigint NOT NULL DEFAULT 0
)""",
    """CREATE TABLE thread_row (
    pair_id bytea NOT NULL,
    seq bigint NOT NULL,
    author smallint NOT NULL,
    kind smallint NOT NULL,
    message_id bytea NOT NULL,
    task_id bytea NOT NULL,
    sealed bytea NOT NULL,
    reason integer NOT NULL,
    retry_after_ms bigint NOT NULL,
    push_hint integer NOT NULL,
    outcome integer NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (pair_id, seq)
)""",
    "CREATE UNIQUE INDEX thread_row_by_message ON thread_row (pair_id, author, message_id)",
    # What is sealed can't be made smaller: don't try.
    "ALTER TABLE thread_row ALTER COLUMN sealed SET STORAGE EXTERNAL",
    """CREATE TABLE pending (
    number bigint GENERATED ALWAYS AS IDENTITY,
    pair_id bytea NOT NULL,
    message_id bytea NOT NULL,
    task_id bytea NOT NULL,
    sealed bytea NOT NULL,
    arrived_ms bigint NOT NULL,
    valid_for_ms bigint NOT NULL,
    PRIMARY KEY (pair_id, message_id)
)""",
    "ALTER TABLE pending ALTER COLUMN sealed SET STORAGE EXTERNAL",
    """CREATE TABLE task (
    pair_id bytea NOT NULL,
    task_id bytea NOT NULL,
    outcome integer NOT NULL,
    posted_ms bigint NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (pair_id, task_id)
)""",
    "CREATE INDEX task_open ON task (pair_id) WHERE outcome = 0",
    """CREATE TABLE presence (
    pair_id bytea NOT NULL,
    end_kind smallint NOT NULL,
    standing text NOT NULL,
    since_ms bigint NOT NULL,
    last_heard_ms bigint NOT NULL,
    instance bytea NOT NULL,
    PRIMARY KEY (pair_id, end_kind)
)""",
    "CREATE SEQUENCE call_number",
    """CREATE TABLE call (
    number bigint PRIMARY KEY,
    pair_id bytea NOT NULL,
    seq bigint NOT NULL,
    hint integer NOT NULL,
    task_outcome integer NOT NULL,
    at_ms bigint NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    due_ms bigint NOT NULL DEFAULT 0,
    outcome text NOT NULL DEFAULT ''
)""",
    "CREATE INDEX call_owed ON call (pair_id) WHERE outcome = ''",
    """CREATE TABLE push_target (
    pair_id bytea PRIMARY KEY,
    endpoint text NOT NULL,
    p256dh bytea NOT NULL,
    auth bytea NOT NULL,
    time_zone text NOT NULL,
    from_minute integer NOT NULL,
    to_minute integer NOT NULL,
    questions_ring boolean NOT NULL,
    language text NOT NULL
)""",
    """CREATE TABLE report (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pair_id bytea NOT NULL,
    task_id bytea NOT NULL,
    posted_ms bigint NOT NULL,
    accepted boolean NOT NULL,
    reason integer NOT NULL,
    outcome integer NOT NULL,
    ended_ms bigint NOT NULL
)""",
)


def upgrade() -> None:
    """Make all of it."""
    for statement in _SQLITE if op.get_context().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    """There is nothing below it: that would be to throw the store away."""
    raise NotImplementedError
