"""The routes of runs: POST /api/chat starts one and streams it, GET /api/chat/{id}/stream resumes
its stream, POST /api/chat/{id}/stop or DELETE /api/chat/{id}/stream stops it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from functools import partial
from time import monotonic

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from usechat_server.chat_request import (
    ChatRequest,
    MessageIds,
    message_ids,
    parse_stop_request,
    request_digest,
    turn_of,
    validate_body,
)
from usechat_server.coordination.base import ChatKey
from usechat_server.coordination.lease import Lease
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.doors.base import Door, check_agent
from usechat_server.doors.ui_messages import UIMessages
from usechat_server.errors import RESTARTING, ServiceUnavailable
from usechat_server.http.audit import audit_decisions
from usechat_server.http.body import PARSE_IN_THREAD, parse_body, read_body
from usechat_server.http.endpoint import Endpoint, Handler, routes_of
from usechat_server.http.run_response import run_response
from usechat_server.http.state import AppState
from usechat_server.run_log.encoding import Encoding
from usechat_server.run_log.position import parse_cursor
from usechat_server.runs.responder import Responder, agent_name
from usechat_server.telemetry.request import current_request, request_id
from usechat_server.telemetry.tracing import run_trace
from usechat_server.turn import Turn

__all__ = ["chat_routes", "resume_run", "start_run"]

_UI_MESSAGES = UIMessages()


def chat_routes(state: AppState) -> list[Route]:
    """Return the routes of runs."""
    routes = _Routes(state)

    def route(path: str, **handlers: Handler) -> list[Route]:
        return routes_of(f"{state.prefix}{path}", Endpoint(state.errors, handlers))

    return [
        *route("/chat", POST=routes.start),
        # A chat id may contain an encoded slash, which is decoded here.
        # DELETE is how the AI SDK's own example stops a run.
        *route("/chat/{id:path}/stream", GET=routes.resume, DELETE=routes.stop),
        *route("/chat/{id:path}/stop", POST=routes.stop),
    ]


class _Routes:
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def start(self, request: Request) -> Response:
        if self._state.draining:
            raise ServiceUnavailable(RESTARTING)
        user = await self._state.user(request.scope)
        return await start_run(self._state, request, user)

    async def resume(self, request: Request) -> Response:
        state = self._state
        key = ChatKey(await state.user(request.scope), request.path_params["id"])
        client_version = state.client_versions.of(request.scope)
        encoding = _UI_MESSAGES.encoding(request, client_version, key.chat_id)
        cursor = None if encoding.cursor is None else request.headers.get("last-event-id")
        return await resume_run(state, key, encoding, from_start=True, cursor=cursor)

    async def stop(self, request: Request) -> Response:
        state = self._state
        key = ChatKey(await state.user(request.scope), request.path_params["id"])
        body = await read_body(request, state.settings)
        parse = partial(parse_stop_request, settings=state.settings)
        run_id, message_id = await parse_body(body, parse)
        if state.shares_chats(key.user):
            await state.runs.stop(key, run_id=run_id, message_id=message_id)
        else:
            await state.runs.stop_all(key.chat_id, run_id=run_id, message_id=message_id)
        return Response(status_code=204)


async def start_run(
    state: AppState,
    request: Request,
    user: str | None,
    *,
    door: Door = _UI_MESSAGES,
    path: str = "",
) -> Response:
    """Start the run of a request, or join it if it is sent again, and return its stream.

    Args:
        state: The state of the app.
        request: The request.
        user: The id of the user who sends it.
        door: What the request and the response are.
        path: The path of the route, if several routes share the runs: a request to another one is
            not the same request.
    """
    began = monotonic()
    body = await read_body(request, state.settings)
    shares_chats = door.has_chat and state.shares_chats(user)
    parse = partial(_parse, state=state, request=request, door=door, shares_chats=shares_chats)
    chat_request, digest = await parse_body(body, parse)
    current = current_request()
    if current is not None:
        current.body_seconds = monotonic() - began
    digest += path
    if door.client_version is None:
        client_version = state.client_versions.of(request.scope, chat_request.client_version)
    else:
        client_version = state.client_versions.supporting(door.client_version)
    encoding = door.encoding(request, client_version, chat_request.chat_id)
    await state.ready()
    # Otherwise only the same request is about the same run.
    key = ChatKey(
        user, chat_request.chat_id if shares_chats else f"{digest}/{chat_request.chat_id}"
    )

    async def begin_turn(lease: Lease) -> tuple[Turn, Responder]:
        """Return the turn and its responder. A request that is refused here changes nothing."""
        store = state.store if door.has_chat else None
        if store is None:
            turn = turn_of(chat_request, user, client_version)
        else:
            turn = await store.turn(chat_request, user, client_version)
        # A stored history is as long as the chat, however short the body.
        in_thread = len(body) > PARSE_IN_THREAD or store is not None
        responder = await state.responder_factory.for_request(
            turn, in_thread=in_thread, check=partial(check_agent, door)
        )
        decisions = await state.approvals.redeem(turn)
        trace = run_trace(
            turn,
            lease.run_id,
            agent=agent_name(responder),
            headers=request.scope["headers"],
            content=state.settings.trace_content,
        )
        turn = replace(turn, decisions=decisions, trace=trace, request_id=request_id())
        if store is not None:
            try:
                lease.epoch = await store.begin(
                    turn, run_id=lease.run_id, epoch=lease.epoch, request_digest=digest
                )
            except asyncio.CancelledError:
                # It may have been stored, and will never run.
                await store.interrupt([lease.run_id])
                raise
            if turn.revision == 0:
                state.chat_created(turn)
        audit_decisions(turn, request.scope)
        return turn, responder

    if not door.has_chat:
        subscription = await state.runs.start_once(user, begin_turn)
        return _stream(state, subscription, key, encoding)
    ids = message_ids(chat_request) if shares_chats else MessageIds()
    if path and chat_request.newest is not None:
        # The same message to another route asks for another response.
        ids = MessageIds(superseded=ids.superseded - {chat_request.newest.id})
    subscription = await state.runs.start_or_join(
        key, digest, begin_turn, ids=ids, can_resume=door.can_resume
    )
    # A client that regenerates has discarded what it had of the message.
    from_start = chat_request.is_regeneration
    return _stream(state, subscription, key, encoding, from_start=from_start)


async def resume_run(
    state: AppState,
    key: ChatKey,
    encoding: Encoding,
    *,
    from_start: bool = False,
    cursor: str | None = None,
) -> Response:
    """Return the stream of a chat's run for a client that comes back; 204 if there is none.

    Args:
        state: The state of the app.
        key: The chat.
        encoding: What the client reads.
        from_start: Whether the stream begins with the message that the run continues.
        cursor: The last cursor that the client was sent. The stream begins after it, if it is of
            this run.
    """
    subscription = await state.runs.resume(key) if state.can_resume else None
    if subscription is None:
        return Response(status_code=204)
    return _stream(state, subscription, key, encoding, from_start=from_start, cursor=cursor)


def _stream(
    state: AppState,
    subscription: LogSubscription,
    key: ChatKey,
    encoding: Encoding,
    *,
    from_start: bool = False,
    cursor: str | None = None,
) -> Response:
    """Return a stream of the run's log."""
    settings = state.settings
    return run_response(
        subscription,
        state.coordinator,
        key,
        encoding,
        from_start=from_start,
        after=None if cursor is None else parse_cursor(cursor, subscription.log.id),
        keep_alive=settings.keep_alive,
        send_timeout=settings.send_timeout,
    )


def _parse(
    body: bytes, state: AppState, request: Request, door: Door, *, shares_chats: bool
) -> tuple[ChatRequest, str]:
    """Return what a request asks for, and its digest."""
    chat_request = door.parse(request, body, state.settings)
    chat_request = replace(chat_request, body=validate_body(chat_request.body, state.body))
    digest = request_digest(chat_request) if shares_chats else hashlib.sha256(body).hexdigest()
    return chat_request, digest
