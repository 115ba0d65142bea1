"""Chats that the server keeps: messages, approvals and what each turn cost."""

from __future__ import annotations

from usechat_server.chats.base import Chats

__all__ = ["Chats", "chats_in"]


def chats_in(store: str | Chats | None) -> Chats | None:
    """The store that an app was given: its URL or itself. Raises ValueError for another URL."""
    if not isinstance(store, str):
        return store
    # Imported on use: an app without a store needs no database library.
    from usechat_server.chats.store import SqlChats

    return SqlChats(store)
