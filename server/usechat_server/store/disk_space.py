"""The space on the disk of a SQLite file.

On a full disk nothing can be written, so nothing could be deleted either. What is written goes into
the log (`chats.db-wal`) first, and is copied into the file later: until then it needs its space
twice. What was deleted does not make the file smaller, but it has room for as much.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from usechat_server.errors import StoreUnavailable

__all__ = ["check_space", "has_ample_space"]

#: Bytes that messages leave free, for deletions.
_RESERVE = 64 * 1024 * 1024
#: Enough for any message without a closer look.
_AMPLE = 4 * _RESERVE


def has_ample_space(file: Path) -> bool:
    """Whether any message can be stored."""
    return shutil.disk_usage(file.parent).free - _log_size(file) > _AMPLE


async def check_space(connection: AsyncConnection, file: Path, size: int) -> None:
    """Empty the log, and check that messages can be stored.

    Of a disk of less than 256 MB, a quarter stays free.

    Args:
        connection: A connection outside of a transaction.
        file: The file of the database.
        size: Their bytes; 0 is never refused.

    Raises:
        StoreUnavailable: The disk is almost full.
    """
    # Copies it into the file. A deletion may need as much space there as what it deletes.
    await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    free_pages = await connection.exec_driver_sql("PRAGMA freelist_count")
    page_size = await connection.exec_driver_sql("PRAGMA page_size")
    reusable = free_pages.scalar_one() * page_size.scalar_one()
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
