"""The space on the disk of a SQLite file.

On a full disk nothing can be written, so nothing could be deleted either. What is written goes into
the log (`chats.db-wal`) first, and is copied into the file later: until then it needs its space
twice. What was deleted does not make the file smaller, but it has room for as much.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from usechat_server.errors import StoreUnavailable

__all__ = ["check_space"]

#: Bytes that messages leave free, for deletions.
_RESERVE = 64 * 1024 * 1024
#: Enough for any message without a closer look.
_AMPLE = 4 * _RESERVE


def check_space(connection: Connection, file: Path, size: int) -> None:
    """Check that messages can be stored. If the disk has not much room, the log is emptied first.

    Of a disk of less than 256 MB, a quarter stays free.

    Args:
        connection: A connection outside of a transaction.
        file: The file of the database.
        size: Their bytes; 0 is never refused.

    Raises:
        StoreUnavailable: The disk is almost full.
    """
    if shutil.disk_usage(file.parent).free - _log_size(file) > _AMPLE:
        return
    driver: Any = connection.connection.driver_connection
    # Copies it into the file. A deletion may need as much space there as what it deletes.
    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    [[free_pages], [page_size]] = [
        driver.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_size")
    ]
    reusable = free_pages * page_size
    disk = shutil.disk_usage(file.parent)
    free, reserve = disk.free - _log_size(file), min(_RESERVE, disk.total // 4)
    # The log may use half of the reserve, so that deletions make room.
    if size and (free < size + reserve // 2 or free + reusable < 2 * size + reserve):
        raise StoreUnavailable(
            "There is no space left to store this. Deleting other chats makes room."
        )


def _log_size(file: Path) -> int:
    log = file.with_name(f"{file.name}-wal")
    return log.stat().st_size if log.exists() else 0
