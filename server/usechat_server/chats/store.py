"""Chats in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import delete, exc, select, update
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import Floor

from usechat_server.approvals.base import Approvals
from usechat_server.chats import reads, rows, schema, writes
from usechat_server.chats.approvals import StoredApprovals
from usechat_server.chats.base import (
    Branch,
    Chat,
    ChatChanged,
    ChatPage,
    OpenTurn,
    StoredChat,
    StoredTurn,
)
from usechat_server.chats.closing import closed
from usechat_server.chats.database import Database
from usechat_server.chats.history import checked_id, is_storable, next_history, taken_of_user
from usechat_server.chats.tables import chats, messages
from usechat_server.metadata import Outcome, Step
from usechat_server.models.base import BadRequest
from usechat_server.request import ChatRequest, new_message_id, turn_of
from usechat_server.turn import Turn

__all__ = ["SqlChats"]

#: Characters of stored messages from which they are read in a thread, so that streams go on.
IN_THREAD = 1_000_000


class SqlChats:
    """A store (`Chats`) in the database that a URL names: `sqlite:///chats.db` or
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

    async def turn(self, request: ChatRequest, user: str | None, floor: Floor) -> Turn:
        checked_id("id", request.chat_id)
        async with self.database.read() as connection:
            chat = await reads.chat(connection, user, request.chat_id)
            stored = [] if chat is None else await reads.contents(connection, chat.key)
        if chat is None:
            return _first_turn(request, user, floor)
        history = next_history(await _messages(stored), request)
        newest = history.messages[-1]
        return Turn(
            user=user,
            chat_id=request.chat_id,
            floor=floor,
            messages=history.messages,
            message_id=newest.id if history.continues else new_message_id(),
            trigger=request.trigger,
            body=request.body,
            revision=chat.revision,
            answered=history.answered,
        )

    async def begin(self, turn: Turn, *, run_id: str, epoch: int = 0) -> None:
        try:
            async with self.database.write() as connection:
                chat = await writes.open_chat(connection, turn, run_id)
                await writes.store_history(connection, chat, turn, run_id)
                await writes.open_turn(connection, chat, turn, run_id, epoch)
        except exc.IntegrityError:
            raise ChatChanged from None

    async def checkpoint(
        self, turn: Turn, message: UIMessage, *, run_id: str, epoch: int = 0
    ) -> bool:
        async with self.database.write() as connection:
            held = await writes.hold(connection, run_id)
            if held is None or held.outcome is not None or epoch < held.epoch:
                return False
            return await writes.save_message(connection, held, message, run_id=run_id, epoch=epoch)

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
        async with self.database.write() as connection:
            held = await writes.hold(connection, run_id)
            if held is None or epoch < held.epoch:
                return False
            if held.outcome is not None:
                return epoch == held.epoch
            await writes.save_message(connection, held, message, run_id=run_id, epoch=epoch)
            await writes.end_turn(connection, held, outcome, steps, run_id=run_id, epoch=epoch)
            return True

    async def open_turns(self) -> Sequence[OpenTurn]:
        async with self.database.read() as connection:
            return await reads.open_turns(connection)

    async def interrupt(self, run_ids: Collection[str]) -> None:
        for run_id in run_ids:
            async with self.database.write() as connection:
                held = await writes.hold(connection, run_id)
                if held is None or held.outcome is not None:
                    continue
                found = select(messages.c.content).filter_by(branch=0, run_id=run_id)
                if (saved := await connection.scalar(found.filter_by(chat=held.chat))) is not None:
                    message = closed(rows.message(saved))
                    await writes.save_message(
                        connection, held, message, run_id=run_id, epoch=held.epoch
                    )
                await writes.end_turn(
                    connection, held, "interrupted", (), run_id=run_id, epoch=held.epoch
                )

    async def list(self, user: str | None, cursor: str | None, limit: int) -> ChatPage:
        async with self.database.read() as connection:
            return await reads.page(connection, user, cursor, limit)

    async def get(self, user: str | None, chat_id: str) -> StoredChat | None:
        if not is_storable(chat_id):
            return None
        async with self.database.read() as connection:
            chat = await reads.chat(connection, user, chat_id)
            if chat is None:
                return None
            stored = await reads.contents(connection, chat.key)
            writing = await reads.written(connection, chat.run_id)
        return StoredChat(rows.chat(chat), await _messages(stored), writing)

    async def rename(self, user: str | None, chat_id: str, title: str) -> Chat | None:
        if not is_storable(chat_id):
            return None
        there = update(chats).filter_by(owner=rows.owner(user), id=chat_id)
        async with self.database.write() as connection:
            renamed = await connection.execute(there.values(title=title).returning(chats))
            row = renamed.one_or_none()
        return None if row is None else rows.chat(row)

    async def delete(self, user: str | None, chat_id: str) -> bool:
        if not is_storable(chat_id):
            return False
        there = delete(chats).filter_by(owner=rows.owner(user), id=chat_id)
        async with self.database.write() as connection:
            return (await connection.execute(there)).rowcount > 0

    async def branches(self, user: str | None, chat_id: str) -> Sequence[Branch] | None:
        if not is_storable(chat_id):
            return None
        async with self.database.read() as connection:
            chat = await reads.chat(connection, user, chat_id)
            return None if chat is None else await reads.branches(connection, chat.key)

    async def turns(self, user: str | None, chat_id: str) -> Sequence[StoredTurn] | None:
        if not is_storable(chat_id):
            return None
        async with self.database.read() as connection:
            chat = await reads.chat(connection, user, chat_id)
            return None if chat is None else await reads.turns_of(connection, chat.key)


def _first_turn(request: ChatRequest, user: str | None, floor: Floor) -> Turn:
    """The turn of a chat that is not stored yet: it begins with what the page has."""
    if request.message is not None:
        request = replace(request, messages=[request.message], message=None)
    turn = turn_of(request, user, floor)
    for message in turn.messages:
        checked_id("message.id", message.id)
    if len({message.id for message in turn.messages}) < len(turn.messages):
        raise BadRequest("messages: two of them have the same id")
    said = [taken_of_user(one) if one.role == "user" else one for one in turn.messages]
    return replace(turn, messages=said)


async def _messages(contents: Sequence[str]) -> list[UIMessage]:
    """Stored messages, read where they hold nobody up."""
    if sum(map(len, contents)) < IN_THREAD:
        return list(map(rows.message, contents))
    return await asyncio.to_thread(lambda: list(map(rows.message, contents)))
