"""Refusals: incidents that move no alias."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NAME = sa.String(100)


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column("incident", sa.Text, primary_key=True),
        sa.Column("model", _NAME, sa.ForeignKey("models.name"), nullable=False),
        sa.Column("alias", _NAME, nullable=False),
        sa.Column("generation", sa.Integer),
        sa.Column("to_release", sa.Integer),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("refused_at", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "(generation IS NULL) = (to_release IS NULL)", name="whole_answer_or_none"
        ),
        sa.ForeignKeyConstraint(
            ["model", "alias", "generation", "to_release"],
            [
                "alias_moves.model",
                "alias_moves.alias",
                "alias_moves.generation",
                "alias_moves.to_release",
            ],
            name="answer",
        ),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    body = (
        "BEGIN SELECT RAISE(ABORT, 'refusals is append-only'); END"
        if sqlite
        else "FOR EACH ROW EXECUTE FUNCTION kedge_append_only()"
    )
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER refusals_no_{change.lower()} BEFORE {change} ON refusals {body}"
        )
