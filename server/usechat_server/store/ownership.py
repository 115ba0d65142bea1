"""Who owns a run: leases of processes, the ledger of tool calls, and takeovers.

A process owns its open turns while its lease is valid. Each write carries the epoch that the turn
had when the process began it or took it over, and changes nothing once there is a higher one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from time import time
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from ui_message_stream.messages import UIMessage

from usechat_server.coordination.base import RunEnd
from usechat_server.run_log.position import parse_position
from usechat_server.store import rows, writes
from usechat_server.store.base import LEASE, Orphan, Owner, Progress, Renewal, TakenOverTurn
from usechat_server.store.database import Database
from usechat_server.store.tables import chats, messages, processes, tool_calls, turns

__all__ = ["SqlOwnership"]

_LEASE = round(LEASE * 1e6)
#: Microseconds after which the expired lease of a process is forgotten.
_FORGET = round(3600 * 1e6)
#: Turns of processes that are gone, which one search returns at most.
_MAX_ORPHANS = 16


class SqlOwnership:
    """See `Ownership`.

    Args:
        database: The database of the chats.
        process: Returns the id of this process.
        clock: Returns the seconds since 1970. By default the time of PostgreSQL, which all
            processes share, or of this host, which all processes of a SQLite file share.
    """

    def __init__(
        self,
        database: Database,
        process: Callable[[], str],
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._database = database
        self._process = process
        self._clock = clock

    async def renew(self, progress: Sequence[Progress]) -> Renewal:
        process = self._process()

        def transaction(connection: Connection) -> Renewal:
            for run in self._in_order(connection, progress):
                self._save(connection, run)
            self.renew_lease(connection, process)
            self._forget_processes(connection)
            mine = select(turns.c.run_id, turns.c.epoch).where(
                turns.c.outcome.is_(None), turns.c.process == process
            )
            owned = frozenset((row.run_id, row.epoch) for row in connection.execute(mine))
            return Renewal(owned, self._orphans(connection))

        return await self._database.write(transaction)

    async def orphans(self) -> Sequence[Orphan]:
        return await self._database.read(self._orphans)

    async def owner(self, user: str | None, chat_id: str) -> Owner | None:
        process = self._process()

        def transaction(connection: Connection) -> Owner | None:
            chat = select(chats.c.run_id).filter_by(owner=rows.owner(user), id=chat_id)
            run_id = connection.scalar(chat)
            return None if run_id is None else self.owner_of(connection, run_id, process)

        return await self._database.read(transaction)

    async def begin_calls(self, run: Progress, call_ids: Collection[str]) -> bool:
        def transaction(connection: Connection) -> bool:
            turn = writes.lock_turn(connection, run.run_id)
            if turn is None or turn.outcome is not None or run.epoch != turn.epoch:
                return False
            known = self._began(connection, turn.key)
            values = [
                {"turn": turn.key, "tool_call_id": call_id, "began_at": rows.now()}
                for call_id in call_ids
                if call_id not in known
            ]
            if values:
                connection.execute(insert(tool_calls), values)
            return self._write_progress(connection, turn, run)

        return await self._database.write(transaction)

    async def take_over(self, orphan: Orphan) -> TakenOverTurn | None:
        return await self._database.write(
            partial(self._take_over, orphan=orphan, process=self._process())
        )

    async def end_of(self, run_id: str) -> RunEnd | None:
        query = select(turns.c.outcome, turns.c.log_position).filter_by(run_id=run_id)

        def transaction(connection: Connection) -> RunEnd | None:
            row = connection.execute(query).one_or_none()
            if row is None:
                return RunEnd(None, None)
            return None if row.outcome is None else RunEnd(row.outcome, row.log_position)

        return await self._database.read(transaction)

    async def leave(self) -> None:
        """Give the lease up: this process has no open turns any more."""
        statement = delete(processes).filter_by(id=self._process())

        def transaction(connection: Connection) -> None:
            connection.execute(statement)

        await self._database.write(transaction)

    # Within a transaction

    def renew_lease(self, connection: Connection, process: str) -> None:
        """Renew the lease of a process. The row is the last one that a transaction locks."""
        dialect = sqlite if self._database.is_file else postgresql
        values = {"id": process, "expires_at": self._now() + _LEASE}
        statement: Any = dialect.insert(processes).values(values)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["id"], set_={"expires_at": statement.excluded.expires_at}
            )
        )

    def owner_of(self, connection: Connection, run_id: str, process: str) -> Owner | None:
        """Return who owns an open turn, or owned it last, as a process sees it."""
        query = (
            select(
                turns.c.run_id,
                turns.c.process,
                func.coalesce(processes.c.expires_at, 0).label("expires_at"),
                self._now().label("now"),
            )
            .join_from(turns, processes, turns.c.process == processes.c.id, isouter=True)
            .where(turns.c.run_id == run_id, turns.c.outcome.is_(None))
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        is_own = row.process == process
        return Owner(row.run_id, row.expires_at, is_own, not is_own and row.expires_at > row.now)

    def _now(self) -> Any:
        """Microseconds since 1970, as SQL."""
        if self._clock is None and not self._database.is_file:
            return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
        return cast(literal(round((self._clock or time)() * 1e6), BigInteger), BigInteger)

    def _in_order(self, connection: Connection, progress: Sequence[Progress]) -> Sequence[Progress]:
        """Return the runs in the order in which every transaction locks their chats."""
        if len(progress) < 2:
            return progress
        query = select(turns.c.run_id, turns.c.chat).where(
            turns.c.run_id.in_([run.run_id for run in progress])
        )
        keys = {row.run_id: row.chat for row in connection.execute(query)}
        return sorted(progress, key=lambda run: keys.get(run.run_id, 0))

    def _save(self, connection: Connection, run: Progress) -> None:
        turn = writes.lock_turn(connection, run.run_id)
        if turn is not None and turn.outcome is None and turn.epoch == run.epoch:
            self._write_progress(connection, turn, run)

    def _write_progress(
        self, connection: Connection, turn: writes.LockedTurn, run: Progress
    ) -> bool:
        if run.ended_calls:
            ended = update(tool_calls).filter_by(turn=turn.key)
            ended = ended.where(tool_calls.c.tool_call_id.in_(run.ended_calls))
            connection.execute(ended.values(ended_at=rows.now()))
        if _is_older(run, turn):
            return True
        return writes.save_message(
            connection,
            turn,
            run.message,
            run_id=run.run_id,
            epoch=run.epoch,
            log_id=run.log_id,
            log_position=run.log_position,
        )

    def _began(self, connection: Connection, turn: int) -> frozenset[str]:
        query = select(tool_calls.c.tool_call_id).filter_by(turn=turn)
        return frozenset(connection.scalars(query))

    def _orphans(self, connection: Connection) -> Sequence[Orphan]:
        query = (
            select(chats.c.owner, chats.c.id, turns.c.run_id, turns.c.epoch)
            .join_from(turns, chats, turns.c.chat == chats.c.key)
            .join(processes, turns.c.process == processes.c.id, isouter=True)
            .where(
                turns.c.outcome.is_(None),
                turns.c.process.is_not(None),
                or_(processes.c.id.is_(None), processes.c.expires_at <= self._now()),
            )
            .order_by(turns.c.key)
            .limit(_MAX_ORPHANS)
        )
        return [
            Orphan(rows.user(row.owner), row.id, row.run_id, row.epoch)
            for row in connection.execute(query)
        ]

    def _forget_processes(self, connection: Connection) -> None:
        statement = delete(processes).where(processes.c.expires_at < self._now() - _FORGET)
        connection.execute(statement)

    def _take_over(
        self, connection: Connection, orphan: Orphan, process: str
    ) -> TakenOverTurn | None:
        if writes.lock_turn(connection, orphan.run_id) is None:
            return None
        query = select(turns).filter_by(run_id=orphan.run_id)
        row = connection.execute(query).one()
        if row.outcome is not None or row.epoch != orphan.epoch:
            return None
        # In this order, since the other process may be taking a turn of this one over.
        both = select(processes.c.id, processes.c.expires_at).where(
            processes.c.id.in_([process, row.process])
        )
        locked = connection.execute(both.order_by(processes.c.id).with_for_update())
        leases = {lease.id: lease.expires_at for lease in locked}
        now: int = connection.execute(select(self._now())).scalar_one()
        # A former release knew no leases: its processes have stopped before the upgrade.
        expired_at: int = now if row.process is None else leases.get(row.process, 0)
        if expired_at > now:
            return None
        values = {
            "epoch": row.epoch + 1,
            "process": process,
            "takeovers": row.takeovers + 1,
        }
        connection.execute(update(turns).filter_by(key=row.key).values(values))
        self.renew_lease(connection, process)
        history, message = _messages(connection, row)
        return TakenOverTurn(
            epoch=row.epoch + 1,
            message_id=row.message_id,
            request=row.request,
            request_digest=row.request_digest or "",
            history=history,
            message=message,
            log_id=row.log_id,
            log_position=row.log_position,
            begun_calls=row.request and self._began(connection, row.key),
            earlier_takeovers=row.takeovers,
            idle_seconds=(now - expired_at) / 1e6,
        )


def _is_older(run: Progress, turn: writes.LockedTurn) -> bool:
    """Whether the store has more of the log: two transactions of one process may change places."""
    if run.log_id != turn.log_id or turn.log_position is None:
        return False
    return parse_position(run.log_position) < parse_position(turn.log_position)


def _messages(connection: Connection, turn: Row[Any]) -> tuple[list[UIMessage], UIMessage | None]:
    """Return the history before the message of a turn, and that message, if any of it is stored."""
    query = select(messages.c.id, messages.c.content, messages.c.run_id)
    query = query.filter_by(chat=turn.chat, branch=0).order_by(messages.c.position)
    history: list[UIMessage] = []
    for row in connection.execute(query):
        message = rows.message(row.content)
        if row.id == turn.message_id:
            return history, message if row.run_id == turn.run_id else None
        history.append(message)
    return history, None
