"""Who owns a run: leases of processes, the ledger of tool calls, and takeovers.

A process owns its open turns while its lease is valid. Each write carries the epoch that the turn
had when the process began it or took it over, and changes nothing once there is a higher one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from ui_message_stream.messages import UIMessage

from usechat_server.aio import PerLoop
from usechat_server.coordination.ownership import (
    Orphan,
    Owner,
    Progress,
    Renewal,
    RunEnd,
    RunningRuns,
    TakenOverTurn,
)
from usechat_server.run_log.position import parse_position
from usechat_server.store import rows, writes
from usechat_server.store.database import Database
from usechat_server.store.leases import Leases
from usechat_server.store.rows import Contents
from usechat_server.store.tables import chats, messages, processes, tool_calls, turns

__all__ = ["SqlOwnership"]

_OWN_TURNS = (
    select(chats.c.owner, chats.c.id, turns.c.run_id, turns.c.epoch)
    .join_from(turns, chats, turns.c.chat == chats.c.key)
    .where(turns.c.outcome.is_(None), turns.c.process == bindparam("of_process"))
)
_BEGUN_CALLS = select(tool_calls.c.tool_call_id).where(tool_calls.c.turn == bindparam("of_turn"))
_BEGIN_CALLS = insert(tool_calls)
_END_CALLS = update(tool_calls).where(
    tool_calls.c.turn == bindparam("of_turn"), tool_calls.c.tool_call_id == bindparam("of_call")
)


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
        #: the runs of all apps
        self._runs: PerLoop[WeakSet[RunningRuns]] = PerLoop(WeakSet)
        self.leases: Leases = Leases(database.is_file, clock)

    def add_runs(self, runs: RunningRuns) -> None:
        self._runs.get().add(runs)

    @property
    def running(self) -> frozenset[str]:
        return frozenset().union(*(runs.ids for runs in self._runs.get()))

    async def renew(self, progress: Sequence[Progress]) -> Renewal:
        process, contents = self._process(), Contents([run.message for run in progress])
        running = self.running

        def transaction(connection: Connection) -> Renewal:
            locked = writes.lock_turns(connection, [run.run_id for run in progress])
            open_runs = [
                (turn, run)
                for run in progress
                if (turn := locked.get(run.run_id)) is not None
                and turn.outcome is None
                and turn.epoch == run.epoch
            ]
            self._write_progress(connection, open_runs, contents)
            self.leases.renew(connection, process)
            self.leases.forget(connection)
            mine = [
                Orphan(rows.user(row.owner), row.id, row.run_id, row.epoch)
                for row in connection.execute(_OWN_TURNS, {"of_process": process})
            ]
            owned = frozenset((turn.run_id, turn.epoch) for turn in mine)
            not_running = [turn for turn in mine if turn.run_id not in running]
            return Renewal(owned, [*not_running, *self.leases.orphans(connection)])

        return await self._database.write(transaction, prepare=contents.encode)

    async def orphans(self) -> Sequence[Orphan]:
        return await self._database.read(self.leases.orphans)

    async def owner(self, user: str | None, chat_id: str) -> Owner | None:
        process = self._process()

        def transaction(connection: Connection) -> Owner | None:
            chat = select(chats.c.run_id).filter_by(owner=rows.owner(user), id=chat_id)
            run_id = connection.scalar(chat)
            return None if run_id is None else self.leases.owner_of(connection, run_id, process)

        return await self._database.read(transaction)

    async def begin_calls(self, run: Progress, call_ids: Collection[str]) -> bool:
        contents = Contents([run.message])

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
                connection.execute(_BEGIN_CALLS, values)
            return all(self._write_progress(connection, [(turn, run)], contents))

        return await self._database.write(transaction, prepare=contents.encode)

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

    def _write_progress(
        self,
        connection: Connection,
        runs: Sequence[tuple[writes.LockedTurn, Progress]],
        contents: Contents,
    ) -> list[bool]:
        """Store what open turns of this process have written. Returns False for each whose message
        a newer run owns or has replaced."""
        ended_calls = [
            {"of_turn": turn.key, "of_call": call_id, "ended_at": rows.now()}
            for turn, run in runs
            for call_id in run.ended_calls
        ]
        if ended_calls:
            connection.execute(_END_CALLS, ended_calls)
        newer = [(turn, run) for turn, run in runs if not _is_older(run, turn)]
        return writes.save_progress(
            connection,
            [writes.Written(turn, run.message, contents.of(run.message)) for turn, run in newer],
            [
                {"epoch": run.epoch, "log_id": run.log_id, "log_position": run.log_position}
                for _, run in newer
            ],
        )

    def _began(self, connection: Connection, turn: int) -> frozenset[str]:
        return frozenset(connection.scalars(_BEGUN_CALLS, {"of_turn": turn}))

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
        now = self.leases.now(connection)
        # A former release knew no leases: its processes have stopped before the upgrade.
        expired_at: int = now if row.process is None else leases.get(row.process, 0)
        if expired_at > now and row.process != process:
            return None
        values = {
            "epoch": row.epoch + 1,
            "process": process,
            "takeovers": row.takeovers + 1,
        }
        connection.execute(update(turns).filter_by(key=row.key).values(values))
        self.leases.renew(connection, process)
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
            idle_seconds=max(0, now - expired_at) / 1e6,
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
