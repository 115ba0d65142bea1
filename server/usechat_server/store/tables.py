"""The tables. What they look like in a database is made by the migrations, which a test compares.

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

__all__ = ["approvals", "chats", "messages", "metadata", "steps", "turns"]

#: Named, since a later migration has to name what it changes.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: 64 bits in both databases. SQLite's INTEGER has them, and only that can be counted up.
_Int64 = BigInteger().with_variant(Integer, "sqlite")


def _key() -> Column[int]:
    return Column("key", _Int64, primary_key=True, autoincrement=True)


def _of(table: str, *, primary_key: bool = False) -> Column[int]:
    """The row that this one belongs to and goes with."""
    foreign = ForeignKey(f"usechat_{table}.key", ondelete="CASCADE")
    return Column(table[:-1], _Int64, foreign, nullable=False, primary_key=primary_key)


chats = Table(
    "usechat_chats",
    metadata,
    _key(),
    #: the user; empty: nobody in particular
    Column("owner", Text, nullable=False),
    Column("id", Text, nullable=False),
    #: None: it was not renamed
    Column("title", Text),
    #: of the first user text
    Column("first_text", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    #: counts what was written, so that nothing is built on a state that is past
    Column("revision", BigInteger, nullable=False),
    #: how often a tail was replaced
    Column("branches", Integer, nullable=False),
    #: the run that began last, until it ends
    Column("run_id", Text),
    UniqueConstraint("owner", "id"),
    Index(None, "owner", "updated_at", "key"),
)

messages = Table(
    "usechat_messages",
    metadata,
    _key(),
    _of("chats"),
    #: 0: the chat as it is; else the tail that was replaced as the n-th
    Column("branch", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("id", Text, nullable=False),
    Column("role", Text, nullable=False),
    #: the UI message as JSON. Text: a JSON column changes numbers and refuses some strings
    Column("content", Text, nullable=False),
    #: the run that wrote it last; None: it came from the client
    Column("run_id", Text),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("chat", "branch", "position"),
    UniqueConstraint("chat", "branch", "id"),
)

turns = Table(
    "usechat_turns",
    metadata,
    _key(),
    _of("chats"),
    Column("run_id", Text, nullable=False, unique=True),
    #: fencing token of the lease that the run was written under; larger after each takeover. With
    #: Redis, microseconds since 1970
    Column("epoch", _Int64, nullable=False),
    Column("message_id", Text, nullable=False),
    #: None: it has no end yet
    Column("outcome", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Index(None, "chat"),
)
Index(
    "ix_usechat_turns_open",
    turns.c.key,
    sqlite_where=turns.c.outcome.is_(None),
    postgresql_where=turns.c.outcome.is_(None),
)

steps = Table(
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

approvals = Table(
    "usechat_approvals",
    metadata,
    _key(),
    _of("chats"),
    Column("id", Text, nullable=False, unique=True),
    Column("tool_call_id", Text, nullable=False),
    Column("tool_name", Text, nullable=False),
    #: of what would be run
    Column("input_digest", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    #: None: nobody answered yet
    Column("used_at", BigInteger),
    Index(None, "chat"),
)
