"""Proposals: rollbacks that a person is asked about."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NAME = sa.String(100)


def upgrade() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("incident", sa.Text, nullable=False, unique=True),
        sa.Column("model", _NAME, sa.ForeignKey("models.name"), nullable=False),
        sa.Column("alias", _NAME, nullable=False),
        sa.Column("expected_generation", sa.Integer, nullable=False),
        sa.Column("from_release", sa.Integer, nullable=False),
        sa.Column("to_release", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("proposed_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("generation", sa.Integer),
        sa.Column("answered_by", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("answered_at", sa.BigInteger),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'rejected', 'expired', 'stale', 'withdrawn')",
            name="known_state",
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (answered_at IS NULL)", name="pending_or_answered"
        ),
        sa.CheckConstraint(
            "(state = 'approved') = (generation IS NOT NULL)", name="approved_is_moved"
        ),
        sa.ForeignKeyConstraint(
            ["model", "alias", "expected_generation", "from_release"],
            [
                "alias_moves.model",
                "alias_moves.alias",
                "alias_moves.generation",
                "alias_moves.to_release",
            ],
            name="proposed_at_move",
        ),
        sa.ForeignKeyConstraint(
            ["model", "alias", "generation", "to_release"],
            [
                "alias_moves.model",
                "alias_moves.alias",
                "alias_moves.generation",
                "alias_moves.to_release",
            ],
            name="move_of_approval",
        ),
        sa.ForeignKeyConstraint(["model", "to_release"], ["releases.model", "releases.number"]),
        sqlite_autoincrement=True,
    )
    _answered_once()


def _answered_once() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for change, when in (("UPDATE", "OLD.state <> 'pending'"), ("DELETE", "1 = 1")):
        body = (
            f"WHEN {when} BEGIN SELECT RAISE(ABORT, 'an answered proposal stays as it is'); END"
            if sqlite
            else f"FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION kedge_append_only()"
        )
        op.execute(
            f"CREATE TRIGGER proposals_no_{change.lower()} BEFORE {change} ON proposals {body}"
        )
