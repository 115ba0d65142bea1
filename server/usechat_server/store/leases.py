"""Leases of processes, as rows: who owns an open turn. Each method runs within a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, cast, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from usechat_server.coordination.ownership import LEASE, Orphan, Owner
from usechat_server.store import rows
from usechat_server.store.tables import chats, processes, turns

__all__ = ["Leases"]

_LEASE = round(LEASE * 1e6)
#: Microseconds after which the expired lease of a process is forgotten.
_FORGET = round(3600 * 1e6)
#: Turns of processes that are gone, which one search returns at most.
_MAX_ORPHANS = 16


class Leases:
    """The table of leases.

    Args:
        is_file: Whether the database is a SQLite file.
        clock: Returns the seconds since 1970. By default the time of PostgreSQL, which all
            processes share, or of this host, which all processes of a SQLite file share.
    """

    def __init__(self, is_file: bool, clock: Callable[[], float] | None) -> None:
        self._clock = time if is_file and clock is None else clock
        now: Any = (
            func.extract("epoch", func.clock_timestamp()) * 1_000_000
            if self._clock is None
            else bindparam("of_now", type_=BigInteger)
        )
        #: microseconds since 1970
        now = cast(now, BigInteger)
        dialect = sqlite if is_file else postgresql
        lease: Any = dialect.insert(processes)
        lease = lease.values(id=bindparam("of_process"), expires_at=now + _LEASE)
        self._renew = lease.on_conflict_do_update(
            index_elements=["id"], set_={"expires_at": lease.excluded.expires_at}
        )
        self._forget = delete(processes).where(processes.c.expires_at < now - _FORGET)
        self._select_now = select(now)
        self._owner = (
            select(
                turns.c.run_id,
                turns.c.process,
                func.coalesce(processes.c.expires_at, 0).label("expires_at"),
                now.label("now"),
            )
            .join_from(turns, processes, turns.c.process == processes.c.id, isouter=True)
            .where(turns.c.run_id == bindparam("of_run"), turns.c.outcome.is_(None))
        )
        self._orphans = (
            select(chats.c.owner, chats.c.id, turns.c.run_id, turns.c.epoch)
            .join_from(turns, chats, turns.c.chat == chats.c.key)
            .join(processes, turns.c.process == processes.c.id, isouter=True)
            .where(
                turns.c.outcome.is_(None),
                turns.c.process.is_not(None),
                or_(processes.c.id.is_(None), processes.c.expires_at <= now),
            )
            .order_by(turns.c.key)
            .limit(_MAX_ORPHANS)
        )

    def renew(self, connection: Connection, process: str) -> None:
        """Renew the lease of a process. The row is the last one that a transaction locks."""
        connection.execute(self._renew, {"of_process": process, **self._time()})

    def forget(self, connection: Connection) -> None:
        """Delete the leases that expired long ago."""
        connection.execute(self._forget, self._time())

    def now(self, connection: Connection) -> int:
        """Return the microseconds since 1970."""
        return int(connection.execute(self._select_now, self._time()).scalar_one())

    def owner_of(self, connection: Connection, run_id: str, process: str) -> Owner | None:
        """Return who owns an open turn, or owned it last, as a process sees it."""
        row = connection.execute(self._owner, {"of_run": run_id, **self._time()}).one_or_none()
        if row is None:
            return None
        is_alive = row.process != process and row.expires_at > row.now
        return Owner(row.run_id, row.process, row.expires_at, is_alive)

    def orphans(self, connection: Connection) -> Sequence[Orphan]:
        """Return open turns of processes whose lease has expired."""
        return [
            Orphan(rows.user(row.owner), row.id, row.run_id, row.epoch)
            for row in connection.execute(self._orphans, self._time())
        ]

    def _time(self) -> dict[str, int]:
        return {} if self._clock is None else {"of_now": round(self._clock() * 1e6)}
