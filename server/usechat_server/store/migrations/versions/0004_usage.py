"""The usage of deleted chats, and a view of all usage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COUNTS = ("input", "output", "cache_read", "cache_write", "thinking")
_VIEW = """
CREATE VIEW usechat_usage AS
SELECT c.owner, t.run_id, t.started_at, s.number, s.model, s.finish_reason,
    s.input, s.output, s.cache_read, s.cache_write, s.thinking
FROM usechat_steps AS s
JOIN usechat_turns AS t ON t.key = s.turn
JOIN usechat_chats AS c ON c.key = t.chat
UNION ALL
SELECT owner, run_id, started_at, number, model, finish_reason,
    input, output, cache_read, cache_write, thinking
FROM usechat_deleted_steps
"""


def upgrade() -> None:
    op.create_table(
        "usechat_deleted_steps",
        sa.Column("key", _KEY, autoincrement=True, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("finish_reason", sa.Text()),
        *(sa.Column(name, sa.BigInteger()) for name in _COUNTS),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_usechat_deleted_steps")),
    )
    op.create_index(
        op.f("ix_usechat_deleted_steps_owner_started_at"),
        "usechat_deleted_steps",
        ["owner", "started_at"],
    )
    op.execute(_VIEW)


def downgrade() -> None:
    op.execute("DROP VIEW usechat_usage")
    op.drop_table("usechat_deleted_steps")
