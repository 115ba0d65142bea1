"""respond: a run in a route of one's own."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from usechat_server.agent import Agent
from usechat_server.compose import ChatHandler
from usechat_server.errors import NotSignedIn
from usechat_server.http.assembly import build_state, state_of_call
from usechat_server.http.errors import ErrorFormat
from usechat_server.http.options import check_agent_or_handler, check_body_model, check_settings
from usechat_server.http.routes.chat import start_run
from usechat_server.http.state import AppState, log_missing_credentials, log_unsupported_clients
from usechat_server.results import OutputT
from usechat_server.runs import Hooks
from usechat_server.runs.responder_factory import AgentHook
from usechat_server.settings import Settings, cached_settings, with_deployment
from usechat_server.telemetry.request import request_of
from usechat_server.turn import BodyT

__all__ = ["respond"]

#: What the calls with the same settings and error format share.
_states: list[tuple[Settings, ErrorFormat, AppState]] = []
#: Agents whose credentials were checked.
_agents: WeakSet[Agent[Any]] = WeakSet()


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
    of each run are the same. A run ends with its connection. With `user=`, a chat has one run at a
    time in all routes together.

    Your own app decides who may send requests: neither `Origin` nor `Host` is checked, and no CORS
    headers are added. If your app signs its users in with a cookie, reject requests of foreign
    origins.

    Args:
        request: Its body may have been read as a whole (`await request.body()`, or a parameter of
            FastAPI), but not as a stream or a form.
        agent: The agent, or a function that returns the agent of the turn, sync or async.
        handler: An async function of the turn and a `StreamWriter` that writes the response.
        user: Your id of the user who sends the request. `""` refuses it with 401; None: users are
            not told apart.
        body: A pydantic model of the request's custom fields: `turn.body` is an instance of it.
        settings: By default those of the `USECHAT_*` variables, as they were at the first request.
        errors: How a refusal is rendered, as text or as JSON. See docs/errors.md.

    Returns:
        The stream, or the refusal. An unexpected exception is logged, and the response is 500.

    Raises:
        TypeError: There is neither an agent nor a handler, or both, or one of the wrong type.
        ValueError: A setting has a value that it cannot have, or requires another one.
    """
    check_agent_or_handler("respond", agent, handler)
    check_body_model(body)
    check_settings(settings)
    if user is not None and not isinstance(user, str):
        raise TypeError(f"user: expected a str or None, got {type(user).__name__}")
    shared = _shared_state(settings or cached_settings(), errors)
    state = state_of_call(shared, agent=agent, handler=handler, body=body)
    if isinstance(agent, Agent) and agent not in _agents:
        _agents.add(agent)
        log_missing_credentials(agent)
        log_unsupported_clients(agent, shared.settings)
    shared.open(request.scope)
    with request_of(request.scope["headers"]):
        try:
            if user == "":
                raise NotSignedIn
            return await start_run(state, request, user, path=request.url.path)
        except ClientDisconnect:
            return Response(status_code=400)  # the client does not see it
        except Exception as error:
            return state.errors.render(request.scope, error)


def _shared_state(settings: Settings, errors: ErrorFormat) -> AppState:
    """Return the state of all calls with these settings, however the settings were created.

    Approvals and the one run of a chat outlive the agent or handler of a single call.
    """
    for known, known_errors, state in _states:
        if known_errors == errors and (known is settings or known == settings):
            return state
    # There is no route that could resume a run.
    state = build_state(
        with_deployment(settings).model_copy(update={"resume": 0.0}), errors=errors, hooks=Hooks()
    )
    _states.append((settings, errors, state))
    return state
