"""The registry's tables. Constraints say what must never be, whoever writes.

A database gets them, and the triggers that keep what is appended from being changed, by the steps
in `migrations`; a change here needs another step there.

Versions, releases, alias moves, refusals, silences and the audit are appended and never changed; a
version or release that nothing refers to can be deleted, which is recorded. The history of an alias
is one chain: each move but the first refers to the move before it and to where that one led.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

_NAME = String(100)
_ADDRESS = String(64)

models = Table("models", metadata, Column("name", _NAME, primary_key=True))

model_versions = Table(
    "model_versions",
    metadata,
    Column("model", _NAME, ForeignKey("models.name"), primary_key=True),
    Column("id", _ADDRESS, primary_key=True),
    Column("artifact", _ADDRESS, nullable=False),
    # Canonical JSON: together with `artifact`, what the id is the address of.
    Column("reference", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    # What was registered before formats were looked at is `unknown`.
    Column("format", String(20), nullable=False, server_default="unknown"),
)

# No foreign key: who allowed it stays known when the version is deleted.
pickle_permissions = Table(
    "pickle_permissions",
    metadata,
    Column("model", _NAME, primary_key=True),
    Column("model_version", _ADDRESS, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("allowed_at", BigInteger, nullable=False),
)

code_versions = Table(
    "code_versions",
    metadata,
    Column("model", _NAME, ForeignKey("models.name"), primary_key=True),
    Column("id", _ADDRESS, primary_key=True),
    Column("commit", _ADDRESS),
    Column("bundle", _ADDRESS),
    Column("created_at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    CheckConstraint('id = coalesce("commit", bundle)', name="code_version_is_named_by_content"),
)

releases = Table(
    "releases",
    metadata,
    Column("model", _NAME, ForeignKey("models.name"), primary_key=True),
    Column("number", Integer, CheckConstraint("number >= 1"), primary_key=True),
    Column("model_version", _ADDRESS, nullable=False),
    Column("code_version", _ADDRESS, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["model", "model_version"], [model_versions.c.model, model_versions.c.id]),
    ForeignKeyConstraint(["model", "code_version"], [code_versions.c.model, code_versions.c.id]),
)

alias_moves = Table(
    "alias_moves",
    metadata,
    Column("model", _NAME, ForeignKey("models.name"), primary_key=True),
    Column("alias", _NAME, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("previous", Integer),
    Column("from_release", Integer),
    Column("to_release", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("incident", Text, unique=True),
    Column("moved_at", BigInteger, nullable=False),
    Column("share", Float, CheckConstraint("share >= 0 AND share <= 1")),
    ForeignKeyConstraint(["model", "to_release"], [releases.c.model, releases.c.number]),
    # Nothing refers to generation 0: a first move has neither of the two, every other has both.
    CheckConstraint(
        "(generation = 1 AND previous IS NULL AND from_release IS NULL) OR "
        "(generation > 1 AND previous = generation - 1 AND from_release IS NOT NULL)",
        name="first_move_or_successor",
    ),
    UniqueConstraint("model", "alias", "generation", "to_release", name="link_of_the_chain"),
    ForeignKeyConstraint(
        ["model", "alias", "previous", "from_release"],
        [
            "alias_moves.model",
            "alias_moves.alias",
            "alias_moves.generation",
            "alias_moves.to_release",
        ],
        name="chain",
    ),
)

refusals = Table(
    "refusals",
    metadata,
    Column("incident", Text, primary_key=True),
    Column("model", _NAME, ForeignKey("models.name"), nullable=False),
    Column("alias", _NAME, nullable=False),
    Column("generation", Integer),
    Column("to_release", Integer),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("refused_at", BigInteger, nullable=False),
    # Of another incident's move that answers this one too. The alias need not exist otherwise.
    CheckConstraint("(generation IS NULL) = (to_release IS NULL)", name="whole_answer_or_none"),
    ForeignKeyConstraint(
        ["model", "alias", "generation", "to_release"],
        [
            alias_moves.c.model,
            alias_moves.c.alias,
            alias_moves.c.generation,
            alias_moves.c.to_release,
        ],
        name="answer",
    ),
)

tokens = Table(
    "tokens",
    metadata,
    # Used once, also after it was revoked: in the audit, a name is one token.
    Column("name", _NAME, primary_key=True),
    # SHA-256: the token itself is kept nowhere.
    Column("digest", _ADDRESS, nullable=False, unique=True),
    # Its first letters, for people to know it by.
    Column("prefix", String(20), nullable=False),
    Column("scope", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("used_at", BigInteger),
    CheckConstraint("scope IN ('read', 'operate', 'admin')", name="known_scope"),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(100), nullable=False),
    Column("target", Text, nullable=False),
    Column("request", String(100)),
    Column("result", String(20), nullable=False),
    Column("detail", Text, nullable=False),
    CheckConstraint("result IN ('done', 'refused')", name="known_result"),
)

# The one table whose rows change, once: when a proposal is answered.
proposals = Table(
    "proposals",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("incident", Text, nullable=False, unique=True),
    Column("model", _NAME, ForeignKey("models.name"), nullable=False),
    Column("alias", _NAME, nullable=False),
    Column("expected_generation", Integer, nullable=False),
    Column("from_release", Integer, nullable=False),
    Column("to_release", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("proposed_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("generation", Integer),
    Column("answered_by", Text),
    Column("answer", Text),
    Column("answered_at", BigInteger),
    CheckConstraint(
        "state IN ('pending', 'approved', 'rejected', 'expired', 'stale', 'withdrawn')",
        name="known_state",
    ),
    CheckConstraint("(state = 'pending') = (answered_at IS NULL)", name="pending_or_answered"),
    CheckConstraint("(state = 'approved') = (generation IS NOT NULL)", name="approved_is_moved"),
    ForeignKeyConstraint(
        ["model", "alias", "expected_generation", "from_release"],
        [
            alias_moves.c.model,
            alias_moves.c.alias,
            alias_moves.c.generation,
            alias_moves.c.to_release,
        ],
        name="proposed_at_move",
    ),
    ForeignKeyConstraint(
        ["model", "alias", "generation", "to_release"],
        [
            alias_moves.c.model,
            alias_moves.c.alias,
            alias_moves.c.generation,
            alias_moves.c.to_release,
        ],
        name="move_of_approval",
    ),
    ForeignKeyConstraint(["model", "to_release"], [releases.c.model, releases.c.number]),
    sqlite_autoincrement=True,
)

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

# A row may leave another table only after its deletion is recorded here.
deletions = Table(
    "deletions",
    metadata,
    Column("sequence", _NUMBER, primary_key=True),
    Column("model", _NAME, ForeignKey("models.name"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("subject", _ADDRESS, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    Index("deleted", "model", "kind", "subject"),
    sqlite_autoincrement=True,
)

silences = Table(
    "silences",
    metadata,
    Column("id", _NUMBER, primary_key=True),
    # JSON: globs by label.
    Column("matchers", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("ends_at > starts_at", name="ends_after_it_begins"),
    sqlite_autoincrement=True,
)

silence_expiries = Table(
    "silence_expiries",
    metadata,
    Column("silence", _NUMBER, ForeignKey("silences.id"), primary_key=True, autoincrement=False),
    Column("expired_at", BigInteger, nullable=False),
    Column("expired_by", Text, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("sequence", _NUMBER, primary_key=True),
    Column("event_id", String(300), nullable=False, unique=True),
    Column("key", String(300), nullable=False),
    # The message as it will be sent, so that it is the same at every redelivery.
    Column("value", LargeBinary, nullable=False),
    Column("published_at", BigInteger),
    Index("pending", "published_at", "sequence"),
    # Never a number twice, even after the newest rows are deleted.
    sqlite_autoincrement=True,
)
