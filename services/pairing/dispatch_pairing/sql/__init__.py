"""The store in SQL, a module a subject. `open_sqlite` is the way in."""

from dispatch_pairing.sql.store import SqlStore, open_sqlite

__all__ = ["SqlStore", "open_sqlite"]
