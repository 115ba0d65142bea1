"""Approvals as rows of a store: each belongs to a chat and a call, and is redeemed once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from time import time
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from ui_message_stream import json_codec
from ui_message_stream.chunks import ToolInputAvailable

from usechat_server.aio import retry
from usechat_server.approvals.base import LIFETIME, ApprovalRequest
from usechat_server.approvals.decisions import DecidedCall, approval_error, decided_calls
from usechat_server.approvals.digest import digest
from usechat_server.errors import ChatConflict, Forbidden, StoreUnavailable
from usechat_server.store import rows
from usechat_server.store.database import Database
from usechat_server.store.tables import approvals, chats
from usechat_server.turn import Decision, Turn

__all__ = ["StoredApprovals"]


#: Seconds that a request waits for a store that is unavailable.
REQUEST_SECONDS = 20.0


class StoredApprovals:
    """`Approvals` in a store.

    Args:
        database: The database of the chats.
        clock: Returns the seconds since 1970.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time) -> None:
        self._database = database
        self._clock = clock

    async def request(self, turn: Turn, call: ToolInputAvailable) -> ApprovalRequest:
        """See `Approvals`. Waits for a store that is unavailable; may raise StoreUnavailable."""
        return await retry(
            partial(self._request, turn, call), StoreUnavailable, seconds=REQUEST_SECONDS
        )

    async def _request(self, turn: Turn, call: ToolInputAvailable) -> ApprovalRequest:
        approval_id = f"approval_{secrets.token_urlsafe(16)}"
        values = {
            "id": approval_id,
            "tool_call_id": call.tool_call_id,
            "tool_name": call.tool_name,
            "input_digest": _digest(json_codec.decode(json_codec.encode(call.input))),
            "expires_at": int((self._clock() + LIFETIME) * 1e6),
        }

        def transaction(connection: Connection) -> None:
            # Without a row, the chat was deleted: no client can decide.
            if (chat := _lock_chat(connection, turn)) is not None:
                connection.execute(insert(approvals).values(chat=chat, **values))

        await self._database.write(transaction)
        return ApprovalRequest(approval_id)

    async def redeem(self, turn: Turn) -> Mapping[str, Decision]:
        """See `Approvals`. The begin of the turn consumes the decisions. Raises ChatError (400)."""
        return {call.tool_call_id: call.decision for call in decided_calls(turn)}

    def consume(self, connection: Connection, turn: Turn) -> None:
        """Consume the decisions in the transaction that begins their turn: otherwise they would be
        used up without that their calls run, if the process ended or the store failed in between.

        Raises:
            ChatError: One of them is not valid (400, 403 or 409).
        """
        if calls := decided_calls(turn):
            chat = _lock_chat(connection, turn)
            for call in calls:
                self._consume(connection, chat, call)

    def prover(self, turn: Turn) -> None:
        """See `Approvals`."""

    def _consume(self, connection: Connection, chat: int | None, call: DecidedCall) -> None:
        query = select(approvals).filter_by(chat=chat, id=call.approval_id)
        record = connection.execute(query).one_or_none()
        if record is None or not _is_for_call(record, call):
            why = "it was not given for this call in this chat, or the call was changed"
            raise approval_error(call.tool_name, why, Forbidden)
        if record.used_at is not None:
            raise approval_error(call.tool_name, "it was already used", ChatConflict)
        now = int(self._clock() * 1e6)
        if record.expires_at <= now:
            raise approval_error(call.tool_name, "it has expired", ChatConflict)
        connection.execute(update(approvals).filter_by(key=record.key).values(used_at=now))


def _lock_chat(connection: Connection, turn: Turn) -> int | None:
    """Lock the chat and return its key, so that concurrent decisions are handled one by one."""
    query = select(chats.c.key).filter_by(owner=rows.owner(turn.user), id=turn.chat_id)
    return connection.scalar(query.with_for_update())


def _is_for_call(record: Row[Any], call: DecidedCall) -> bool:
    requested = (record.tool_call_id, record.tool_name, record.input_digest)
    return requested == (call.tool_call_id, call.tool_name, _digest(call.input))


def _digest(value: Any) -> str:
    return digest(json_codec.sanitize(value), exact=True)
