"""What a request passes on its way to a handler, in an app and in a router alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from usechat_server.http.errors import ErrorRenderer
from usechat_server.http.security import Security
from usechat_server.http.state import AppState
from usechat_server.telemetry.request import request_of

__all__ = ["Endpoint", "Guard", "Handler", "routes_of"]

#: Answers a request, or raises why not.
Handler = Callable[[Request], Awaitable[Response]]


class Endpoint:
    """The ASGI app of one path: calls the handler of the request's method and renders what it
    raises. Nothing stands between a response that streams and the host.

    It checks the method itself, since a host that includes the routes would render the 405.
    """

    def __init__(self, errors: ErrorRenderer, handlers: dict[str, Handler]) -> None:
        self._errors = errors
        self._handlers = handlers

    @property
    def methods(self) -> frozenset[str]:
        """The methods that have a handler."""
        head = {"HEAD"} if "GET" in self._handlers else set()
        return frozenset(self._handlers) | head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            if method not in self._handlers:
                raise HTTPException(405, headers={"allow": ", ".join(self._handlers)})
            response = await self._handlers[method](Request(scope, receive))
        except ClientDisconnect:
            return
        except Exception as error:
            # Not raised again: the host would log it a second time and render it once more.
            response = self._errors.render(scope, error)
        await response(scope, receive, send)


def routes_of(path: str, endpoint: Endpoint) -> list[Route]:
    """Return the routes of a path, with and without a slash at its end: a redirect would name the
    address behind a proxy, and lose the body."""
    # An id may contain slashes, so the shorter path would match the other one too.
    return [Route(f"{path}/", endpoint), Route(path, endpoint)]


class Guard:
    """ASGI middleware, the outermost one: the checks of `Security`, whose refusals need CORS
    headers too, and the headers that the app adds to every response."""

    def __init__(self, app: ASGIApp, state: AppState) -> None:
        self._app = Security(app, state.settings, state.errors)
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._state.open(scope)
        if self._state.headers and scope["type"] == "http":
            send = self._with_headers(send)
        with request_of(scope.get("headers", ())):
            await self._app(scope, receive, send)

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._state.headers)
            await send(message)

        return send_with_headers
