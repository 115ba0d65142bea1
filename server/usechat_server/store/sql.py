"""Chats in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Row, delete, exc, update
from sqlalchemy.ext.asyncio import AsyncConnection
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

from usechat_server.approvals.base import Approvals
from usechat_server.chat_request import ChatRequest, new_message_id, turn_of
from usechat_server.errors import InvalidRequest
from usechat_server.results import Outcome, Step
from usechat_server.store import reads, rows, schema, writes
from usechat_server.store.approvals import StoredApprovals
from usechat_server.store.base import (
    Branch,
    Chat,
    ChatChanged,
    ChatPage,
    OpenTurn,
    StoredChat,
    StoredTurn,
)
from usechat_server.store.database import Database
from usechat_server.store.history import checked_id, is_storable, next_history, taken_of_user
from usechat_server.store.tables import chats
from usechat_server.turn import Turn

__all__ = ["SqlChatStore"]

Found = TypeVar("Found")

#: Characters of stored messages from which they are read in a thread, so that streams go on.
IN_THREAD = 1_000_000


class SqlChatStore:
    """A store (`ChatStore`) in the database that a URL names: `sqlite:///chats.db` or
    `postgresql://user:password@host/database`.

    A new SQLite file gets its tables by itself; else `usechat-server db upgrade` makes them.
    Raises ValueError for any other URL.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.approvals: Approvals = StoredApprovals(self.database)

    async def open(self) -> None:
        await schema.prepare(self.database)

    async def aclose(self) -> None:
        await self.database.aclose()

    async def turn(
        self, request: ChatRequest, user: str | None, client_version: ClientVersion
    ) -> Turn:
        checked_id("id", request.chat_id)
        found = await self._found(user, request.chat_id, reads.contents)
        if found is None:
            return _first_turn(request, user, client_version)
        chat, stored = found
        history = next_history(await _messages(stored), request)
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
            client_outputs=history.answered,
        )

    async def begin(self, turn: Turn, *, run_id: str, epoch: int = 0) -> None:
        async def work(connection: AsyncConnection) -> None:
            chat = await writes.open_chat(connection, turn, run_id)
            await writes.store_history(connection, chat, turn, run_id)
            await writes.open_turn(connection, chat, turn, run_id, epoch)

        try:
            await self.database.write(work)
        except exc.IntegrityError:
            raise ChatChanged from None

    async def checkpoint(
        self, turn: Turn, message: UIMessage, *, run_id: str, epoch: int = 0
    ) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            held = await writes.hold(connection, run_id)
            if held is None or held.outcome is not None or epoch < held.epoch:
                return False
            return await writes.save_message(connection, held, message, run_id=run_id, epoch=epoch)

        return await self.database.write(work)

    async def finish(
        self,
        turn: Turn,
        message: UIMessage,
        outcome: Outcome,
        steps: Sequence[Step],
        *,
        run_id: str,
        epoch: int = 0,
    ) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            held = await writes.hold(connection, run_id)
            if held is None or epoch < held.epoch:
                return False
            if held.outcome is not None:
                return epoch == held.epoch
            await writes.save_message(connection, held, message, run_id=run_id, epoch=epoch)
            await writes.end_turn(connection, held, outcome, steps, run_id=run_id, epoch=epoch)
            return True

        return await self.database.write(work)

    async def open_turns(self) -> Sequence[OpenTurn]:
        return await self.database.read(reads.open_turns)

    async def interrupt(self, run_ids: Collection[str]) -> None:
        for run_id in run_ids:
            await self.database.write(partial(writes.interrupt_turn, run_id=run_id))

    async def list(self, user: str | None, cursor: str | None, limit: int) -> ChatPage:
        return await self.database.read(partial(reads.page, user=user, cursor=cursor, limit=limit))

    async def get(self, user: str | None, chat_id: str) -> StoredChat | None:
        if (found := await self._found(user, chat_id, reads.contents_and_writing)) is None:
            return None
        chat, (stored, writing) = found
        return StoredChat(rows.chat(chat), await _messages(stored), writing)

    async def rename(self, user: str | None, chat_id: str, title: str) -> Chat | None:
        if not is_storable(chat_id):
            return None
        renamed = update(chats).filter_by(owner=rows.owner(user), id=chat_id).values(title=title)

        async def work(connection: AsyncConnection) -> Chat | None:
            row = (await connection.execute(renamed.returning(chats))).one_or_none()
            return None if row is None else rows.chat(row)

        return await self.database.write(work)

    async def delete(self, user: str | None, chat_id: str) -> bool:
        if not is_storable(chat_id):
            return False
        gone = delete(chats).filter_by(owner=rows.owner(user), id=chat_id)
        return (await self.database.write(lambda connection: connection.execute(gone))).rowcount > 0

    async def branches(self, user: str | None, chat_id: str) -> Sequence[Branch] | None:
        found = await self._found(user, chat_id, reads.branches)
        return None if found is None else found[1]

    async def turns(self, user: str | None, chat_id: str) -> Sequence[StoredTurn] | None:
        found = await self._found(user, chat_id, reads.turns_of)
        return None if found is None else found[1]

    async def _found(
        self,
        user: str | None,
        chat_id: str,
        more: Callable[[AsyncConnection, Row[Any]], Awaitable[Found]],
    ) -> tuple[Row[Any], Found] | None:
        """The row of a user's chat, and what else is read of it; None if there is no such chat."""

        async def work(connection: AsyncConnection) -> tuple[Row[Any], Found] | None:
            chat = await reads.chat(connection, user, chat_id)
            return None if chat is None else (chat, await more(connection, chat))

        return await self.database.read(work) if is_storable(chat_id) else None


def _first_turn(request: ChatRequest, user: str | None, client_version: ClientVersion) -> Turn:
    """The turn of a chat that is not stored yet: it begins with what the page has."""
    if request.message is not None:
        request = replace(request, messages=[request.message], message=None)
    turn = turn_of(request, user, client_version)
    for message in turn.messages:
        checked_id("message.id", message.id)
    if len({message.id for message in turn.messages}) < len(turn.messages):
        raise InvalidRequest("messages: two of them have the same id")
    said = [taken_of_user(one) if one.role == "user" else one for one in turn.messages]
    return replace(turn, messages=said)


async def _messages(contents: Sequence[str]) -> list[UIMessage]:
    """Stored messages, read where they hold nobody up."""
    if sum(map(len, contents)) < IN_THREAD:
        return list(map(rows.message, contents))
    return await asyncio.to_thread(lambda: list(map(rows.message, contents)))
