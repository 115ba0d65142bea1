"""What an error of a database or its driver means.

|             | SQLSTATE           | SQLite (primary result code)                        |
| ----------- | ------------------ | --------------------------------------------------- |
| ours        | 0A, 23, 42         | ERROR, CONSTRAINT, MISMATCH, MISUSE, RANGE          |
| operator's  | 28, 3D, 3F, 42501  | PERM, READONLY, CANTOPEN, AUTH, NOTADB              |
| data        | 22, 54             | TOOBIG                                              |
| unavailable | any other, or none | any other                                           |
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import exc

from usechat_server.errors import InvalidRequest, StoreNotReady, StoreUnavailable

__all__ = ["DataRefused", "classify", "describe", "is_standby"]


class DataRefused(InvalidRequest):
    """The database cannot store a value. `str()` is its reason, for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__("This request contains a value that cannot be stored.")
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def classify(error: Exception, label: str) -> Exception:
    """Return the error that the callers of a database handle.

    Args:
        error: Any error of a transaction.
        label: Names the database in a text for its operator.

    Returns:
        StoreUnavailable, StoreNotReady, DataRefused, or the error itself: it is a bug, or a
        conflict that the caller handles.
    """
    if isinstance(error, exc.TimeoutError | OSError):
        return StoreUnavailable()
    if not isinstance(error, exc.DBAPIError | sqlite3.Error):
        return error
    match _kind(error):
        case "ours":
            return error
        case "operator":
            return StoreNotReady(f"{label} cannot be used: {describe(error)}")
        case "data":
            return DataRefused(describe(error))
    return StoreUnavailable()


def describe(error: BaseException) -> str:
    """Return the reason in one line."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split()) or type(cause).__name__


def is_standby(error: BaseException) -> bool:
    """Whether a statement was refused since the server is not the primary (any more)."""
    return _sqlstate(error) == "25006"


def _kind(error: exc.DBAPIError | sqlite3.Error) -> str:
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _SQLITE_KINDS.get(getattr(cause, "sqlite_errorcode", -1) & 0xFF, "unavailable")
    state = _sqlstate(cause)
    if state is None:
        # The driver itself: of its errors, those are not of the connection.
        if isinstance(error, exc.DataError):
            return "data"
        of_connection = not isinstance(error, exc.ProgrammingError | exc.NotSupportedError)
        return "unavailable" if of_connection else "ours"
    return _SQLSTATE_KINDS.get(state) or _SQLSTATE_KINDS.get(state[:2], "unavailable")


def _sqlstate(error: Any) -> str | None:
    return getattr(error, "sqlstate", None)


_SQLSTATE_KINDS = {
    **dict.fromkeys(("0A", "23", "42"), "ours"),
    **dict.fromkeys(("28", "3D", "3F", "42501"), "operator"),
    **dict.fromkeys(("22", "54"), "data"),
}
_SQLITE_KINDS = {
    **dict.fromkeys(
        (
            sqlite3.SQLITE_ERROR,
            sqlite3.SQLITE_CONSTRAINT,
            sqlite3.SQLITE_MISMATCH,
            sqlite3.SQLITE_MISUSE,
            sqlite3.SQLITE_RANGE,
        ),
        "ours",
    ),
    **dict.fromkeys(
        (
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_AUTH,
            sqlite3.SQLITE_NOTADB,
        ),
        "operator",
    ),
    sqlite3.SQLITE_TOOBIG: "data",
}
