"""The routes of stored chats: list, get, rename and delete them.

Another user's chat gets 404, like one that does not exist.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from ui_message_stream import json_codec
from ui_message_stream.messages import UIMessage
from ui_message_stream.replay import downgrade_message
from ui_message_stream.versions import ClientVersion

from usechat_server.coordination.base import ChatKey
from usechat_server.errors import ChatNotFound, InvalidRequest
from usechat_server.http.audit import audit
from usechat_server.http.body import read_body
from usechat_server.http.endpoint import Endpoint, Handler, routes_of
from usechat_server.http.errors import API_HEADERS
from usechat_server.http.state import AppState
from usechat_server.message_metadata import step_metadata
from usechat_server.store.base import Branch, Chat, ChatStore, StoredChat, StoredTurn

__all__ = ["chats_routes"]

#: Items that a list returns by default, and at most.
_DEFAULT_LIMIT = 50
_MAX_LIMIT = 200
_INVALID_CURSOR = "cursor: expected the `nextCursor` of the previous page"
_MAX_TITLE_LENGTH = 200
_MAX_RENAME_BYTES = 64 * 1024


def chats_routes(state: AppState, store: ChatStore) -> list[Route]:
    """Return the routes of a store. They must come after the routes of runs: since a chat id may
    contain a slash, `/chat/{id}` matches those too."""
    routes = _Routes(state, store)

    def route(path: str, **handlers: Handler) -> list[Route]:
        return routes_of(f"{state.prefix}{path}", Endpoint(state.errors, handlers))

    return [
        *route("/chats", GET=routes.list),
        *route("/chat/{id:path}/branches", GET=routes.branches),
        *route("/chat/{id:path}/usage", GET=routes.usage),
        *route("/chat/{id:path}", GET=routes.get, PATCH=routes.rename, DELETE=routes.delete),
    ]


class _Routes:
    def __init__(self, state: AppState, store: ChatStore) -> None:
        self._state = state
        self._store = store

    async def list(self, request: Request) -> Response:
        user = await self._user(request)
        if not self._state.has_chat_list(request.scope):
            raise ChatNotFound("Chats are not listed here, since users are not told apart.")
        if user is None and not self._state.is_anonymous:
            return _json({"chats": [], "nextCursor": None})  # what all who are not signed in share
        cursor = request.query_params.get("cursor")
        page = await self._store.list(user, cursor, _limit(request))
        active = [ChatKey(user, chat.id) for chat in page.chats if chat.active_run_id]
        run_ids = await self._state.coordinator.active_run_ids(active) if active else {}
        return _json(
            {
                "chats": [_chat(chat, run_ids.get(ChatKey(user, chat.id))) for chat in page.chats],
                "nextCursor": page.next_cursor,
            }
        )

    async def get(self, request: Request) -> Response:
        key = await self._key(request)
        client_version = self._state.client_versions.of(request.scope)
        stored, run_id = await self._stored(key)
        messages, chat = stored.messages, stored.chat
        if chat.active_run_id is None:
            await self._state.runs.acknowledge(key)
        elif run_id and "resume" in request.query_params:
            # The stream that the client resumes next contains the whole message.
            messages = [message for message in messages if message.id != stored.active_message_id]
            await self._state.coordinator.expect_reader(key)
        return await asyncio.to_thread(
            lambda: _json({**_chat(chat, run_id), "messages": _messages(messages, client_version)})
        )

    async def branches(self, request: Request) -> Response:
        key = await self._key(request)
        client_version = self._state.client_versions.of(request.scope)
        limit, after = _limit(request), request.query_params.get("cursor", "0")
        if not re.fullmatch(r"\d{1,9}", after, re.ASCII):
            raise InvalidRequest(_INVALID_CURSOR)
        branches = await self._store.branches(*key, after=int(after), limit=limit + 1)
        if branches is None:
            raise ChatNotFound
        next_cursor = str(branches[limit - 1].number) if len(branches) > limit else None
        return await asyncio.to_thread(
            lambda: _json(
                {
                    "branches": [_branch(branch, client_version) for branch in branches[:limit]],
                    "nextCursor": next_cursor,
                }
            )
        )

    async def usage(self, request: Request) -> Response:
        key, limit = await self._key(request), _limit(request)
        after = request.query_params.get("cursor")
        turns = await self._store.turns(*key, after=after, limit=limit + 1)
        if turns is None:
            raise ChatNotFound
        next_cursor = turns[limit - 1].run_id if len(turns) > limit else None
        return _json({"turns": [_turn(turn) for turn in turns[:limit]], "nextCursor": next_cursor})

    async def rename(self, request: Request) -> Response:
        key = await self._key(request)
        body = await read_body(request, self._state.settings, limit=_MAX_RENAME_BYTES)
        title = _title(body)
        chat = await self._store.rename(*key, title)
        if chat is None:
            raise ChatNotFound
        audit("chat renamed", request.scope, user=key.user, chat=key.chat_id, title=title)
        run_ids = await self._state.coordinator.active_run_ids([key])
        return _json(_chat(chat, run_ids.get(key)))

    async def delete(self, request: Request) -> Response:
        key = await self._key(request)
        await self._state.runs.stop(key)
        if not await self._store.delete(*key):
            raise ChatNotFound
        audit("chat deleted", request.scope, user=key.user, chat=key.chat_id)
        await self._state.runs.acknowledge(key)  # its last run cannot be resumed either
        return Response(status_code=204)

    async def _stored(self, key: ChatKey) -> tuple[StoredChat, str | None]:
        """Return a chat, and the id of the run that writes to it, if there is one."""
        stored = await self._store.get(*key)
        if stored is not None and stored.chat.active_run_id is not None:
            run = await self._state.coordinator.get(key)
            if run is not None and run.run_id == stored.chat.active_run_id:
                return stored, run.run_id
            # It has ended since, so its message may have been read incomplete.
            run_id = stored.chat.active_run_id
            stored = await self._store.get(*key)
            if stored is not None and stored.chat.active_run_id == run_id:
                # Or its process is gone, and a client that resumes it waits for the next one.
                return stored, run_id if await self._state.runs.is_orphaned(key) else None
        if stored is None:
            raise ChatNotFound
        return stored, None

    async def _key(self, request: Request) -> ChatKey:
        return ChatKey(await self._user(request), request.path_params["id"])

    async def _user(self, request: Request) -> str | None:
        user = await self._state.user(request.scope)
        await self._state.ready()
        return user


def _chat(chat: Chat, run_id: str | None) -> dict[str, Any]:
    return {
        "id": chat.id,
        "title": chat.title,
        "createdAt": _time(chat.created_at),
        "updatedAt": _time(chat.updated_at),
        "activeRunId": run_id,
    }


def _turn(turn: StoredTurn) -> dict[str, Any]:
    return {
        "runId": turn.run_id,
        "messageId": turn.message_id,
        "outcome": turn.outcome,
        "startedAt": _time(turn.started_at),
        "endedAt": None if turn.ended_at is None else _time(turn.ended_at),
        "steps": [step_metadata(step) for step in turn.steps],
    }


def _branch(branch: Branch, client_version: ClientVersion) -> dict[str, Any]:
    return {
        "number": branch.number,
        "after": branch.after,
        "messages": _messages(branch.messages, client_version),
    }


def _messages(messages: Iterable[UIMessage], client_version: ClientVersion) -> list[dict[str, Any]]:
    return [downgrade_message(message, client_version).to_object() for message in messages]


def _time(time: datetime) -> str:
    """Return a time in the format of JavaScript's `toISOString`."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(_DEFAULT_LIMIT))
    if not re.fullmatch(r"[1-9]\d{0,2}", text, re.ASCII) or int(text) > _MAX_LIMIT:
        raise InvalidRequest(f"limit: expected a number from 1 to {_MAX_LIMIT}")
    return int(text)


def _title(body: bytes) -> str:
    try:
        title = json_codec.replace_surrogates(json_codec.decode(body))["title"]
        text = " ".join(title.replace("\0", "").split())
    except (ValueError, TypeError, KeyError, AttributeError):
        text = ""
    if not 1 <= len(text) <= _MAX_TITLE_LENGTH:
        raise InvalidRequest(f"title: expected a string of 1 to {_MAX_TITLE_LENGTH} characters")
    return text


def _json(value: Any) -> Response:
    # The response depends on the user, so no cache may store it.
    headers = {**API_HEADERS, "cache-control": "no-store"}
    return Response(json_codec.encode(value), media_type="application/json", headers=headers)
