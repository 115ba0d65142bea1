"""The tables, as queries use them. The migrations create them; a test compares the two.

Times are microseconds since 1970, so that both databases sort and compare them exactly.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "approvals",
    "chats",
    "deleted_steps",
    "messages",
    "metadata",
    "processes",
    "steps",
    "tool_calls",
    "turns",
]

#: Constraints and indexes get names, since a later migration has to name what it changes.
metadata: MetaData = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: 64 bits in both databases. On SQLite INTEGER has them, and only INTEGER can autoincrement.
_Int64 = BigInteger().with_variant(Integer, "sqlite")


def _key() -> Column[int]:
    return Column("key", _Int64, primary_key=True, autoincrement=True)


def _of(table: str, *, primary_key: bool = False) -> Column[int]:
    """Return the column of the row that this one belongs to and is deleted with."""
    foreign = ForeignKey(f"usechat_{table}.key", ondelete="CASCADE")
    return Column(table[:-1], _Int64, foreign, nullable=False, primary_key=primary_key)


chats: Table = Table(
    "usechat_chats",
    metadata,
    _key(),
    #: the user; empty: the app has no `user=`, or it returned None
    Column("owner", Text, nullable=False),
    Column("id", Text, nullable=False),
    #: None: the chat was not renamed
    Column("title", Text),
    #: the beginning of the first user text
    Column("first_text", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    #: counts writes, so that a turn that was made from an older state is refused
    Column("revision", BigInteger, nullable=False),
    #: the number of branches
    Column("branches", Integer, nullable=False),
    #: the run that began last, unless it has ended
    Column("run_id", Text),
    UniqueConstraint("owner", "id"),
    Index(None, "owner", "updated_at", "key"),
)

messages: Table = Table(
    "usechat_messages",
    metadata,
    _key(),
    _of("chats"),
    #: 0: the current branch; n: the n-th that was replaced
    Column("branch", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("id", Text, nullable=False),
    Column("role", Text, nullable=False),
    #: the UI message as JSON, in a text column: JSON columns change numbers and refuse some strings
    Column("content", Text, nullable=False),
    #: the run that last wrote it; None: the client sent it
    Column("run_id", Text),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("chat", "branch", "position"),
    UniqueConstraint("chat", "branch", "id"),
)

turns: Table = Table(
    "usechat_turns",
    metadata,
    _key(),
    _of("chats"),
    Column("run_id", Text, nullable=False, unique=True),
    #: fencing token of the run's lease, which grows with each takeover; with Redis, microseconds
    #: since 1970
    Column("epoch", _Int64, nullable=False),
    Column("message_id", Text, nullable=False),
    #: None: the turn has not ended
    Column("outcome", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    #: the process that owns its run; None: a release without process leases began it
    Column("process", Text),
    #: how often another process has taken its run over
    Column("takeovers", Integer, nullable=False, server_default="0"),
    #: digest of the request that it responds to
    Column("request_digest", Text),
    #: the turn as JSON, without the history, which is in the messages table
    Column("request", Text),
    #: the log that the stored message was read from, and up to where
    Column("log_id", Text),
    Column("log_position", Text),
    Index(None, "chat"),
)
Index(
    "ix_usechat_turns_open",
    turns.c.key,
    sqlite_where=turns.c.outcome.is_(None),
    postgresql_where=turns.c.outcome.is_(None),
)

#: A process owns the open turns that name it until its lease expires.
processes: Table = Table(
    "usechat_processes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
)

#: The tool calls that must not run twice: one that began and has not ended is not run again.
tool_calls: Table = Table(
    "usechat_tool_calls",
    metadata,
    _of("turns", primary_key=True),
    Column("tool_call_id", Text, primary_key=True),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)

steps: Table = Table(
    "usechat_steps",
    metadata,
    _of("turns", primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("model", Text, nullable=False),
    Column("finish_reason", Text),
    Column("input", BigInteger),
    Column("output", BigInteger),
    Column("cache_read", BigInteger),
    Column("cache_write", BigInteger),
    Column("thinking", BigInteger),
)

#: The steps of deleted chats. With those of the other chats they are the view `usechat_usage`.
deleted_steps: Table = Table(
    "usechat_deleted_steps",
    metadata,
    _key(),
    Column("owner", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    *(Column(column.name, column.type, nullable=column.nullable) for column in steps.c[1:]),
    Index(None, "owner", "started_at"),
)

approvals: Table = Table(
    "usechat_approvals",
    metadata,
    _key(),
    _of("chats"),
    Column("id", Text, nullable=False, unique=True),
    Column("tool_call_id", Text, nullable=False),
    Column("tool_name", Text, nullable=False),
    #: digest of the input that the call would run with
    Column("input_digest", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    #: None: the user has not decided yet
    Column("used_at", BigInteger),
    Index(None, "chat"),
)
