"""create_app: an agent as an ASGI app that useChat can talk to."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from usechat_server.agent import Agent
from usechat_server.models.base import BadRequest
from usechat_server.observe.masking import mask
from usechat_server.routes.chat import chat_routes
from usechat_server.routes.health import RETRY_AFTER, health_routes
from usechat_server.routes.page import page_routes
from usechat_server.routes.services import Services, UserHook
from usechat_server.security import Security, is_loopback
from usechat_server.settings import Settings

__all__ = ["ChatApp", "create_app"]

logger = logging.getLogger("usechat.app")


def create_app(
    agent: Agent, *, user: UserHook | None = None, settings: Settings | None = None
) -> ChatApp:
    """An ASGI app that answers `POST /api/chat`; served as it is, or mounted under any path.

    `user` says who is asking, from a request's headers (its body is not there yet). To refuse, it
    raises: Starlette's HTTPException is answered as it is, PermissionError with 403, anything else
    with 401. Without it, a chat belongs to whoever knows its id. `settings` come from `USECHAT_*`
    variables by default. Raises ValueError if the settings cannot carry what the agent needs.
    """
    return ChatApp(agent, user, settings or Settings())


class ChatApp(Starlette):
    """What create_app makes. An app that mounts it composes `lifespan` into its own, since a
    mounted app's lifespan never runs."""

    def __init__(self, agent: Agent, user: UserHook | None, settings: Settings) -> None:
        if user is None and not is_loopback(settings.host):
            logger.warning("create_app has no user=: a chat belongs to whoever knows its id")
        self._services = Services(agent, user, settings)
        super().__init__(
            routes=[
                *chat_routes(self._services),
                *health_routes(self._services),
                *(page_routes() if settings.page else []),
            ],
            exception_handlers={
                HTTPException: _http_error,
                BadRequest: _bad_request,
                Exception: _server_error,
            },
            lifespan=self.lifespan,
        )
        # Outermost, so that every answer gets its CORS headers: a page can read no other.
        self._guarded = Security(super().__call__, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._services.open(scope)
        await self._guarded(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Closes, at its end, what was opened on first use in this event loop."""
        try:
            yield
        finally:
            await self._services.aclose()

    async def drain(self, grace: float | None = None) -> None:
        """Stops taking turns (503 from now on), lets the running ones of this event loop go on for
        `grace` seconds (default: `USECHAT_DRAIN_GRACE`), then ends them legally.

        `usechat-server serve` does this at the first SIGTERM. Under another server call it from
        your own signal handler, before that server closes connections.
        """
        await self._services.drain(grace)


async def _bad_request(request: Request, error: Any) -> Response:
    headers = {}
    if error.status == 503:
        headers["retry-after"] = RETRY_AFTER
    elif error.status == 408 and request.scope["http_version"].startswith("1"):
        headers["connection"] = "close"  # the rest of the body may still come
    return PlainTextResponse(error.text, error.status, headers)


async def _http_error(request: Request, error: Any) -> Response:
    text: str = error.detail
    if text == HTTPStatus(error.status_code).phrase:
        if error.status_code == 404:
            text = f"Not found. The chat is at POST {request.scope.get('root_path', '')}/api/chat."
        elif error.status_code == 405:
            text = f"{request.method} is not allowed here."
    return PlainTextResponse(text, error.status_code, error.headers)


async def _server_error(request: Request, error: Exception) -> Response:
    masked = mask(error)
    # Starlette raises the error again, so the host logs it in full right after this line.
    logger.error("%s %s failed: reference %s", request.method, request.url.path, masked.reference)
    return PlainTextResponse(masked.text, 500)
