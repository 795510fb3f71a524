"""Runs revisions on the connection that sql/schema.py brings, inside its transaction. Called by alembic alone."""

from __future__ import annotations

from alembic import context

from dispatch_pairing import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=tables.revision.name,
    render_as_batch=True,  # SQLite can't change a table: it is made anew
    transactional_ddl=True,  # our own transaction, on both databases
)
context.run_migrations()
