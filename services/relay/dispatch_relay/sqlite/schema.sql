-- The relay's store, as a new one begins: what `migrations` makes of an empty one, which a test compares. Times are ms since 1970. Rows have rowids and narrow indexes: a key on blobs cost three times as much.
CREATE TABLE IF NOT EXISTS pairing (
    id INTEGER PRIMARY KEY,
    pair_id BLOB NOT NULL UNIQUE,
    head_seq INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    phone_acked INTEGER NOT NULL DEFAULT 0,
    host_acked INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS thread_row (
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
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS thread_row_by_seq ON thread_row (pairing, seq);
CREATE UNIQUE INDEX IF NOT EXISTS thread_row_by_message ON thread_row (pairing, author, message_id);

CREATE TABLE IF NOT EXISTS pending (
    pairing INTEGER NOT NULL,
    message_id BLOB NOT NULL,
    task_id BLOB NOT NULL,
    sealed BLOB NOT NULL,
    arrived_ms INTEGER NOT NULL,
    valid_for_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS pending_by_message ON pending (pairing, message_id);

CREATE TABLE IF NOT EXISTS task (
    pairing INTEGER NOT NULL,
    task_id BLOB NOT NULL,
    outcome INTEGER NOT NULL, -- 0: it has its go and is not over
    posted_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS task_by_id ON task (pairing, task_id);
CREATE INDEX IF NOT EXISTS task_open ON task (pairing) WHERE outcome = 0;

CREATE TABLE IF NOT EXISTS presence (
    pairing INTEGER NOT NULL,
    end_kind INTEGER NOT NULL,
    standing TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    last_heard_ms INTEGER NOT NULL,
    instance BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS presence_by_end ON presence (pairing, end_kind);
CREATE INDEX IF NOT EXISTS presence_there ON presence (pairing) WHERE standing IN ('reachable', 'reconnecting');

-- Calls to the person of a pairing, and what became of each: the word of a metric, empty while it is owed.
CREATE TABLE IF NOT EXISTS call (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    pairing INTEGER NOT NULL,
    seq INTEGER NOT NULL, -- of the row that it is for; 0 when the host is out of contact
    hint INTEGER NOT NULL,
    task_outcome INTEGER NOT NULL, -- of the task that the row ended, 0 for none
    at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, -- that came to nothing
    due_ms INTEGER NOT NULL DEFAULT 0, -- not before this; 0 while nothing holds it
    outcome TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS call_owed ON call (pairing) WHERE outcome = '';

-- Where and when the phone of a pairing wants to be called (docs/push.md). The endpoint is a secret.
CREATE TABLE IF NOT EXISTS push_target (
    pairing INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL,
    p256dh BLOB NOT NULL,
    auth BLOB NOT NULL,
    time_zone TEXT NOT NULL, -- of the quiet hours; empty for none
    from_minute INTEGER NOT NULL,
    to_minute INTEGER NOT NULL,
    questions_ring INTEGER NOT NULL,
    language TEXT NOT NULL -- of the person; empty for none said
) STRICT;

-- What the pairing service is to be told. Names pairings itself: it outlives them.
CREATE TABLE IF NOT EXISTS report (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    pair_id BLOB NOT NULL,
    task_id BLOB NOT NULL,
    posted_ms INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT OR IGNORE INTO alembic_version VALUES ('0002');
