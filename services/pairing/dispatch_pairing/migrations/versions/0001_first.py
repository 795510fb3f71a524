"""All tables, as they were before there were revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "service",
        sa.Column("only", sa.SmallInteger, nullable=False, autoincrement=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("service_name", sa.String, nullable=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_service"),
        sa.CheckConstraint('"only" = 1', name="ck_service_one_row"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key_id", sa.LargeBinary, nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("alone", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_signing_keys"),
    )
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("folded", sa.String, nullable=False),
        sa.Column("password", sa.String, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("plan", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_accounts"),
        sa.UniqueConstraint("folded", name="uq_accounts_folded"),
        sa.CheckConstraint("plan IN ('pro', 'max', 'team', 'enterprise')", name="ck_accounts_plan"),
    )
    op.create_table(
        "logins",
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("account_id", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_logins"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_logins_account"),
    )
    op.create_index("ix_logins_account", "logins", ["account_id"])
    op.create_table(
        "invitations",
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("code_hash", name="pk_invitations"),
    )
    op.create_table(
        "web_sessions",
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("account_id", sa.LargeBinary, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_web_sessions"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_web_sessions_account"),
    )
    op.create_index("ix_web_sessions_account", "web_sessions", ["account_id"])
    op.create_index("ix_web_sessions_expires", "web_sessions", ["expires_ms"])
    op.create_table(
        "devices",
        sa.Column("device_id", sa.LargeBinary, nullable=False),
        sa.Column("account_id", sa.LargeBinary, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("role", sa.SmallInteger, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("app_version", sa.String, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("device_id", name="pk_devices"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_devices_account"),
        sa.UniqueConstraint("key", name="uq_devices_key"),
        sa.CheckConstraint("role IN (1, 2)", name="ck_devices_role"),
    )
    op.create_index("ix_devices_account", "devices", ["account_id"])
    op.create_table(
        "sign_ins",
        sa.Column("device_id", sa.LargeBinary, nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("rotated_ms", sa.BigInteger, nullable=False),
        sa.Column("previous_hash", sa.LargeBinary, nullable=True),
        sa.Column("family", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("device_id", name="pk_sign_ins"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.device_id"], name="fk_sign_ins_device"),
    )
    op.create_table(
        "offers",
        sa.Column("offer_id", sa.LargeBinary, nullable=False),
        sa.Column("host_id", sa.LargeBinary, nullable=False),
        sa.Column("account_id", sa.LargeBinary, nullable=False),
        sa.Column("claim_token_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("claim_by_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("phone_id", sa.LargeBinary, nullable=True),
        sa.Column("confirm_by_ms", sa.BigInteger, nullable=True),
        sa.Column("misses", sa.Integer, nullable=False),
        sa.Column("contested", sa.SmallInteger, nullable=False),
        sa.Column("reason", sa.Integer, nullable=True),
        sa.PrimaryKeyConstraint("offer_id", name="pk_offers"),
        sa.ForeignKeyConstraint(["host_id"], ["devices.device_id"], name="fk_offers_host"),
        sa.ForeignKeyConstraint(["phone_id"], ["devices.device_id"], name="fk_offers_phone"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_offers_account"),
        sa.CheckConstraint("state IN ('open', 'claimed', 'complete', 'ended')", name="ck_offers_state"),
        sa.CheckConstraint("(state = 'ended') = (reason IS NOT NULL)", name="ck_offers_reason"),
        sa.CheckConstraint("(phone_id IS NULL) = (confirm_by_ms IS NULL)", name="ck_offers_claim"),
    )
    op.create_index("ix_offers_host_created", "offers", ["host_id", "created_ms"])
    op.create_index("ix_offers_created", "offers", ["created_ms"])
    op.create_table(
        "steps",
        sa.Column("offer_id", sa.LargeBinary, nullable=False),
        sa.Column("number", sa.SmallInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("offer_id", "number", name="pk_steps"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.offer_id"], name="fk_steps_offer", ondelete="CASCADE"),
        sa.CheckConstraint("number BETWEEN 1 AND 8", name="ck_steps_number"),
    )
    op.create_table(
        "pairings",
        sa.Column("pair_id", sa.LargeBinary, nullable=False),
        sa.Column("account_id", sa.LargeBinary, nullable=False),
        sa.Column("host_id", sa.LargeBinary, nullable=False),
        sa.Column("phone_id", sa.LargeBinary, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_sequence", sa.BigInteger, nullable=True),
        sa.Column("ended_by", sa.SmallInteger, nullable=True),
        sa.PrimaryKeyConstraint("pair_id", name="pk_pairings"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_pairings_account"),
        sa.ForeignKeyConstraint(["host_id"], ["devices.device_id"], name="fk_pairings_host"),
        sa.ForeignKeyConstraint(["phone_id"], ["devices.device_id"], name="fk_pairings_phone"),
        sa.UniqueConstraint("ended_sequence", name="uq_pairings_ended_sequence"),
        sa.CheckConstraint("ended_by IS NULL OR ended_sequence IS NOT NULL", name="ck_pairings_ended"),
    )
    op.create_index("ix_pairings_phone", "pairings", ["phone_id"])
    op.create_index(
        "uq_pairings_active",
        "pairings",
        ["host_id", "phone_id"],
        unique=True,
        sqlite_where=sa.text("ended_sequence IS NULL"),
        postgresql_where=sa.text("ended_sequence IS NULL"),
    )
    op.create_table(
        "farewells",
        sa.Column("pair_id", sa.LargeBinary, nullable=False),
        sa.Column("device_id", sa.LargeBinary, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("pair_id", "device_id", name="pk_farewells"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.device_id"], name="fk_farewells_device"),
    )
    op.create_index("ix_farewells_device", "farewells", ["device_id", "at_ms"])
    op.create_table(
        "trust_news",
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("pair_id", sa.LargeBinary, nullable=True),
        sa.Column("ended_by", sa.SmallInteger, nullable=True),
        sa.Column("device_id", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_trust_news"),
        sa.CheckConstraint("(pair_id IS NULL) <> (device_id IS NULL)", name="ck_trust_news_one"),
    )
    op.create_index("ix_trust_news_pair", "trust_news", ["pair_id"])
    op.create_index("ix_trust_news_device", "trust_news", ["device_id"])
    op.create_table(
        "tasks",
        sa.Column("pair_id", sa.LargeBinary, nullable=False),
        sa.Column("task_id", sa.LargeBinary, nullable=False),
        sa.Column("account_id", sa.LargeBinary, nullable=False),
        sa.Column("phone_id", sa.LargeBinary, nullable=False),
        sa.Column("host_id", sa.LargeBinary, nullable=False),
        sa.Column("posted_ms", sa.BigInteger, nullable=False),
        sa.Column("accepted", sa.SmallInteger, nullable=False),
        sa.Column("reason", sa.Integer, nullable=False),
        sa.Column("outcome", sa.SmallInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("pair_id", "task_id", name="pk_tasks"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_tasks_account"),
    )
    op.create_index("ix_tasks_account_posted", "tasks", ["account_id", "posted_ms", "task_id"])
    op.execute('INSERT INTO service ("only", schema_version, sequence) VALUES (1, 1, 0)')
