"""The commands of `usechat-server db`. Each returns a line to print, and raises ValueError or
StoreUnavailable."""

from __future__ import annotations

from datetime import timedelta

from usechat_server.store import schema
from usechat_server.store.database import Database
from usechat_server.store.retention import prune as prune_chats

__all__ = ["check", "prune", "upgrade"]


async def upgrade(url: str) -> str:
    """Create the tables of a database, or upgrade them to this release's revision."""
    database = Database(url)
    try:
        before = await schema.current(database)
        await schema.upgrade(database)
    finally:
        await database.aclose()
    newest = schema.newest()
    if before == newest:
        return f"{database} already has revision {newest}."
    return f"{database} has revision {newest} now (before: {before or 'no tables'})."


async def check(url: str) -> str:
    """Check that this release can use the tables of a database."""
    database = Database(url)
    try:
        await schema.check(database)
    finally:
        await database.aclose()
    return f"{database} has revision {schema.newest()}, which this release requires."


async def prune(url: str, age: timedelta) -> str:
    """Delete the chats that were not written to for that long."""
    database = Database(url)
    try:
        await schema.check(database)
        count = await prune_chats(database, age)
    finally:
        await database.aclose()
    return f"{database}: deleted {count} chats that were older than {age.days} days."
