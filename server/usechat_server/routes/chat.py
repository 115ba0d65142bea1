"""POST /api/chat: one turn, answered as a stream. GET /api/chat/{id}/stream: the running one."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send
from ui_message_stream.versions import missing

from usechat_server.models.base import BadRequest, ModelStream
from usechat_server.observe.masking import RESTARTING
from usechat_server.request import parse_request, read_body, requested_floor, turn_of
from usechat_server.routes.services import Services
from usechat_server.turn import Turn

__all__ = ["chat_routes"]

#: Bytes from which a body is read and translated in a thread, so that other streams go on.
IN_THREAD = 1_000_000


def chat_routes(services: Services) -> list[BaseRoute]:
    """The chat's routes. They are ASGI apps, so that nothing is between a stream and its host."""
    return [
        Route("/api/chat", _Chat(services), methods=["POST"]),
        # A chat id may hold an encoded slash, which is a plain one here.
        Route("/api/chat/{id:path}/stream", _Resume(services), methods=["GET"]),
    ]


class _Chat:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._begin(scope, receive)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _begin(self, scope: Scope, receive: Receive) -> Response:
        services = self._services
        if services.draining:
            raise BadRequest(RESTARTING, 503)
        user = await services.user(scope)
        floor = requested_floor(scope, services.floor)
        if lost := missing(services.agent.model.requires, floor):
            raise BadRequest(f"x-usechat-floor: ai {floor} cannot read {', '.join(lost)}")
        settings = services.settings

        def understand(body: bytes) -> tuple[Turn, ModelStream | None]:
            turn = turn_of(parse_request(body), user, floor)
            return turn, services.agent.call(turn)

        body = await read_body(scope, receive, settings)
        if len(body) < IN_THREAD:
            turn, stream = understand(body)
        else:
            turn, stream = await asyncio.to_thread(understand, body)
        run = services.runs.start(turn, services.agent, stream)
        return run.response(keep_alive=settings.keep_alive, send_timeout=settings.send_timeout)


class _Resume:
    """204: nothing outlives its POST as long as runs end with their reader."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._services.user(scope)
        await Response(status_code=204)(scope, receive, send)
