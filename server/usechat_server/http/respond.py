"""respond: a run in a route of one's own."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from usechat_server.agent import Agent
from usechat_server.compose import ChatHandler
from usechat_server.errors import ChatError
from usechat_server.http.assembly import build_state
from usechat_server.http.errors import ErrorFormat
from usechat_server.http.routes.chat import start_run
from usechat_server.http.state import AppState
from usechat_server.results import OutputT
from usechat_server.runs import Hooks
from usechat_server.runs.responder_factory import AgentHook
from usechat_server.settings import Settings, cached_settings
from usechat_server.turn import BodyT

__all__ = ["respond"]

#: How many agents and handlers are remembered. One that is forgotten loses its open approvals.
_MAX_STATES = 64
#: What the requests for one agent or handler share, the least recently used first.
_states: OrderedDict[tuple[object, ...], AppState] = OrderedDict()


async def respond(
    request: Request,
    *,
    agent: Agent[OutputT] | AgentHook[BodyT, OutputT] | None = None,
    handler: ChatHandler[BodyT] | None = None,
    user: str | None = None,
    body: type[BodyT] | None = None,
    settings: Settings | None = None,
    errors: ErrorFormat = "text",
) -> Response:
    """Respond to a `useChat` request in a route of your own.

        @app.post("/chat")
        async def chat(request: Request) -> Response:
            return await respond(request, agent=agent)

    It is the chat route of `create_app` without a store: tools, approvals, errors and the log line
    of each run are the same. A run ends with its connection, and your own app decides who may send
    requests. Pass the same agent or function each time: approvals are bound to it.

    Args:
        request: Its body must not have been read.
        agent: The agent, or a function that returns the agent of the turn, sync or async.
        handler: An async function of the turn and a `StreamWriter` that writes the response.
        user: Your id of the user who sends the request.
        body: A pydantic model of the request's custom fields: `turn.body` is an instance of it.
        settings: By default those of the `USECHAT_*` variables, as they were at the first request.
        errors: How a refusal is rendered, as text or as JSON. See docs/errors.md.

    Returns:
        The stream, or the refusal.

    Raises:
        TypeError: There is neither an agent nor a handler, or there are both.
        ValueError: A setting has a value that it cannot have, or requires another one.
    """
    if (agent is None) == (handler is None):
        raise TypeError("respond() requires either agent= or handler=")
    state = _state(agent, handler, body, settings or cached_settings(), errors)
    state.open(request.scope)
    try:
        return await start_run(state, request, user)
    except ClientDisconnect:
        return Response(status_code=400)  # the client does not see it
    except (ChatError, HTTPException) as error:
        return state.errors.render(request.scope, error)


def _state(
    agent: Any, handler: Any, body: type[Any] | None, settings: Settings, errors: ErrorFormat
) -> AppState:
    # The state holds the settings, so that their id stays theirs.
    key = (agent, handler, body, id(settings), errors)
    state = _states.pop(key, None)
    if state is None:
        model: type[BaseModel] | None = body
        state = build_state(
            settings, agent=agent, handler=handler, body=model, errors=errors, hooks=Hooks()
        )
    _states[key] = state
    if len(_states) > _MAX_STATES:
        _states.popitem(last=False)
    return state
