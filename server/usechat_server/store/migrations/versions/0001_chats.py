"""Chats, messages, turns with what their model calls cost, and approvals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "usechat_chats",
        sa.Column("key", _KEY, autoincrement=True, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text()),
        sa.Column("first_text", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("branches", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_usechat_chats")),
        sa.UniqueConstraint("owner", "id", name=op.f("uq_usechat_chats_owner_id")),
    )
    op.create_index(
        op.f("ix_usechat_chats_owner_updated_at_key"),
        "usechat_chats",
        ["owner", "updated_at", "key"],
    )
    op.create_table(
        "usechat_messages",
        sa.Column("key", _KEY, autoincrement=True, nullable=False),
        sa.Column("chat", _KEY, nullable=False),
        sa.Column("branch", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        _of_chat("messages"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_usechat_messages")),
        sa.UniqueConstraint(
            "chat", "branch", "id", name=op.f("uq_usechat_messages_chat_branch_id")
        ),
        sa.UniqueConstraint(
            "chat", "branch", "position", name=op.f("uq_usechat_messages_chat_branch_position")
        ),
    )
    op.create_table(
        "usechat_turns",
        sa.Column("key", _KEY, autoincrement=True, nullable=False),
        sa.Column("chat", _KEY, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        _of_chat("turns"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_usechat_turns")),
        sa.UniqueConstraint("run_id", name=op.f("uq_usechat_turns_run_id")),
    )
    op.create_index(op.f("ix_usechat_turns_chat"), "usechat_turns", ["chat"])
    op.create_index(
        "ix_usechat_turns_open",
        "usechat_turns",
        ["key"],
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "usechat_steps",
        sa.Column("turn", _KEY, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("finish_reason", sa.Text()),
        sa.Column("input", sa.BigInteger()),
        sa.Column("output", sa.BigInteger()),
        sa.Column("cache_read", sa.BigInteger()),
        sa.Column("cache_write", sa.BigInteger()),
        sa.Column("thinking", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["turn"],
            ["usechat_turns.key"],
            name=op.f("fk_usechat_steps_turn"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("turn", "number", name=op.f("pk_usechat_steps")),
    )
    op.create_table(
        "usechat_approvals",
        sa.Column("key", _KEY, autoincrement=True, nullable=False),
        sa.Column("chat", _KEY, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tool_call_id", sa.Text(), nullable=False),
        sa.Column("tool_name", sa.Text(), nullable=False),
        sa.Column("input_digest", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        _of_chat("approvals"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_usechat_approvals")),
        sa.UniqueConstraint("id", name=op.f("uq_usechat_approvals_id")),
    )
    op.create_index(op.f("ix_usechat_approvals_chat"), "usechat_approvals", ["chat"])


def _of_chat(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_usechat_{table}_chat")
    return sa.ForeignKeyConstraint(["chat"], ["usechat_chats.key"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    for table in ("approvals", "steps", "turns", "messages", "chats"):
        op.drop_table(f"usechat_{table}")
