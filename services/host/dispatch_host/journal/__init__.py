"""The host's memory: threads, tasks, commands, outbox, folders, in one SQLite file. Write, then send.

`Journal.step` runs one function in one transaction; the functions of what is remembered stand in the modules by subject.
Nothing here knows frames, keys of a pairing, or agents.
"""

from dispatch_host.journal.writer import Tx, Writer

__all__ = ["Tx", "Writer"]
