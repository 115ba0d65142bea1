"""Who owns a turn, what it responds to, and which of its tool calls began and ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COLUMNS = ("process", "request_digest", "request", "log_id", "log_position")


def upgrade() -> None:
    op.create_table(
        "usechat_processes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usechat_processes")),
    )
    op.create_table(
        "usechat_tool_calls",
        sa.Column("turn", _KEY, nullable=False),
        sa.Column("tool_call_id", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["turn"],
            ["usechat_turns.key"],
            name=op.f("fk_usechat_tool_calls_turn"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("turn", "tool_call_id", name=op.f("pk_usechat_tool_calls")),
    )
    for name in _COLUMNS:
        op.add_column("usechat_turns", sa.Column(name, sa.Text()))
    op.add_column(
        "usechat_turns", sa.Column("takeovers", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    for name in (*_COLUMNS, "takeovers"):
        op.drop_column("usechat_turns", name)
    op.drop_table("usechat_tool_calls")
    op.drop_table("usechat_processes")
