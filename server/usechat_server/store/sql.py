"""`SqlChatStore`: chats in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Row, exc, update
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

from usechat_server.aio import PerLoop
from usechat_server.approvals.base import Approvals
from usechat_server.approvals.decisions import decided_calls
from usechat_server.chat_request import ChatRequest, new_message_id, turn_of
from usechat_server.client_history import sanitize_client_history
from usechat_server.errors import ChatConflict, InvalidRequest
from usechat_server.results import Outcome, Step
from usechat_server.store import beginning, reads, rows, schema, writes
from usechat_server.store.approvals import StoredApprovals
from usechat_server.store.base import (
    Branch,
    Chat,
    ChatBusy,
    ChatChanged,
    ChatPage,
    ChatStore,
    OpenTurn,
    StoredChat,
    StoredTurn,
)
from usechat_server.store.branches import BranchRows, branches
from usechat_server.store.database import Database
from usechat_server.store.database_errors import DataRefused
from usechat_server.store.history import check_id, is_storable, next_history
from usechat_server.store.ownership import SqlOwnership
from usechat_server.store.retention import delete_chat, delete_user, prune
from usechat_server.store.rows import Contents
from usechat_server.store.tables import chats
from usechat_server.turn import Turn

__all__ = ["SqlChatStore"]

Details = TypeVar("Details")

#: Stored messages with this many characters are parsed in a thread, so that streams go on.
IN_THREAD = 1_000_000
#: So many messages of a new chat are encoded in a thread, for the same reason.
MANY_MESSAGES = 20


class SqlChatStore(ChatStore):
    """A `ChatStore` in a SQLite file or a PostgreSQL database.

    A new SQLite file gets its tables when it is opened; otherwise `usechat-server db upgrade`
    creates them.

    Args:
        url: `sqlite:///chats.db` or `postgresql://user:password@host/database`.
        clock: Returns the seconds since 1970, for leases; by default the database's.

    Raises:
        ValueError: The URL is neither, the file's folder does not exist, or PostgreSQL's driver is
            not installed.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] | None = None) -> None:
        self.database: Database = Database(url)
        self._approvals = StoredApprovals(self.database)
        self.approvals: Approvals = self._approvals
        #: what stops the run of a chat, in each event loop of an app
        self._stops: WeakKeyDictionary[
            asyncio.AbstractEventLoop, Callable[[str | None, str], Awaitable[None]]
        ] = WeakKeyDictionary()
        #: each event loop is a process of its own: it runs its own turns
        self._process = PerLoop(partial(secrets.token_hex, 8))
        self.ownership: SqlOwnership = SqlOwnership(self.database, self._process.get, clock)

    async def open(self) -> None:
        await schema.prepare(self.database)

    async def ping(self) -> None:
        await self.database.write(reads.lock_any_chat)

    async def aclose(self) -> None:
        await self.database.aclose()

    async def turn(
        self, request: ChatRequest, user: str | None, client_version: ClientVersion
    ) -> Turn:
        check_id("id", request.chat_id)
        row = await self._read_chat(user, request.chat_id, reads.contents)
        ended: str | None = None
        while row is not None and row[0].run_id not in (None, ended):
            ended = row[0].run_id
            await self._end_orphan(ended)
            row = await self._read_chat(user, request.chat_id, reads.contents)
        if row is None:
            return _first_turn(request, user, client_version)
        chat, contents = row
        history = next_history(await _parse_messages(contents), request)
        newest = history.messages[-1]
        return Turn(
            user=user,
            chat_id=request.chat_id,
            client_version=client_version,
            messages=history.messages,
            message_id=newest.id if history.continues else new_message_id(),
            trigger=request.trigger,
            body=request.body,
            revision=chat.revision,
            client_outputs=history.client_outputs,
            resolved_messages=history.resolved_messages,
        )

    async def begin(
        self, turn: Turn, *, run_id: str, epoch: int = 0, request_digest: str = ""
    ) -> int:
        process = self._process.get()
        contents = Contents(turn.messages if turn.revision == 0 else turn.messages[-1:])
        if len(turn.messages) > MANY_MESSAGES and turn.revision == 0:
            await asyncio.to_thread(contents.encode)

        def transaction(connection: Connection) -> int:
            self._approvals.consume(connection, turn)
            chat = beginning.open_chat(connection, turn, run_id)
            beginning.store_history(connection, chat, turn, run_id, contents)
            begun = beginning.open_turn(
                connection,
                chat,
                turn,
                run_id=run_id,
                epoch=epoch,
                process=process,
                request_digest=request_digest,
            )
            self.ownership.leases.renew(connection, process)
            return begun

        try:
            return await self.database.write(transaction, prepare=contents.encode)
        except exc.IntegrityError:
            raise ChatChanged from None

    async def finish(
        self,
        turn: Turn,
        message: UIMessage,
        outcome: Outcome,
        steps: Sequence[Step],
        *,
        run_id: str,
        epoch: int = 0,
        log_position: str | None = None,
    ) -> bool:
        contents = Contents([message])

        def transaction(
            connection: Connection, *, has_message: bool, stored_steps: Sequence[Step]
        ) -> bool:
            row = writes.lock_turn(connection, run_id)
            if row is None or epoch < row.epoch:
                return False
            if row.outcome is not None:
                return epoch == row.epoch
            written = writes.Written(row, message, contents.of(message)) if has_message else None
            place = {"log_position": log_position} if has_message else {}
            writes.end_turn(
                connection, row, outcome, stored_steps, written=written, epoch=epoch, **place
            )
            return True

        # What the database refuses is left out; it has been logged.
        for has_message, stored_steps in ((True, steps), (True, ()), (False, ())):
            with suppress(DataRefused):
                return await self.database.write(
                    partial(transaction, has_message=has_message, stored_steps=stored_steps),
                    prepare=contents.encode,
                )
        return False

    async def open_turns(self) -> Sequence[OpenTurn]:
        return await self.database.read(reads.open_turns)

    async def interrupt(self, run_ids: Collection[str]) -> None:
        for run_id in run_ids:
            await self.database.write(partial(writes.interrupt_turn, run_id=run_id))

    async def list(self, user: str | None, cursor: str | None, limit: int) -> ChatPage:
        return await self.database.read(
            partial(reads.chat_page, user=user, cursor=cursor, limit=limit)
        )

    async def get(self, user: str | None, chat_id: str) -> StoredChat | None:
        row = await self._read_chat(user, chat_id, reads.contents_and_active_message_id)
        if row is None:
            return None
        chat, (contents, active_message_id) = row
        return StoredChat(rows.chat(chat), await _parse_messages(contents), active_message_id)

    async def rename(self, user: str | None, chat_id: str, title: str) -> Chat | None:
        if not is_storable(chat_id):
            return None
        rename = update(chats).filter_by(owner=rows.owner(user), id=chat_id).values(title=title)

        def transaction(connection: Connection) -> Chat | None:
            row = connection.execute(rename.returning(chats)).one_or_none()
            return None if row is None else rows.chat(row)

        return await self.database.write(transaction)

    async def delete(self, user: str | None, chat_id: str) -> bool:
        if not is_storable(chat_id):
            return False
        if stop := self._stops.get(asyncio.get_running_loop()):
            await stop(user, chat_id)
        return await self.database.write(partial(delete_chat, user=user, chat_id=chat_id))

    def stop_runs_with(self, stop: Callable[[str | None, str], Awaitable[None]]) -> None:
        """Set what stops the run of a chat that is deleted; an app calls it.

        Args:
            stop: Stops the run of a user's chat, in the running event loop.
        """
        self._stops[asyncio.get_running_loop()] = stop

    async def delete_all(self, user: str | None) -> int:
        """Delete all chats of a user and their usage, such as when the account is closed.

        Args:
            user: The user's id; None: the app has no users.

        Returns:
            The number of deleted chats.
        """
        return await delete_user(self.database, user)

    async def prune(self, age: timedelta) -> int:
        """Delete chats without a write for that long, as `usechat-server db prune` does.

        Args:
            age: The time since the last write.

        Returns:
            The number of deleted chats.
        """
        return await prune(self.database, age)

    async def branches(
        self, user: str | None, chat_id: str, *, after: int = 0, limit: int | None = None
    ) -> Sequence[Branch] | None:
        read = partial(branches, after=after, limit=limit)
        row = await self._read_chat(user, chat_id, read)
        return None if row is None else await _parse_branches(row[1])

    async def turns(
        self, user: str | None, chat_id: str, *, after: str | None = None, limit: int | None = None
    ) -> Sequence[StoredTurn] | None:
        read = partial(reads.chat_turns, after=after, limit=limit)
        row = await self._read_chat(user, chat_id, read)
        return None if row is None else row[1]

    async def _end_orphan(self, run_id: str) -> None:
        """End an open turn that no process runs. Raises ChatBusy if one may run it."""
        process = self._process.get()

        def transaction(connection: Connection) -> None:
            turn = writes.lock_turn(connection, run_id)
            owner = self.ownership.leases.owner_of(connection, run_id, process)
            if turn is None or owner is None:
                return
            if owner.is_alive:
                raise ChatBusy(owner)
            writes.interrupt_locked_turn(connection, turn)

        await self.database.write(transaction)

    async def _read_chat(
        self,
        user: str | None,
        chat_id: str,
        read: Callable[[Connection, Row[Any]], Details],
    ) -> tuple[Row[Any], Details] | None:
        """Return the row of a user's chat and what `read` reads of it, or None if there is no such
        chat."""

        def transaction(connection: Connection) -> tuple[Row[Any], Details] | None:
            chat = reads.chat(connection, user, chat_id)
            return None if chat is None else (chat, read(connection, chat))

        return await self.database.read(transaction) if is_storable(chat_id) else None


