"""What `usechat-server db` does, each a line to print. Raises ValueError, StoreUnavailable."""

from __future__ import annotations

from usechat_server.store import schema
from usechat_server.store.database import Database

__all__ = ["check", "upgrade"]


async def upgrade(url: str) -> str:
    """Makes the tables of a database, or brings them to this release's revision."""
    database = Database(url)
    try:
        before = await schema.current(database)
        await schema.upgrade(database)
    finally:
        await database.aclose()
    newest = schema.newest()
    if before == newest:
        return f"{database} has revision {newest} already."
    return f"{database} has revision {newest} now (before: {before or 'no tables'})."


async def check(url: str) -> str:
    """Whether a database can be served."""
    database = Database(url)
    try:
        await schema.check(database)
    finally:
        await database.aclose()
    return f"{database} has revision {schema.newest()}, as this release needs."
