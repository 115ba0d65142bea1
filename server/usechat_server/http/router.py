"""The router that create_router returns, of FastAPI's class where FastAPI is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, request_response
from starlette.types import Receive, Scope, Send

from usechat_server.http.body import body_receive
from usechat_server.http.endpoint import Endpoint, Guard
from usechat_server.http.state import AppState

if TYPE_CHECKING:
    from fastapi import APIRouter as Router
    from fastapi.routing import APIRoute
else:
    try:
        # FastAPI's include_router takes nothing else.
        from fastapi import APIRouter as Router
        from fastapi.routing import APIRoute
    except ImportError:
        from starlette.routing import Router

        APIRoute = None

__all__ = ["ChatRouter"]


class ChatRouter(Router):
    """The router that `create_router` returns.

    It is FastAPI's `APIRouter` where FastAPI is installed, else Starlette's `Router`.
    """

    def __init__(self, state: AppState, routes: Sequence[Route], *, lifespan: Any) -> None:
        super().__init__(
            routes=[each for route in routes for each in _guarded(route, state)], lifespan=lifespan
        )
        self._state = state

    async def drain(self, grace: float | None = None) -> None:
        """Take no more turns (they get 503), let the running ones of this event loop go on for a
        while, then end them in a form that the client understands.

        `usechat-server serve` does this at the first SIGTERM. Under another server call it from
        your own signal handler, before that server closes connections.

        Args:
            grace: Seconds that running turns may go on; by default `USECHAT_DRAIN_GRACE`.
        """
        await self._state.drain(grace)


def _guarded(route: Route, state: AppState) -> Iterable[BaseRoute]:
    """Yield a route with the checks that an app has in front of all of its routes."""
    endpoint = route.endpoint
    assert isinstance(endpoint, Endpoint)  # noqa: S101
    guard = Guard(endpoint, state)
    if APIRoute is not None:
        yield _api_route(route.path, guard, endpoint.methods)
    # Answers the other methods: with 405, and the preflights of CORS, which have no credentials
    # that a dependency could check.
    yield Route(route.path, guard, include_in_schema=False)


def _api_route(path: str, guard: Guard, methods: Iterable[str]) -> APIRoute:
    """Return a route of FastAPI, which calls the dependencies of the routers and of the app that
    include it."""

    async def endpoint(request: Request) -> Response:
        return _GuardedResponse(guard, request)

    # An included route is a new one with the dependencies. This one is for a Starlette app, in
    # which a route of FastAPI does not work.
    class ChatRoute(APIRoute):
        def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
            super().__init__(path, endpoint, **options)
            if not self.dependencies:
                self.app = request_response(endpoint)

    return ChatRoute(
        path, endpoint, methods=[*methods], include_in_schema=False, response_model=None
    )


class _GuardedResponse(Response):
    """The response of an ASGI app."""

    def __init__(self, guard: Guard, request: Request) -> None:
        super().__init__()
        self._guard = guard
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A dependency may have read the body.
        await self._guard(scope, body_receive(self._request), send)
        if self.background is not None:
            await self.background()
