"""The journal's tables, and how a file of an earlier version becomes one of this. Called by the writer alone."""

from __future__ import annotations

import sqlite3

from dispatch import errors

_FIRST = """
CREATE TABLE thread (
    id INTEGER PRIMARY KEY,
    phone_key BLOB NOT NULL UNIQUE,      -- the phone's Ed25519 key: pairing again continues its thread
    number INTEGER NOT NULL DEFAULT 0,   -- the head: number and hash of the newest event
    hash BLOB NOT NULL,
    seen_number INTEGER NOT NULL DEFAULT 0,  -- up to where the phone said that it has the thread
    seen_hash BLOB NOT NULL
) STRICT;

CREATE TABLE pairing (
    pair_id BLOB PRIMARY KEY,
    thread INTEGER NOT NULL REFERENCES thread (id),
    phone_name TEXT NOT NULL,
    attestation BLOB NOT NULL,           -- what both devices signed, to remind a service that has forgotten
    phone_signature BLOB NOT NULL,
    host_signature BLOB NOT NULL,
    cursor INTEGER NOT NULL DEFAULT 0    -- the last row of the relay that was dealt with
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    thread INTEGER NOT NULL REFERENCES thread (id),
    number INTEGER,                      -- NULL: from before the host was set back, no longer in the chain
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    task_id BLOB NOT NULL,
    content BLOB NOT NULL,               -- the serialized Event: exactly the bytes that are hashed
    UNIQUE (thread, number)
) STRICT;

CREATE TABLE head_signature (
    thread INTEGER NOT NULL REFERENCES thread (id),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    pair_id BLOB NOT NULL,
    signature BLOB NOT NULL,             -- ours on this place, once a batch
    PRIMARY KEY (thread, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE signed_for (                -- each pairing in which something of a thread was signed; those that are over, too
    thread INTEGER NOT NULL REFERENCES thread (id),
    pair_id BLOB NOT NULL,
    host_key BLOB NOT NULL,              -- ours at that time
    PRIMARY KEY (thread, pair_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE task (
    task_id BLOB PRIMARY KEY,
    thread INTEGER NOT NULL REFERENCES thread (id),
    pair_id BLOB NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,            -- the newest that was journalled, or the one that has its go
    action BLOB NOT NULL,                -- the signed words
    text TEXT NOT NULL,
    accepted_at_ms INTEGER,              -- wall clock, for people
    place INTEGER UNIQUE,                -- order of acceptance over all threads
    reason INTEGER NOT NULL DEFAULT 0,
    result TEXT NOT NULL DEFAULT '',
    memory TEXT NOT NULL DEFAULT '{}'    -- JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX task_by_state ON task (state);
CREATE INDEX task_by_thread ON task (thread, place);

CREATE TABLE command (
    message_id BLOB PRIMARY KEY,
    pair_id BLOB NOT NULL,
    task_id BLOB NOT NULL,
    content BLOB NOT NULL,               -- the opened UpCommand
    verdict TEXT NOT NULL,               -- pending, go, withdrawn, superseded
    orphan INTEGER NOT NULL DEFAULT 0,   -- superseded, and got a go all the same
    direct INTEGER NOT NULL              -- came by the direct path: its go comes from the phone, not from the relay
) STRICT, WITHOUT ROWID;
CREATE INDEX command_by_task ON command (task_id);
CREATE INDEX command_by_verdict ON command (verdict);

CREATE TABLE keep_chain (
    pair_id BLOB PRIMARY KEY,
    chain BLOB NOT NULL                  -- secret: what seals the next row
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pair_id BLOB NOT NULL,
    message_id BLOB NOT NULL UNIQUE,
    task_id BLOB NOT NULL,
    sealed BLOB NOT NULL,
    first INTEGER NOT NULL,              -- numbers of the events inside; 0 for none
    last INTEGER NOT NULL,
    push_hint INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0      -- the phone needs it no more; only the relay is to hear of a go or an outcome
) STRICT;
CREATE INDEX outbox_by_pairing ON outbox (pair_id, id);

CREATE TABLE file (
    file_id BLOB PRIMARY KEY,
    thread INTEGER NOT NULL REFERENCES thread (id),
    kind TEXT NOT NULL,                  -- attachment: it is here, whole; artifact: it was told to the phone
    claimed INTEGER NOT NULL DEFAULT 0,  -- an accepted task names this attachment; which ones do, their own actions say
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    key BLOB NOT NULL,                   -- secret, as in the event: what opens the chunks
    path BLOB NOT NULL,                  -- where it was put or found
    mtime_ns INTEGER NOT NULL,           -- then
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX file_by_thread ON file (thread, kind);

CREATE TABLE permission (
    kind TEXT NOT NULL,
    name BLOB NOT NULL,                  -- a folder's path as the file system spells it, a connector, or empty
    writable INTEGER NOT NULL,
    without_sandbox INTEGER NOT NULL,
    ends_at_ms INTEGER,                  -- wall clock; NULL for no end
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE always_rule (               -- what a person allowed from now on, in answer to a question
    digest BLOB PRIMARY KEY,             -- of the rule and of what it stands on
    rule TEXT NOT NULL,                  -- as the question said it
    stands_on TEXT NOT NULL,             -- the permissions without which it is none: JSON
    who TEXT NOT NULL,                   -- the device that said so
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE question (                  -- of tasks that are not over
    question_id BLOB PRIMARY KEY,
    task_id BLOB NOT NULL,
    content BLOB NOT NULL,               -- the serialized Question
    stands_on TEXT NOT NULL,             -- the permissions that it takes: JSON
    rule_digest BLOB NOT NULL,
    asked_at_ms INTEGER NOT NULL,
    answered BLOB                        -- the serialized Answered that closed it; NULL while it is open
) STRICT, WITHOUT ROWID;
CREATE INDEX question_by_task ON question (task_id);

CREATE TABLE steer (                     -- words for a task that runs, until its agent gets them
    id INTEGER PRIMARY KEY,
    task_id BLOB NOT NULL,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    task_id BLOB NOT NULL,
    permission TEXT NOT NULL,            -- or the rule of an approval
    subject TEXT NOT NULL,               -- a path, a program, a tool, a question
    verdict TEXT NOT NULL,
    who TEXT NOT NULL,                   -- the device that said so; empty where nobody was asked
    same BLOB NOT NULL,                  -- by which an equal line of the task is found
    times INTEGER NOT NULL DEFAULT 1,    -- how often it came
    last_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_same ON audit (task_id, same);
CREATE INDEX audit_share ON audit (task_id, verdict);

CREATE TABLE schedule (                  -- what this computer does by itself (docs/schedule.md)
    schedule_id BLOB PRIMARY KEY,
    thread INTEGER NOT NULL REFERENCES thread (id),
    text TEXT NOT NULL,
    cron TEXT NOT NULL,                  -- when: a cron expression, or empty for
    at TEXT NOT NULL,                    -- one moment in local time
    missed TEXT NOT NULL,                -- what becomes of missed times: skip, once
    paused INTEGER NOT NULL DEFAULT 0,
    made_at_ms INTEGER NOT NULL,
    dealt_ms INTEGER NOT NULL,           -- every due time up to here was dealt with
    held INTEGER NOT NULL DEFAULT 0,     -- why what is due has to wait; 0 for nothing
    last_task_id BLOB NOT NULL DEFAULT x'',
    last_due_ms INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ending (
    pair_id BLOB PRIMARY KEY             -- ended here; the pairing service has not heard of it yet
) STRICT, WITHOUT ROWID;
"""

_SECOND = """
CREATE TABLE stray_keys (
    pair_id BLOB PRIMARY KEY             -- no pairing, and its keys may be among the secrets
) STRICT, WITHOUT ROWID;
"""

_STEPS = (_FIRST, _SECOND)
"""What makes each version out of the one before."""

VERSION = len(_STEPS)


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a new journal, or bring an older one up to date. Raises StoreFailed for one from a newer version."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise errors.StoreFailed("the journal was written by a newer version of Dispatch")
    if found < VERSION:
        steps = "".join(_STEPS[found:])
        connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")
