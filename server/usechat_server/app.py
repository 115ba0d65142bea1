"""create_app: an agent as an ASGI app that useChat can talk to."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from usechat_server.errors import ChatError, public_error
from usechat_server.http.assembly import build_state
from usechat_server.http.routes.chat import chat_routes
from usechat_server.http.routes.chats import chats_routes
from usechat_server.http.routes.health import RETRY_AFTER, health_routes
from usechat_server.http.routes.page import PageConfig, page_routes
from usechat_server.http.security import Security, is_loopback
from usechat_server.http.state import AppState, UserHook
from usechat_server.runs import FinishHook, Hooks, MessageHook
from usechat_server.runs.responder_factory import AgentSource
from usechat_server.settings import Settings, default_settings
from usechat_server.store.base import ChatStore

__all__ = ["ChatApp", "create_app"]

logger = logging.getLogger("usechat.app")


def create_app(
    agent: AgentSource,
    *,
    user: UserHook | None = None,
    settings: Settings | None = None,
    store: str | ChatStore | None = None,
    body: type[BaseModel] | None = None,
    on_message: MessageHook | None = None,
    on_finish: FinishHook | None = None,
) -> ChatApp:
    """An ASGI app that answers `POST /api/chat`; served as it is, or mounted under any path.

    `agent` answers: an Agent, a function of the turn that gives one, or a function of the turn and
    a writer that writes the answer itself; both may be async.

    `user` says who is asking, from a request's headers (its body is not there yet). To refuse, it
    raises: Starlette's HTTPException is answered as it is, PermissionError with 403, anything else
    with 401. Without it, a chat belongs to whoever knows its id.

    With `store` (by default `USECHAT_STORE`), a URL or a ChatStore, the server keeps the chats, and
    an answer outlives its connection. Without one the frontend keeps them, and sends them.

    `body` is a model of the request's custom fields (`body` of the frontend's transport): what does
    not fit is refused with 400, and `turn.body` is an instance of it. Without one it is a dict.

    `on_message` gets the turn and the assistant message, whole, at each end of an answer, also of
    one that was stopped or failed: for apps that keep messages themselves. Readers see the end when
    it has returned, but wait two seconds at most. After that, `on_finish` gets what became of the
    answer and what it cost. Both may be async; else they run in a thread. If one raises, the log
    says so, and nothing else happens.

    `settings` come from `USECHAT_*` variables by default. Raises ValueError if the settings cannot
    carry what the agent needs.
    """
    settings = settings or default_settings()
    store = store or settings.store
    store = _store(store) if isinstance(store, str) else store
    hooks = Hooks(on_message, on_finish)
    return ChatApp(build_state(agent, settings, user=user, store=store, hooks=hooks, body=body))


class ChatApp(Starlette):
    """What create_app makes. An app that mounts it composes `lifespan` into its own, since a
    mounted app's lifespan never runs."""

    def __init__(self, state: AppState) -> None:
        settings = state.settings
        if state.is_anonymous and not is_loopback(settings.host):
            logger.warning("create_app has no user=: a chat belongs to whoever knows its id")
        self._state = state
        page = PageConfig(state.store is not None, settings.max_body_bytes)
        super().__init__(
            routes=[
                *chat_routes(state),
                *(chats_routes(state, state.store) if state.store else []),
                *health_routes(state),
                *(page_routes(page) if settings.page else []),
            ],
            exception_handlers={
                HTTPException: _http_error,
                ChatError: _bad_request,
                Exception: _server_error,
            },
            lifespan=self.lifespan,
        )
        # Outermost, so that every answer gets its CORS headers: a page can read no other.
        self._guarded = Security(super().__call__, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._state.open(scope)
        await self._guarded(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Opens the store, so that what is wrong with it shows at the start, and closes what was
        opened in this event loop. Without it, everything opens on first use."""
        try:
            await self._state.ready()
        except ChatError as error:
            logger.error("Chats get 503 until this can be reached: %s", error.text)
        try:
            yield
        finally:
            await self._state.aclose()

    async def drain(self, grace: float | None = None) -> None:
        """Stops taking turns (503 from now on), lets the running ones of this event loop go on for
        `grace` seconds (default: `USECHAT_DRAIN_GRACE`), then ends them legally.

        `usechat-server serve` does this at the first SIGTERM. Under another server call it from
        your own signal handler, before that server closes connections.
        """
        await self._state.drain(grace)


def _store(url: str) -> ChatStore:
    # Imported on use: an app without a store needs no database.
    from usechat_server.store import SqlChatStore

    return SqlChatStore(url)


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
    public = public_error(error)
    # Starlette raises the error again, so the host logs it in full right after this line.
    logger.error("%s %s failed: reference %s", request.method, request.url.path, public.reference)
    return PlainTextResponse(public.text, 500)
