"""Several relays: who has which pairing, which batches were committed, and an index for whom to watch over: that is asked often."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_POSTGRESQL = (
    # `seen`: when it last said that it is there, by the database's clock.
    "CREATE TABLE relay (id text PRIMARY KEY, seen timestamptz NOT NULL)",
    # The number is another each time that somebody takes it.
    "CREATE SEQUENCE seat_number",
    "CREATE TABLE seat (pair_id bytea PRIMARY KEY, relay text NOT NULL, number bigint NOT NULL)",
    "CREATE INDEX seat_by_relay ON seat (relay)",
    # The last batch of each relay that was committed, by its own count: what a commit in doubt is looked up by.
    "CREATE TABLE batch (relay text PRIMARY KEY, number bigint NOT NULL, at timestamptz NOT NULL)",
)


def upgrade() -> None:
    """Add what several relays need."""
    sqlite = op.get_context().dialect.name == "sqlite"
    key = "pairing" if sqlite else "pair_id"
    op.execute(f"CREATE INDEX presence_there ON presence ({key}) WHERE standing IN ('reachable', 'reconnecting')")
    for statement in () if sqlite else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    """Take it away; no row of a thread is touched."""
    op.execute("DROP INDEX presence_there")
    if op.get_context().dialect.name != "sqlite":
        op.execute("DROP TABLE batch, seat, relay")
        op.execute("DROP SEQUENCE seat_number")
