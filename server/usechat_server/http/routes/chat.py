"""The routes of runs: POST /api/chat starts one and streams it, GET /api/chat/{id}/stream resumes
its stream, POST /api/chat/{id}/stop stops it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send
from ui_message_stream.versions import ClientVersion

from usechat_server.chat_request import (
    ChatRequest,
    parse_request,
    parse_stop_request,
    request_digest,
    turn_of,
    validate_body,
)
from usechat_server.coordination.base import ChatKey, Lease, LogSubscription
from usechat_server.errors import RESTARTING, ServiceUnavailable
from usechat_server.http.body import read_body
from usechat_server.http.run_response import run_response
from usechat_server.http.state import AppState
from usechat_server.runs.responder import Responder
from usechat_server.turn import Turn

__all__ = ["chat_routes"]

#: Bytes from which a body is parsed in a thread, since that would delay other streams.
PARSE_IN_THREAD = 1_000_000


def chat_routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of runs. They are ASGI apps: nothing is between a stream and its host."""
    return [
        Route("/api/chat", _Start(state), methods=["POST"]),
        # A chat id may contain an encoded slash, which is decoded here.
        Route("/api/chat/{id:path}/stream", _Resume(state), methods=["GET"]),
        Route("/api/chat/{id:path}/stop", _Stop(state), methods=["POST"]),
    ]


class _Endpoint:
    """Sends the response to a request, and nothing if the client leaves before it was read."""

    def __init__(self, state: AppState) -> None:
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self.respond(scope, receive)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def respond(self, scope: Scope, receive: Receive) -> Response:
        raise NotImplementedError

    def stream(
        self,
        opened: LogSubscription,
        key: ChatKey,
        client_version: ClientVersion,
        *,
        from_start: bool = False,
    ) -> Response:
        """Return a stream of the run's log."""
        settings = self.state.settings
        return run_response(
            opened,
            self.state.coordinator,
            key,
            client_version,
            from_start=from_start,
            keep_alive=settings.keep_alive,
            send_timeout=settings.send_timeout,
        )


class _Start(_Endpoint):
    async def respond(self, scope: Scope, receive: Receive) -> Response:
        state = self.state
        if state.draining:
            raise ServiceUnavailable(RESTARTING)
        user = await state.user(scope)
        client_version = state.client_version_of(scope)
        body = await read_body(scope, receive, state.settings)
        if len(body) >= PARSE_IN_THREAD:
            request, digest = await asyncio.to_thread(_parse, body, state)
        else:
            request, digest = _parse(body, state)
        await state.ready()
        key = ChatKey(user, request.chat_id)

        async def begin_turn(lease: Lease) -> tuple[Turn, Responder]:
            """Return the turn and its responder. A request that is refused here changes nothing."""
            store = state.store
            if store is None:
                turn = turn_of(request, user, client_version)
            else:
                turn = await store.turn(request, user, client_version)
            # A stored history is as long as the chat, however short the body.
            in_thread = len(body) >= PARSE_IN_THREAD or store is not None
            responder = await state.responder_factory.for_request(turn, in_thread=in_thread)
            decisions = await state.approvals.redeem(turn)
            turn = replace(turn, decisions=decisions)
            if store is not None:
                try:
                    await store.begin(turn, run_id=lease.run_id, epoch=lease.epoch)
                except asyncio.CancelledError:
                    # It may have been stored, and will never run.
                    await store.interrupt([lease.run_id])
                    raise
            return turn, responder

        opened = await state.runs.start_or_join(key, digest, begin_turn)
        return self.stream(opened, key, client_version)


class _Resume(_Endpoint):
    async def respond(self, scope: Scope, receive: Receive) -> Response:
        state = self.state
        key = ChatKey(await state.user(scope), scope["path_params"]["id"])
        client_version = state.client_version_of(scope)
        opened = await state.runs.resume(key) if state.can_resume else None
        if opened is None:
            return Response(status_code=204)
        return self.stream(opened, key, client_version, from_start=True)


class _Stop(_Endpoint):
    async def respond(self, scope: Scope, receive: Receive) -> Response:
        state = self.state
        key = ChatKey(await state.user(scope), scope["path_params"]["id"])
        run_id, message_id = parse_stop_request(await read_body(scope, receive, state.settings))
        await state.runs.stop(key, run_id=run_id, message_id=message_id)
        return Response(status_code=204)


def _parse(body: bytes, state: AppState) -> tuple[ChatRequest, str]:
    """Return the request and its digest."""
    request = parse_request(body)
    request = replace(request, body=validate_body(request.body, state.body))
    return request, request_digest(request)
