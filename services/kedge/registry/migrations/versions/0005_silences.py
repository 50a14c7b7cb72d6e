"""Silences: what webhooks say nothing about."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "silences",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("matchers", sa.Text, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name="ends_after_it_begins"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "silence_expiries",
        sa.Column(
            "silence",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            sa.ForeignKey("silences.id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("expired_at", sa.BigInteger, nullable=False),
        sa.Column("expired_by", sa.Text, nullable=False),
    )
    for table in ("silences", "silence_expiries"):
        body = (
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            if op.get_bind().dialect.name == "sqlite"
            else "FOR EACH ROW EXECUTE FUNCTION kedge_append_only()"
        )
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} {body}"
            )
