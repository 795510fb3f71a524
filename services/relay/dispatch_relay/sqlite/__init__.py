"""The log of one relay, in a file of SQLite. `log.SqliteLog.open` makes it.

Whatever is queued is one transaction: `committer` takes it and says what came of each op, `writer` applies it and commits. What an
op does is decided by `deciding`; `pending`, `calls` and `reports` keep tables, `forgetting` makes room, and `threads` knows where
each pairing stands. `reading` answers the questions of rooms, on connections of its own.
"""
