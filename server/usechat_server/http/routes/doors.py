"""The routes of the doors that an app asks for."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from usechat_server.coordination.base import ChatKey
from usechat_server.doors.base import PLAIN_CLIENT, Door
from usechat_server.doors.sse import RawSSE
from usechat_server.errors import RESTARTING, ServiceUnavailable
from usechat_server.http.endpoint import Endpoint, Handler, routes_of
from usechat_server.http.routes.chat import resume_run, start_run
from usechat_server.http.state import AppState

__all__ = ["door_routes"]


def door_routes(state: AppState) -> list[Route]:
    """Return the routes of the app's doors."""

    def route(path: str, **handlers: Handler) -> list[Route]:
        return routes_of(f"{state.prefix}{path}", Endpoint(state.errors, handlers))

    routes: list[Route] = []
    for door in state.doors:
        handlers: dict[str, Handler] = {"POST": partial(_start, state, door)}
        if isinstance(door, RawSSE):
            handlers["GET"] = partial(_resume, state, door)
        routes += route(door.path, **handlers)
        if door.has_chat and not door.can_resume:
            # Where the client of a chat looks for its run when it comes back.
            routes += route(f"{door.path}/{{id:path}}/stream", GET=partial(_nothing, state))
    return routes


async def _start(state: AppState, door: Door, request: Request) -> Response:
    if state.draining:
        raise ServiceUnavailable(RESTARTING)
    user = await state.user(request.scope)
    return await start_run(state, request, user, door=door, path=door.path)


async def _resume(state: AppState, door: RawSSE, request: Request) -> Response:
    key = ChatKey(await state.user(request.scope), door.chat_id(request))
    encoding = door.encoding(request, state.client_versions.supporting(PLAIN_CLIENT), key.chat_id)
    return await resume_run(state, key, encoding, cursor=request.headers.get("last-event-id"))


async def _nothing(state: AppState, request: Request) -> Response:
    await state.user(request.scope)
    return Response(status_code=204)
