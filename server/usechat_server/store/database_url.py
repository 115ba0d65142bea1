"""Database URLs: which are supported, and what each one names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, exc, make_url

__all__ = ["DatabaseURL", "parse_url"]

_EXPECTED = (
    "expected sqlite:///chats.db (a file; four slashes before an absolute path) "
    "or postgresql://user:password@host/database"
)
#: Parameters that other programs which share a URL understand, and what libpq calls them.
_RENAMED = {"database": "dbname", "schema": "search_path", "ssl": "sslmode"}
#: Parameters that say how other programs pool and prepare; here they change nothing.
_IGNORED = frozenset(
    {
        "connection_limit",
        "pgbouncer",
        "pool_timeout",
        "prepared_statement_cache_size",
        "statement_cache_size",
        "supa",
    }
)


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """A supported database URL.

    Attributes:
        file: The file of SQLite; None: the database is PostgreSQL.
        address: SQLAlchemy's URL of the file, or libpq's connection string.
        label: The URL for logs, without the password and without parameters.
    """

    file: Path | None
    address: str
    label: str


def parse_url(text: str) -> DatabaseURL:
    """Return the database that a URL names.

    Raises:
        ValueError: It names neither a SQLite file in an existing folder nor a PostgreSQL database,
            or PostgreSQL's driver is not installed.
    """
    scheme, separator, rest = text.strip().partition("://")
    name, _, driver = scheme.partition("+")
    if separator and name in ("postgresql", "postgres") and driver in ("", "asyncpg", "psycopg"):
        return _postgres(rest)
    try:
        url = make_url(text)
    except exc.ArgumentError:
        raise ValueError(f"invalid store URL: {_EXPECTED}") from None
    if url.drivername in ("sqlite", "sqlite+aiosqlite"):
        return _sqlite(url)
    raise ValueError(f"unsupported database {url.drivername!r}: {_EXPECTED}")


def _sqlite(url: URL) -> DatabaseURL:
    if url.host or url.database in (None, "", ":memory:"):
        raise ValueError(f"the store URL names no file: {_EXPECTED}")
    file = Path(url.database or "").absolute()
    if not file.parent.is_dir():
        raise ValueError(f"the store's folder does not exist: {file.parent}")
    url = url.set(drivername="sqlite")
    return DatabaseURL(file, url.render_as_string(hide_password=False), url.render_as_string())


def _postgres(rest: str) -> DatabaseURL:
    try:
        from psycopg import ProgrammingError, conninfo
    except ImportError:  # or libpq is not installed
        raise ValueError(
            "PostgreSQL requires a driver: pip install 'usechat-server[postgres]'"
        ) from None
    address, _, query = rest.partition("?")
    authority, _, database = address.partition("/")
    # libpq would look for a host with a part of the password in its name, and log it.
    if authority.count("@") > 1 or "@" in database or re.search("%(?![0-9A-Fa-f]{2})", address):
        raise ValueError(
            "invalid store URL: the characters @ : / ? # % in a user name, password or database "
            "have to be percent-encoded, such as %40 for @"
        )
    try:
        parameters: dict[str, Any] = {
            **conninfo.conninfo_to_dict(f"postgresql://{address}"),
            **_parameters(query),
        }
        # A parameter that libpq does not know is a setting of the server, such as search_path.
        known = _libpq_parameters()
        settings = [
            f"-c {name}={_escape(value)}"
            for name, value in parameters.items()
            if name not in known and name not in _IGNORED
        ]
        options = " ".join(filter(None, [parameters.get("options"), *settings]))
        supported = {name: value for name, value in parameters.items() if name in known}
        connection = conninfo.make_conninfo("", **{**supported, "options": options or None})
    except ProgrammingError:  # its text may repeat the password
        raise ValueError(f"invalid store URL: {_EXPECTED}") from None
    user, host, port = (parameters.get(name) for name in ("user", "host", "port"))
    label = f"{user}@" * bool(user) + (host or "") + f":{port}" * bool(port)
    return DatabaseURL(None, connection, f"postgresql://{label}/{parameters.get('dbname') or ''}")


def _parameters(query: str) -> dict[str, str]:
    """Return the parameters of a URL by libpq's names."""
    parameters = {}
    for item in filter(None, query.split("&")):
        name, separator, value = (unquote(text) for text in item.partition("="))
        if not separator:
            raise ValueError(f"invalid store URL: expected name=value, got {name!r}")
        if name == "ssl" and value in ("true", "1"):  # as JDBC writes it
            value = "require"
        parameters[_RENAMED.get(name, name)] = value
    return parameters


def _libpq_parameters() -> set[str]:
    from psycopg.pq import Conninfo

    return {option.keyword.decode() for option in Conninfo.get_defaults()}


def _escape(value: str) -> str:
    """Return a value as it stands in `options`, where spaces separate."""
    return re.sub(r"([\\\s])", r"\\\1", value)
