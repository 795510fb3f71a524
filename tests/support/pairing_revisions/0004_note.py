"""Changes a table that others point at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Have a note on each account."""
    with op.batch_alter_table("accounts") as accounts:
        accounts.add_column(sa.Column("note", sa.String, nullable=False, server_default="none"))
        accounts.alter_column("plan", existing_type=sa.String, server_default="pro")


def downgrade() -> None:
    """Have none."""
    with op.batch_alter_table("accounts") as accounts:
        accounts.drop_column("note")
