"""Alembic's environment, which `usechat_server.store.schema` runs on its own connection."""

from __future__ import annotations

from alembic import context
from usechat_server.store.schema import VERSION_TABLE
from usechat_server.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite's DDL is transactional too, since `database` sends BEGIN: a failed migration leaves
    # nothing behind.
    transactional_ddl=True,
    # SQLite cannot alter most of a table: Alembic copies it to a new one.
    render_as_batch=connection.dialect.name == "sqlite",
)
context.run_migrations()
