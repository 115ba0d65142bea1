"""A chat's turns: POST /api/chat asks for one, and streams the answer; GET /api/chat/{id}/stream
streams the one that is being answered; POST /api/chat/{id}/stop ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send
from ui_message_stream.versions import ClientVersion

from usechat_server.chat_request import (
    ChatRequest,
    identity,
    parse_request,
    parse_stop,
    turn_of,
    validated,
)
from usechat_server.coordination.base import ChatKey, Lease, LogSubscription
from usechat_server.errors import RESTARTING, ServiceUnavailable
from usechat_server.http.body import read_body
from usechat_server.http.run_response import log_response
from usechat_server.http.state import AppState
from usechat_server.runs.responder import Responder
from usechat_server.turn import Turn

__all__ = ["chat_routes"]

#: Bytes from which a body is read and translated in a thread, so that other streams go on.
IN_THREAD = 1_000_000

_Read = TypeVar("_Read")


def chat_routes(state: AppState) -> list[BaseRoute]:
    """The routes of turns. They are ASGI apps, so that nothing is between a stream and its host."""
    return [
        Route("/api/chat", _Post(state), methods=["POST"]),
        # A chat id may hold an encoded slash, which is a plain one here.
        Route("/api/chat/{id:path}/stream", _Resume(state), methods=["GET"]),
        Route("/api/chat/{id:path}/stop", _Stop(state), methods=["POST"]),
    ]


class _Endpoint:
    """Answers one request; nothing if its client leaves before it was read."""

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
        """A run's log."""
        settings = self.state.settings
        return log_response(
            opened,
            self.state.coordinator,
            key,
            client_version,
            from_start=from_start,
            keep_alive=settings.keep_alive,
            send_timeout=settings.send_timeout,
        )


class _Post(_Endpoint):
    async def respond(self, scope: Scope, receive: Receive) -> Response:
        state = self.state
        if state.draining:
            raise ServiceUnavailable(RESTARTING)
        user = await state.user(scope)
        client_version = state.client_version_of(scope)
        body = await read_body(scope, receive, state.settings)
        # Whose history is stored is as long as the chat, however short the body.
        in_thread = len(body) >= IN_THREAD or state.store is not None

        def understand() -> tuple[ChatRequest, str]:
            request = parse_request(body)
            request = replace(request, body=validated(request.body, state.body))
            return request, identity(request)

        request, digest = await _done(understand, in_thread=len(body) >= IN_THREAD)
        await state.ready()
        key = ChatKey(user, request.chat_id)

        async def begin(lease: Lease) -> tuple[Turn, Responder]:
            """The turn, with the chat its own: what is refused here is refused before anything
            has begun."""
            store = state.store
            if store is None:
                turn = turn_of(request, user, client_version)
            else:
                turn = await store.turn(request, user, client_version)
            responder = await state.responder_factory.for_request(turn, in_thread=in_thread)
            decisions = await state.approvals.redeem(turn)
            turn = replace(turn, decisions=decisions)
            if store is not None:
                try:
                    await store.begin(turn, run_id=lease.run_id, epoch=lease.epoch)
                except asyncio.CancelledError:
                    # It is stored all the same, and nobody is going to run it.
                    await store.interrupt([lease.run_id])
                    raise
            return turn, responder

        opened = await state.runs.start_or_join(key, digest, begin)
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
        run_id, message_id = parse_stop(await read_body(scope, receive, state.settings))
        await state.runs.stop(key, run_id=run_id, message_id=message_id)
        return Response(status_code=204)


async def _done(work: Callable[[], _Read], *, in_thread: bool) -> _Read:
    return await asyncio.to_thread(work) if in_thread else work()
