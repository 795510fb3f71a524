"""Indexes for what is asked of many accounts: pairings of an account, offers of a phone, tasks that are to be forgotten."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_INDEXES = (
    ("ix_offers_phone", "offers", "phone_id"),
    ("ix_pairings_account", "pairings", "account_id"),
    ("ix_tasks_posted", "tasks", "posted_ms"),
)


def upgrade() -> None:
    """Make the indexes. A program from before there were revisions looks at schema_version, and shall refuse."""
    for name, table, column in _INDEXES:
        op.create_index(name, table, [column])
    op.execute("UPDATE service SET schema_version = 2")


def downgrade() -> None:
    """Drop them."""
    for name, table, _ in _INDEXES:
        op.drop_index(name, table_name=table)
    op.execute("UPDATE service SET schema_version = 1")
