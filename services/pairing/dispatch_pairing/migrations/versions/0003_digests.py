"""Each row of the trust feed has a digest of itself and of all rows before it: trust.py says what for."""

from __future__ import annotations

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NEWS = sa.table(
    "trust_news",
    sa.column("sequence", sa.BigInteger),
    sa.column("pair_id", sa.LargeBinary),
    sa.column("ended_by", sa.SmallInteger),
    sa.column("device_id", sa.LargeBinary),
    sa.column("digest", sa.LargeBinary),
)
_AT_ONCE = 1_000


def upgrade() -> None:
    """Give the rows that are there their digests, as trust.py gives them to new ones; a test compares the two."""
    op.add_column("trust_news", sa.Column("digest", sa.LargeBinary, nullable=False, server_default=""))
    digest, last, connection = b"", -1, op.get_bind()
    change = sa.update(_NEWS).where(_NEWS.c.sequence == sa.bindparam("place")).values(digest=sa.bindparam("made"))
    while True:
        query = sa.select(_NEWS).where(_NEWS.c.sequence > last).order_by(_NEWS.c.sequence).limit(_AT_ONCE)
        changes = []
        for row in connection.execute(query).all():
            last = row.sequence
            kind, told = (1, row.pair_id) if row.pair_id is not None else (2, row.device_id)
            digest = sha256(digest + last.to_bytes(8, "big") + bytes((kind, row.ended_by or 0)) + told).digest()
            changes.append({"place": last, "made": digest})
        if not changes:
            break
        connection.execute(change, changes)
    op.execute("UPDATE service SET schema_version = 3")


def downgrade() -> None:
    """Forget the digests."""
    op.drop_column("trust_news", "digest")
    op.execute("UPDATE service SET schema_version = 2")
