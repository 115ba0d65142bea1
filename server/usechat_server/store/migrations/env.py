"""Alembic's environment. `usechat_server.store.schema` runs it on a connection of its own."""

from __future__ import annotations

from alembic import context
from usechat_server.store.schema import VERSION_TABLE
from usechat_server.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite can do it too, where BEGIN is sent: a migration that fails leaves nothing behind.
    transactional_ddl=True,
    # SQLite cannot change a table, so it is made anew.
    render_as_batch=connection.dialect.name == "sqlite",
)
context.run_migrations()
