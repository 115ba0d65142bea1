"""The tables of a database: which revision they have, and making them the newest.

Revisions are Alembic's, in `migrations/versions`.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from usechat_server.store.database import Database

__all__ = ["VERSION_TABLE", "check", "current", "newest", "prepare", "upgrade"]

#: Not Alembic's usual name, which the app's own tables in the same database may need.
VERSION_TABLE = "usechat_version"

#: PostgreSQL's lock that an upgrade holds: any number that nobody else uses.
_LOCK = 0x75736563686174


def newest() -> str:
    """The revision that this release works with."""
    [head] = ScriptDirectory.from_config(_config()).get_heads()
    return head


async def current(database: Database) -> str | None:
    """The revision of a database; None: it has no tables yet. Raises StoreUnavailable."""
    return await database.read(lambda connection: connection.run_sync(_current))


async def upgrade(database: Database) -> None:
    """Brings the tables to the newest revision, all or nothing; processes that do it at the same
    time wait for each other. Raises ValueError for the tables of a later release,
    StoreUnavailable."""
    await database.write(lambda connection: connection.run_sync(_upgrade))


async def check(database: Database) -> None:
    """Raises ValueError, which names the command, if the tables are not the newest revision's."""
    revision = await current(database)
    if revision is None:
        raise ValueError(f"{database} has no tables yet. Run: usechat-server db upgrade")
    if revision != newest():
        _refuse_later(revision)
        raise ValueError(
            f"{database} has the tables of an older release (revision {revision}, expected "
            f"{newest()}). Run: usechat-server db upgrade"
        )


async def prepare(database: Database) -> None:
    """The same for an app that starts. A new file gets its tables: nothing can go wrong there."""
    if database.is_file and not await database.read(lambda there: there.run_sync(_tables)):
        await upgrade(database)
    await check(database)


def _tables(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()


def _current(connection: Connection) -> str | None:
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if revision := _current(connection):
        _refuse_later(revision)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_later(revision: str) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision not in known:
        raise ValueError(
            f"The tables are those of a later release (revision {revision}): "
            "update usechat-server, or use another database."
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