def _first_turn(request: ChatRequest, user: str | None, client_version: ClientVersion) -> Turn:
    """Return the turn of a chat that is not stored yet: its history is the client's."""
    if request.message is not None:
        request = replace(request, messages=[request.message], message=None)
    turn = turn_of(request, user, client_version)
    for message in turn.messages:
        check_id("message.id", message.id)
    if len({message.id for message in turn.messages}) < len(turn.messages):
        raise InvalidRequest("messages: two of them have the same id")
    if decided_calls(turn):
        raise ChatConflict("This chat has no such approval request. Please reload it.")
    # No output is the client's to bring: their calls are texts.
    return replace(
        turn, messages=sanitize_client_history(turn.messages), client_outputs=frozenset()
    )


async def _parse_messages(contents: Sequence[str]) -> list[UIMessage]:
    """Parse stored messages, in a thread if that may take long."""
    if sum(map(len, contents)) < IN_THREAD:
        return list(map(rows.message, contents))
    return await asyncio.to_thread(lambda: list(map(rows.message, contents)))


async def _parse_branches(stored: Sequence[BranchRows]) -> list[Branch]:
    """Parse the messages of branches, in a thread if that may take long."""
    messages = iter(await _parse_messages([text for one in stored for text in one.contents]))
    return [
        Branch(one.number, one.after, list(islice(messages, len(one.contents)))) for one in stored
    ]
