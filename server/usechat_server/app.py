"""create_app and create_router: an agent or a handler as an ASGI app that useChat can talk to."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from usechat_server.agent import Agent
from usechat_server.compose import ChatHandler
from usechat_server.doors.base import Door
from usechat_server.errors import ChatError, StoreNotReady
from usechat_server.http.assembly import build_state
from usechat_server.http.endpoint import Guard
from usechat_server.http.errors import ErrorFormat
from usechat_server.http.options import check_agent_or_handler, check_settings, check_store
from usechat_server.http.routes.chat import chat_routes
from usechat_server.http.routes.chats import chats_routes
from usechat_server.http.routes.doors import door_routes
from usechat_server.http.routes.health import health_routes
from usechat_server.http.routes.metrics import metrics_routes
from usechat_server.http.routes.page import PageConfig, page_routes
from usechat_server.http.security import is_loopback
from usechat_server.http.sign_in import UserHook
from usechat_server.http.state import STRANGERS, AppState
from usechat_server.results import OutputT
from usechat_server.runs import ChatCreatedHook, FinishHook, Hooks, MessageHook
from usechat_server.runs.responder_factory import AgentHook
from usechat_server.settings import Settings, is_deployed, with_deployment
from usechat_server.store.base import ChatStore
from usechat_server.turn import BodyT

if TYPE_CHECKING:
    from usechat_server.http.router import ChatRouter

__all__ = ["ChatApp", "create_app", "create_router"]

logger: logging.Logger = logging.getLogger("usechat.app")


def create_app(
    agent_object: Agent[OutputT] | None = None,
    /,
    *,
    agent: Agent[OutputT] | AgentHook[BodyT, OutputT] | None = None,
    handler: ChatHandler[BodyT] | None = None,
    prefix: str = "/api",
    user: UserHook | None = None,
    anonymous: bool = False,
    settings: Settings | None = None,
    store: str | ChatStore | None = None,
    body: type[BodyT] | None = None,
    on_message: MessageHook[BodyT] | None = None,
    on_finish: FinishHook[OutputT] | None = None,
    on_chat_created: ChatCreatedHook[BodyT] | None = None,
    headers: Mapping[str, str] | None = None,
    errors: ErrorFormat = "text",
    doors: Sequence[Door] = (),
) -> ChatApp:
    """Return an ASGI app that responds to `POST /api/chat`: `create_app(Agent(…))`.

    Serve it as it is, mount it under any path, or include the routes of `create_router`.

    Args:
        agent_object: The agent that responds to every turn.
        agent: The same by its name, or a function that returns the agent of a turn, sync or async.
        handler: An async function of the turn and a `StreamWriter` that writes the response itself.
            An app has either an agent or a handler.
        prefix: The path before the chat routes: `{prefix}/chat`, `{prefix}/chats` and so on.
        user: Returns your id of the user who sends a request, from its headers; its body has not
            been read. Sync (runs in a thread) or async; it has `USECHAT_USER_TIMEOUT` seconds.
            None or `""` refuses the request with 401, PermissionError with 403; a ChatError or an
            HTTPException refuses it with its own status and text. Without `user`, anyone who can
            reach the server can use, read and delete every chat whose id they know. Chats are then
            listed on the same machine only, and `usechat-server serve` on a public address
            requires `USECHAT_PUBLIC`.
        anonymous: Let requests for which `user` returns None in. All of them share one space, in
            which a chat belongs to anyone who knows its id, and chats cannot be listed.
        settings: By default those of the `USECHAT_*` variables. Under `usechat-server serve`, host,
            port and workers are those of the command.
        store: Where the server keeps the chats, a URL or a store; by default `USECHAT_STORE`.
            Without one, the frontend keeps them and sends them with each request.
        body: A pydantic model of the request's custom fields (`body` of the frontend's transport).
            What does not fit is refused with 400. `turn.body` is an instance of it; without one,
            it is a dict.
        on_message: Gets the turn and the whole assistant message at each end of a run, also of one
            that was stopped or failed. The client sees the end when it has returned, but waits two
            seconds at most.
        on_finish: Gets the `RunResult`, after `on_message`: the outcome, the steps and the tokens.
        on_chat_created: Gets the first turn of each new chat in the store, when it has begun.
            All three hooks may be sync (they run in a thread) or async. If one raises, that costs
            a log line and nothing else.
        headers: Headers that are added to every response. They replace those of the same name.
        errors: How a refusal is rendered: its text, or
            `{"error": {"status": 404, "message": "…"}}`. See docs/errors.md.
        doors: Routes for other clients than `useChat`, such as `Text()` and `Completion()`. See
            docs/doors.md.

    Returns:
        The app. Under a host other than `usechat-server serve`, pass on its `lifespan` when you
        mount it, and call its `drain()` before a shutdown.

    Raises:
        TypeError: There is neither an agent nor a handler, or both, or one of the wrong type.
        ValueError: An option or a setting has a value that it cannot have, or requires another one.
    """
    state = _build_state(
        "create_app",
        agent_object,
        agent,
        handler,
        settings=settings,
        store=store,
        hooks=Hooks(on_message, on_finish, on_chat_created),
        prefix=prefix,
        user=user,
        anonymous=anonymous,
        body=body,
        headers=headers,
        errors=errors,
        doors=doors,
    )
    return ChatApp(state)


def create_router(
    agent_object: Agent[OutputT] | None = None,
    /,
    *,
    agent: Agent[OutputT] | AgentHook[BodyT, OutputT] | None = None,
    handler: ChatHandler[BodyT] | None = None,
    prefix: str = "/api",
    user: UserHook | None = None,
    anonymous: bool = False,
    settings: Settings | None = None,
    store: str | ChatStore | None = None,
    body: type[BodyT] | None = None,
    on_message: MessageHook[BodyT] | None = None,
    on_finish: FinishHook[OutputT] | None = None,
    on_chat_created: ChatCreatedHook[BodyT] | None = None,
    headers: Mapping[str, str] | None = None,
    errors: ErrorFormat = "text",
    doors: Sequence[Door] = (),
) -> ChatRouter:
    """Return the chat routes for an app of your own, with the checks and errors of `create_app`.

        app = FastAPI()
        app.include_router(create_router(agent))

        router = create_router(agent)
        app = Starlette(routes=[*router.routes], lifespan=router.lifespan_context)

    It has no health routes and no demo page.

    Args:
        agent_object: See `create_app`, like all other options.
        agent: See `create_app`.
        handler: See `create_app`.
        prefix: See `create_app`.
        user: See `create_app`.
        anonymous: See `create_app`.
        settings: See `create_app`.
        store: See `create_app`.
        body: See `create_app`.
        on_message: See `create_app`.
        on_finish: See `create_app`.
        on_chat_created: See `create_app`.
        headers: See `create_app`.
        errors: See `create_app`.
        doors: See `create_app`.

    Returns:
        A FastAPI `APIRouter` where FastAPI is installed, else a Starlette `Router`.

    Raises:
        TypeError: As for `create_app`.
        ValueError: As for `create_app`.
    """
    # Imported on use: it imports FastAPI where that is installed.
    from usechat_server.http.router import ChatRouter

    state = _build_state(
        "create_router",
        agent_object,
        agent,
        handler,
        settings=settings,
        store=store,
        hooks=Hooks(on_message, on_finish, on_chat_created),
        prefix=prefix,
        user=user,
        anonymous=anonymous,
        body=body,
        headers=headers,
        errors=errors,
        doors=doors,
    )
    return ChatRouter(state, _chat_routes(state), lifespan=_lifespan(state))


class ChatApp(Starlette):
    """The app that `create_app` returns.

    An app that mounts it composes `lifespan` into its own, since the lifespan of a mounted app
    never runs.
    """

    def __init__(self, state: AppState) -> None:
        settings = state.settings
        if settings.page and state.prefix != "/api":
            raise ValueError("USECHAT_PAGE requires prefix='/api'")

        async def render(request: Request, error: Exception) -> Response:
            return state.errors.render(request.scope, error)

        self._state = state
        page = PageConfig(state.store is not None, settings.max_body_bytes)
        super().__init__(
            routes=[
                *_chat_routes(state),
                *health_routes(state),
                *metrics_routes(state),
                *(page_routes(page) if settings.page else []),
            ],
            exception_handlers={HTTPException: render, Exception: render},
            lifespan=self.lifespan,
        )
        # A path with a slash at its end has a route of its own.
        self.router.redirect_slashes = False
        self._guarded = Guard(super().__call__, state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            send = _without_traceback(send)
        await self._guarded(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Open the store at the start, so that what is wrong with it shows, and close what was
        opened in this event loop at the end. Without it, everything opens on first use.

        Args:
            app: The app whose lifespan it is; ignored.

        Raises:
            StoreNotReady: The operator has to do something first; the text says what.
        """
        async with _lifespan(self._state)(app):
            yield

    async def drain(self, grace: float | None = None) -> None:
        """Take no more turns (they get 503), let the running ones of this event loop go on for a
        while, then end them in a form that the client understands.

        `usechat-server serve` does this at the first SIGTERM. Under another server call it from
        your own signal handler, before that server closes connections.

        Args:
            grace: Seconds that running turns may go on; by default `USECHAT_DRAIN_GRACE`.
        """
        await self._state.drain(grace)


