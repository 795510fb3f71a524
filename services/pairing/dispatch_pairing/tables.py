"""The tables. Every constraint is named, times are integer ms, ids are bytes. Called by sql/ only.

Whoever changes one writes a revision in migrations/versions, and a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)

REVISION = "0003"
"""The newest revision in migrations/versions: what these tables are."""

metadata = MetaData()

# Apart from the others: it is alembic's, and says at which revision the others are.
revision = Table(
    "pairing_revision",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="pairing_revision_pkc"),
)

service = Table(
    "service",
    metadata,
    Column("only", SmallInteger, nullable=False, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    Column("service_name", String, nullable=True),
    Column("sequence", BigInteger, nullable=False),
    PrimaryKeyConstraint("only", name="pk_service"),
    CheckConstraint('"only" = 1', name="ck_service_one_row"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("number", Integer, nullable=False, autoincrement=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("alone", SmallInteger, nullable=False),
    PrimaryKeyConstraint("number", name="pk_signing_keys"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", LargeBinary, nullable=False),
    Column("name", String, nullable=False),
    Column("folded", String, nullable=False),
    Column("password", String, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("plan", String, nullable=False),
    PrimaryKeyConstraint("account_id", name="pk_accounts"),
    UniqueConstraint("folded", name="uq_accounts_folded"),
    CheckConstraint("plan IN ('pro', 'max', 'team', 'enterprise')", name="ck_accounts_plan"),
)

logins = Table(
    "logins",
    metadata,
    Column("issuer", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("account_id", LargeBinary, nullable=False),
    PrimaryKeyConstraint("issuer", "subject", name="pk_logins"),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_logins_account"),
    Index("ix_logins_account", "account_id"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("code_hash", LargeBinary, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("code_hash", name="pk_invitations"),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("token_hash", LargeBinary, nullable=False),
    Column("account_id", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("token_hash", name="pk_web_sessions"),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_web_sessions_account"),
    Index("ix_web_sessions_account", "account_id"),
    Index("ix_web_sessions_expires", "expires_ms"),
)

devices = Table(
    "devices",
    metadata,
    Column("device_id", LargeBinary, nullable=False),
    Column("account_id", LargeBinary, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("role", SmallInteger, nullable=False),
    Column("name", String, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("app_version", String, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger, nullable=True),
    PrimaryKeyConstraint("device_id", name="pk_devices"),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_devices_account"),
    UniqueConstraint("key", name="uq_devices_key"),
    CheckConstraint("role IN (1, 2)", name="ck_devices_role"),
    Index("ix_devices_account", "account_id"),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("device_id", LargeBinary, nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("rotated_ms", BigInteger, nullable=False),
    Column("previous_hash", LargeBinary, nullable=True),
    Column("family", LargeBinary, nullable=False),
    PrimaryKeyConstraint("device_id", name="pk_sign_ins"),
    ForeignKeyConstraint(["device_id"], ["devices.device_id"], name="fk_sign_ins_device"),
)

offers = Table(
    "offers",
    metadata,
    Column("offer_id", LargeBinary, nullable=False),
    Column("host_id", LargeBinary, nullable=False),
    Column("account_id", LargeBinary, nullable=False),
    Column("claim_token_hash", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("claim_by_ms", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("phone_id", LargeBinary, nullable=True),
    Column("confirm_by_ms", BigInteger, nullable=True),
    Column("misses", Integer, nullable=False),
    Column("contested", SmallInteger, nullable=False),
    Column("reason", Integer, nullable=True),
    PrimaryKeyConstraint("offer_id", name="pk_offers"),
    ForeignKeyConstraint(["host_id"], ["devices.device_id"], name="fk_offers_host"),
    ForeignKeyConstraint(["phone_id"], ["devices.device_id"], name="fk_offers_phone"),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_offers_account"),
    CheckConstraint("state IN ('open', 'claimed', 'complete', 'ended')", name="ck_offers_state"),
    CheckConstraint("(state = 'ended') = (reason IS NOT NULL)", name="ck_offers_reason"),
    CheckConstraint("(phone_id IS NULL) = (confirm_by_ms IS NULL)", name="ck_offers_claim"),
    Index("ix_offers_host_created", "host_id", "created_ms"),
    Index("ix_offers_created", "created_ms"),
    Index("ix_offers_phone", "phone_id"),
)

steps = Table(
    "steps",
    metadata,
    Column("offer_id", LargeBinary, nullable=False),
    Column("number", SmallInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    PrimaryKeyConstraint("offer_id", "number", name="pk_steps"),
    ForeignKeyConstraint(["offer_id"], ["offers.offer_id"], name="fk_steps_offer", ondelete="CASCADE"),
    CheckConstraint("number BETWEEN 1 AND 8", name="ck_steps_number"),
)

pairings = Table(
    "pairings",
    metadata,
    Column("pair_id", LargeBinary, nullable=False),
    Column("account_id", LargeBinary, nullable=False),
    Column("host_id", LargeBinary, nullable=False),
    Column("phone_id", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("ended_sequence", BigInteger, nullable=True),
    Column("ended_by", SmallInteger, nullable=True),
    PrimaryKeyConstraint("pair_id", name="pk_pairings"),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_pairings_account"),
    ForeignKeyConstraint(["host_id"], ["devices.device_id"], name="fk_pairings_host"),
    ForeignKeyConstraint(["phone_id"], ["devices.device_id"], name="fk_pairings_phone"),
    UniqueConstraint("ended_sequence", name="uq_pairings_ended_sequence"),
    CheckConstraint("ended_by IS NULL OR ended_sequence IS NOT NULL", name="ck_pairings_ended"),
    # Two devices have one active pairing at most: re-pairing replaces.
    Index(
        "uq_pairings_active",
        "host_id",
        "phone_id",
        unique=True,
        sqlite_where=text("ended_sequence IS NULL"),
        postgresql_where=text("ended_sequence IS NULL"),
    ),
    Index("ix_pairings_phone", "phone_id"),
    Index("ix_pairings_account", "account_id"),
)

farewells = Table(
    "farewells",
    metadata,
    Column("pair_id", LargeBinary, nullable=False),
    Column("device_id", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("pair_id", "device_id", name="pk_farewells"),
    ForeignKeyConstraint(["device_id"], ["devices.device_id"], name="fk_farewells_device"),
    Index("ix_farewells_device", "device_id", "at_ms"),
)

trust_news = Table(
    "trust_news",
    metadata,
    Column("sequence", BigInteger, nullable=False, autoincrement=False),
    Column("pair_id", LargeBinary, nullable=True),
    Column("ended_by", SmallInteger, nullable=True),
    Column("device_id", LargeBinary, nullable=True),
    Column("digest", LargeBinary, nullable=False, server_default=""),
    PrimaryKeyConstraint("sequence", name="pk_trust_news"),
    # No foreign keys: it outlives what it tells of, and says nothing of whose that was.
    CheckConstraint("(pair_id IS NULL) <> (device_id IS NULL)", name="ck_trust_news_one"),
    Index("ix_trust_news_pair", "pair_id"),
    Index("ix_trust_news_device", "device_id"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("pair_id", LargeBinary, nullable=False),
    Column("task_id", LargeBinary, nullable=False),
    Column("account_id", LargeBinary, nullable=False),
    Column("phone_id", LargeBinary, nullable=False),
    Column("host_id", LargeBinary, nullable=False),
    Column("posted_ms", BigInteger, nullable=False),
    Column("accepted", SmallInteger, nullable=False),
    Column("reason", Integer, nullable=False),
    Column("outcome", SmallInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("pair_id", "task_id", name="pk_tasks"),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_tasks_account"),
    Index("ix_tasks_account_posted", "account_id", "posted_ms", "task_id"),
    Index("ix_tasks_posted", "posted_ms"),
)
