"""Formats of artifacts, who allowed a pickle, a canary's share, and what was deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NAME = sa.String(100)
_ADDRESS = sa.String(64)

_DELETABLE = {"model_versions": "id", "code_versions": "id", "releases": "number"}
_APPEND_ONLY = ("pickle_permissions", "deletions")


def upgrade() -> None:
    op.add_column(
        "model_versions",
        sa.Column("format", sa.String(20), nullable=False, server_default="unknown"),
    )
    op.execute("ALTER TABLE alias_moves ADD COLUMN share FLOAT CHECK (share >= 0 AND share <= 1)")
    op.create_table(
        "pickle_permissions",
        sa.Column("model", _NAME, primary_key=True),
        sa.Column("model_version", _ADDRESS, primary_key=True),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("allowed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "deletions",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("model", _NAME, sa.ForeignKey("models.name"), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", _ADDRESS, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("deleted_at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("deleted", "deletions", ["model", "kind", "subject"])
    if op.get_bind().dialect.name == "sqlite":
        _forbid_on_sqlite()
    else:
        _forbid_on_postgresql()


def _forbid_on_sqlite() -> None:
    for table in _APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    for table, key in _DELETABLE.items():
        op.execute(f"DROP TRIGGER {table}_no_delete")
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "  # noqa: S608 - our names
            f"WHEN NOT EXISTS ({_recorded(table, key)}) "
            f"BEGIN SELECT RAISE(ABORT, 'a deletion from {table} has to be recorded first'); END"
        )


def _forbid_on_postgresql() -> None:
    for table in _APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION kedge_append_only()"
            )
    for table, key in _DELETABLE.items():
        op.execute(
            f"CREATE FUNCTION kedge_{table}_deletion() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF NOT EXISTS ({_recorded(table, key)}) THEN RAISE EXCEPTION "
            f"'a deletion from {table} has to be recorded first'; END IF; RETURN OLD; END $$"
        )
        op.execute(f"DROP TRIGGER {table}_no_delete ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION kedge_{table}_deletion()"
        )


def _recorded(table: str, key: str) -> str:
    # What was registered anew after its deletion needs another one.
    return (
        "SELECT 1 FROM deletions WHERE deletions.model = OLD.model "  # noqa: S608 - our names
        f"AND deletions.kind = '{table}' AND deletions.subject = CAST(OLD.{key} AS TEXT) "
        "AND deletions.deleted_at >= OLD.created_at"
    )