def _build_state(
    caller: str,
    agent_object: Agent | None,
    agent: Agent | AgentHook | None,
    handler: ChatHandler | None,
    *,
    settings: Settings | None,
    store: str | ChatStore | None,
    body: type[Any] | None,
    **options: Any,
) -> AppState:
    if agent_object is not None and not isinstance(agent_object, Agent):
        raise TypeError(
            f"{caller}() takes an Agent by position, got {type(agent_object).__name__}: pass "
            "agent= (an Agent, or a function that returns the Agent of a turn) or handler= (a "
            "function that writes the response itself)"
        )
    if agent_object is not None and agent is not None:
        raise TypeError(f"{caller}() requires either an agent or a handler=, got two agents")
    check_agent_or_handler(caller, agent_object or agent, handler)
    check_settings(settings)
    check_store(store)
    settings = with_deployment(settings or Settings())
    if settings.workers > 1 and settings.redis_url is None:
        raise ValueError("workers > 1 requires USECHAT_REDIS_URL")
    store = store or settings.store
    state = build_state(
        settings,
        agent=agent_object or agent,
        handler=handler,
        body=body,
        store=_open_store(store) if isinstance(store, str) else store,
        **options,
    )
    if state.is_anonymous and not settings.public and not is_loopback(settings.host):
        text = f"{caller} on {settings.host} without user=: {STRANGERS}"
        if is_deployed():
            raise ValueError(f"{text}, or start `usechat-server serve` with --public")
        logger.warning("%s", text)
    return state


def _open_store(url: str) -> ChatStore:
    # Imported on use: an app without a store needs no database.
    from usechat_server.store import SqlChatStore

    return SqlChatStore(url)


def _chat_routes(state: AppState) -> list[Route]:
    return [
        *chat_routes(state),
        *door_routes(state),
        *(chats_routes(state, state.store) if state.store else []),
    ]


def _without_traceback(send: Send) -> Send:
    """Return a `send` that tells the host nothing more of an operator's mistake, which has been
    logged: Starlette sends the traceback, and hosts log it."""

    async def send_message(message: Message) -> None:
        if message["type"] == "lifespan.startup.failed" and isinstance(
            sys.exc_info()[1], StoreNotReady
        ):
            message = {"type": "lifespan.startup.failed", "message": ""}
        await send(message)

    return send_message


def _lifespan(state: AppState) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        try:
            await state.ready()
        except StoreNotReady:
            raise
        except ChatError as error:
            logger.error("chats get 503 until this can be reached: %s", error.text)
        try:
            yield
        finally:
            await state.aclose()

    return lifespan
