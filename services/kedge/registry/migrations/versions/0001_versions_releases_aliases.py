"""Model versions, code versions, releases, aliases and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NAME = sa.String(100)
_ADDRESS = sa.String(64)
_APPEND_ONLY = ("model_versions", "code_versions", "releases", "alias_moves")


def upgrade() -> None:
    op.create_table("models", sa.Column("name", _NAME, primary_key=True))
    _create_versions()
    op.create_table(
        "releases",
        sa.Column("model", _NAME, sa.ForeignKey("models.name"), primary_key=True),
        sa.Column("number", sa.Integer, sa.CheckConstraint("number >= 1"), primary_key=True),
        sa.Column("model_version", _ADDRESS, nullable=False),
        sa.Column("code_version", _ADDRESS, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "model_version"], ["model_versions.model", "model_versions.id"]
        ),
        sa.ForeignKeyConstraint(
            ["model", "code_version"], ["code_versions.model", "code_versions.id"]
        ),
    )
    _create_alias_moves()
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("event_id", sa.String(300), nullable=False, unique=True),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("published_at", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_index("pending", "outbox", ["published_at", "sequence"])
    _forbid_changes()


def _create_versions() -> None:
    op.create_table(
        "model_versions",
        sa.Column("model", _NAME, sa.ForeignKey("models.name"), primary_key=True),
        sa.Column("id", _ADDRESS, primary_key=True),
        sa.Column("artifact", _ADDRESS, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
    )
    op.create_table(
        "code_versions",
        sa.Column("model", _NAME, sa.ForeignKey("models.name"), primary_key=True),
        sa.Column("id", _ADDRESS, primary_key=True),
        sa.Column("commit", _ADDRESS),
        sa.Column("bundle", _ADDRESS),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.CheckConstraint(
            'id = coalesce("commit", bundle)', name="code_version_is_named_by_content"
        ),
    )


def _create_alias_moves() -> None:
    op.create_table(
        "alias_moves",
        sa.Column("model", _NAME, sa.ForeignKey("models.name"), primary_key=True),
        sa.Column("alias", _NAME, primary_key=True),
        sa.Column("generation", sa.Integer, primary_key=True),
        sa.Column("previous", sa.Integer),
        sa.Column("from_release", sa.Integer),
        sa.Column("to_release", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("incident", sa.Text, unique=True),
        sa.Column("moved_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["model", "to_release"], ["releases.model", "releases.number"]),
        sa.CheckConstraint(
            "(generation = 1 AND previous IS NULL AND from_release IS NULL) OR "
            "(generation > 1 AND previous = generation - 1 AND from_release IS NOT NULL)",
            name="first_move_or_successor",
        ),
        sa.UniqueConstraint("model", "alias", "generation", "to_release", name="link_of_the_chain"),
        sa.ForeignKeyConstraint(
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


def _forbid_changes() -> None:
    """Whoever writes by another way than the registry is refused by the database itself."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    if not sqlite:
        op.execute(
            "CREATE FUNCTION kedge_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for table in _APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            body = (
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                if sqlite
                else "FOR EACH ROW EXECUTE FUNCTION kedge_append_only()"
            )
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} {body}"
            )
