"""Chats that the server stores: messages, approvals, branches and the usage of each turn.

`create_app(store=…)` takes a URL or a `ChatStore`. `SqlChatStore` uses SQLite or PostgreSQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usechat_server.errors import StoreUnavailable
from usechat_server.store.base import Branch, Chat, ChatPage, ChatStore, StoredChat, StoredTurn

if TYPE_CHECKING:
    from usechat_server.store.sql import SqlChatStore

__all__ = [
    "Branch",
    "Chat",
    "ChatPage",
    "ChatStore",
    "SqlChatStore",
    "StoreUnavailable",
    "StoredChat",
    "StoredTurn",
]


def __getattr__(name: str) -> Any:
    # SQLAlchemy is imported with the first use of this name: an app without a store needs none.
    if name == "SqlChatStore":
        from usechat_server.store.sql import SqlChatStore

        return SqlChatStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
