"""What a turn writes, each function within a transaction that holds the lock of its chat's row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from ui_message_stream.messages import UIMessage

from usechat_server.results import Outcome, Step
from usechat_server.store import rows
from usechat_server.store.base import ChatChanged
from usechat_server.store.interrupted import closed
from usechat_server.store.tables import chats, messages, steps, turns
from usechat_server.turn import Turn

__all__ = [
    "Held",
    "end_turn",
    "hold",
    "interrupt_turn",
    "open_chat",
    "open_turn",
    "save_message",
    "store_history",
]


async def open_chat(connection: AsyncConnection, turn: Turn, run_id: str) -> int:
    """Makes or locks the chat that the turn's history is of. Its key. Raises ChatChanged, also as
    IntegrityError where another process made it a moment ago."""
    now = rows.now()
    said = {"first_text": rows.first_text(turn.messages), "run_id": run_id, "updated_at": now}
    whose = {"owner": rows.owner(turn.user), "id": turn.chat_id}
    if turn.revision == 0:
        new = {**whose, **said, "created_at": now, "revision": 1, "branches": 0}
        key = await connection.scalar(insert(chats).values(new).returning(chats.c.key))
    else:
        there = update(chats).filter_by(**whose, revision=turn.revision)
        bumped = {**said, "revision": turn.revision + 1}
        key = await connection.scalar(there.values(bumped).returning(chats.c.key))
    if key is None:
        raise ChatChanged
    return int(key)


async def store_history(connection: AsyncConnection, chat: int, turn: Turn, run_id: str) -> None:
    """Makes the stored history that of the turn. What it has no more becomes a branch."""
    stored = await _ids(connection, chat)
    if turn.continued is not None and turn.continued.id in stored:
        # What follows it stays, in the page too.
        answered = {"content": rows.content(turn.continued), "run_id": run_id}
        await connection.execute(_message(chat, turn.continued.id).values(answered))
        return
    kept = 0
    for message, there in zip(turn.messages, stored, strict=False):
        if message.id != there:
            break
        kept += 1
    newest = turn.messages[-1]
    if kept == len(turn.messages) and newest.role == "user":
        there_already = select(messages.c.content).filter_by(chat=chat, branch=0, id=newest.id)
        if await connection.scalar(there_already) != rows.content(newest):
            kept -= 1  # it was edited
    if kept < len(stored):
        await _replace(connection, chat, kept)
    for position in range(kept, len(turn.messages)):
        await _insert(connection, chat, position, turn.messages[position], run_id=None)


async def open_turn(
    connection: AsyncConnection, chat: int, turn: Turn, run_id: str, epoch: int
) -> None:
    """Says that the turn runs."""
    values = {
        "chat": chat,
        "run_id": run_id,
        "epoch": epoch,
        "message_id": turn.message_id,
        "started_at": rows.now(),
    }
    await connection.execute(insert(turns).values(values))


class Held(NamedTuple):
    """A turn whose chat is locked."""

    key: int
    chat: int
    #: None: it is open
    outcome: str | None
    #: of its run
    epoch: int
    #: the run that began last in the chat and has not ended; None: there is none
    active: str | None


async def hold(connection: AsyncConnection, run_id: str) -> Held | None:
    """Locks the chat of a turn. None if it is not there any more."""
    chat = await connection.scalar(select(turns.c.chat).filter_by(run_id=run_id))
    locked = select(chats.c.run_id).filter_by(key=chat).with_for_update()
    if (row := (await connection.execute(locked)).one_or_none()) is None:
        return None
    found = select(turns.c.key, turns.c.chat, turns.c.outcome, turns.c.epoch)
    turn = (await connection.execute(found.filter_by(run_id=run_id))).one()
    return Held(*turn, row.run_id)


async def save_message(
    connection: AsyncConnection, held: Held, message: UIMessage, *, run_id: str, epoch: int
) -> bool:
    """Stores what a run wrote. False if a newer run has the message, or went on without it."""
    values = {"content": rows.content(message), "updated_at": rows.now()}
    await connection.execute(update(turns).filter_by(key=held.key).values(epoch=epoch))
    await _touch(connection, held)
    own = _message(held.chat, message.id).where(messages.c.run_id == run_id)
    if (await connection.execute(own.values(values))).rowcount:
        return True
    stored = await _ids(connection, held.chat)
    if held.active != run_id or message.id in stored:
        return False
    if rows.says_something(message):
        await _insert(connection, held.chat, len(stored), message, run_id=run_id)
    return True


async def end_turn(
    connection: AsyncConnection,
    held: Held,
    outcome: Outcome,
    calls: Sequence[Step],
    *,
    run_id: str,
    epoch: int,
) -> None:
    """Says what became of a turn and what its model calls cost."""
    ended = {"outcome": outcome, "ended_at": rows.now(), "epoch": epoch}
    await connection.execute(update(turns).filter_by(key=held.key).values(ended))
    idle = {} if held.active != run_id else {"run_id": None}
    await _touch(connection, held, **idle)
    if values := [{"turn": held.key, **call} for call in rows.step_values(calls)]:
        await connection.execute(insert(steps), values)


async def interrupt_turn(connection: AsyncConnection, run_id: str) -> None:
    """Ends a turn that nobody runs, with what was saved of its message."""
    held = await hold(connection, run_id)
    if held is None or held.outcome is not None:
        return
    ours: Any = {"run_id": run_id, "epoch": held.epoch}
    found = select(messages.c.content).filter_by(chat=held.chat, branch=0, run_id=run_id)
    if (saved := await connection.scalar(found)) is not None:
        await save_message(connection, held, closed(rows.message(saved)), **ours)
    await end_turn(connection, held, "interrupted", (), **ours)


async def _touch(connection: AsyncConnection, held: Held, **values: Any) -> None:
    """Says that the chat was written to."""
    touched = {"revision": chats.c.revision + 1, "updated_at": rows.now(), **values}
    await connection.execute(update(chats).filter_by(key=held.chat).values(touched))


async def _ids(connection: AsyncConnection, chat: int) -> Sequence[str]:
    """The messages of a chat as it is, in order."""
    found = select(messages.c.id).filter_by(chat=chat, branch=0).order_by(messages.c.position)
    return (await connection.scalars(found)).all()


async def _replace(connection: AsyncConnection, chat: int, kept: int) -> None:
    """Makes a branch of all messages but the first ones."""
    counted = update(chats).filter_by(key=chat).values(branches=chats.c.branches + 1)
    branch = await connection.scalar(counted.returning(chats.c.branches))
    tail = update(messages).filter_by(chat=chat, branch=0)
    await connection.execute(tail.where(messages.c.position >= kept).values(branch=branch))


async def _insert(
    connection: AsyncConnection, chat: int, position: int, message: UIMessage, run_id: str | None
) -> None:
    values = {
        "chat": chat,
        "branch": 0,
        "position": position,
        "id": message.id,
        "role": message.role,
        "content": rows.content(message),
        "run_id": run_id,
        "updated_at": rows.now(),
    }
    await connection.execute(insert(messages).values(values))


def _message(chat: int, message_id: str) -> Any:
    return update(messages).filter_by(chat=chat, branch=0, id=message_id)
