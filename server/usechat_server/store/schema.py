"""The revision of a database's tables, and its upgrade.

Revisions are Alembic's, in `migrations/versions`.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exc, inspect, text

from usechat_server.errors import StoreNotReady
from usechat_server.store.database import Database
from usechat_server.store.database_errors import describe

__all__ = ["VERSION_TABLE", "check", "current", "newest", "prepare", "upgrade"]

#: Not Alembic's default name, which the app's own migrations in the same database may use.
VERSION_TABLE = "usechat_version"

#: The advisory lock that an upgrade holds on PostgreSQL: an arbitrary number.
_LOCK = 0x75736563686174


def newest() -> str:
    """Return the revision that this release works with."""
    [head] = ScriptDirectory.from_config(_config()).get_heads()
    return head


async def current(database: Database) -> str | None:
    """Return the revision of a database, or None if it has no tables yet. Raises
    StoreUnavailable."""
    return await database.read(_current)


async def upgrade(database: Database) -> None:
    """Upgrade the tables to the newest revision, all or nothing.

    Processes that do it at the same time wait for each other.

    Raises:
        ValueError: The tables are those of a later release, or the upgrade failed.
        StoreUnavailable: The database cannot be reached.
    """
    try:
        await database.write(_upgrade, seconds=None)
    except exc.DBAPIError as error:  # such as tables of the same name, without a revision
        raise StoreNotReady(f"{database} cannot be upgraded: {describe(error)}") from error


async def check(database: Database) -> None:
    """Check that the tables have the newest revision.

    Raises:
        ValueError: They do not; the message names the command to run.
        StoreUnavailable: The database cannot be reached.
    """
    revision = await current(database)
    if revision is None:
        raise ValueError(f"{database} has no tables yet. Run: usechat-server db upgrade")
    if revision != newest():
        _reject_later(revision)
        raise ValueError(
            f"{database} has the tables of an older release (revision {revision}, expected "
            f"{newest()}). Run: usechat-server db upgrade"
        )


async def prepare(database: Database) -> None:
    """Check the tables when an app starts. A new SQLite file gets them first: it is empty, so
    nothing can be lost."""
    if database.is_file and not await database.read(_table_names):
        await upgrade(database)
    await check(database)


def _table_names(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()


def _current(connection: Connection) -> str | None:
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if revision := _current(connection):
        _reject_later(revision)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _reject_later(revision: str) -> None:
    revisions = {
        script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()
    }
    if revision not in revisions:
        raise ValueError(
            f"The tables are those of a later release (revision {revision}): "
            "update usechat-server, or use another database."
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
