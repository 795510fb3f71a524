"""The store in SQL, a module a subject. `open_sqlite` and `open_postgres` are the ways in."""

from dispatch_pairing.sql.store import SqlStore, open_postgres, open_sqlite

__all__ = ["SqlStore", "open_postgres", "open_sqlite"]
