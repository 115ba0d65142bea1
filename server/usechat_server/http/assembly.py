"""Builds what the routes of one app share, from the app's options and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from usechat_server.agent import Agent
from usechat_server.aio import PerLoop
from usechat_server.approvals import Approvals, MemoryNonces, Nonces, SignedApprovals, check_secret
from usechat_server.compose import ChatHandler
from usechat_server.coordination.base import Coordinator
from usechat_server.coordination.local import LocalCoordinator
from usechat_server.coordination.orphans import TakeOver
from usechat_server.doors.base import Door, check_doors
from usechat_server.http.client_versions import ClientVersions
from usechat_server.http.errors import ErrorFormat, ErrorRenderer
from usechat_server.http.options import (
    check_body_model,
    check_errors,
    check_headers,
    check_hooks,
    check_prefix,
    check_user,
)
from usechat_server.http.sign_in import UserHook
from usechat_server.http.state import AppState
from usechat_server.runs import Hooks, RunConfig, RunLimits
from usechat_server.runs.responder_factory import AgentHook, ResponderFactory
from usechat_server.settings import Settings
from usechat_server.store.base import ChatStore
from usechat_server.telemetry import metrics
from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.coordination.redis.commands import RedisCommands

__all__ = ["build_state", "state_of_call"]

#: Seconds that a run goes on without a reader by default, where a store keeps its message.
RESUME_SECONDS = 60.0
#: The same in a chat whose client never asks for its run again: a lost connection is often back by
#: then, and a client that was stopped is not.
HANG_UP_SECONDS = 5.0


def build_state(
    settings: Settings,
    *,
    agent: Agent | AgentHook | None = None,
    handler: ChatHandler | None = None,
    prefix: str = "/api",
    errors: ErrorFormat = "text",
    headers: Mapping[str, str] | None = None,
    user: UserHook | None = None,
    anonymous: bool = False,
    store: ChatStore | None = None,
    hooks: Hooks,
    body: type[BaseModel] | None = None,
    doors: Sequence[Door] = (),
) -> AppState:
    """Build the state of an app. Nothing connects to a database or to Redis yet.

    Raises:
        TypeError: An option has the wrong type.
        ValueError: An option has a value that it cannot have. A setting requires another one, a
            package that is not installed, or a later client version.
    """
    check_prefix(prefix)
    check_errors(errors)
    check_headers(headers)
    check_user(user, anonymous=anonymous)
    check_body_model(body)
    check_hooks(hooks, has_store=store is not None)
    check_doors(doors, agent if isinstance(agent, Agent) else None)
    _collect_metrics(settings)
    redis = None if settings.redis_url is None else _redis(settings.redis_url)
    approvals = _signed_approvals(settings, redis) if store is None else store.approvals
    responder_factory = ResponderFactory(approvals, agent=agent, handler=handler)
    _check_approvals(responder_factory, settings, has_store=store is not None)
    resume_by_default = 0.0 if store is None else RESUME_SECONDS
    resume = resume_by_default if settings.resume is None else settings.resume
    hang_up = HANG_UP_SECONDS if settings.resume is None and resume else None
    return AppState(
        settings,
        client_versions=ClientVersions(
            settings.client_version, responder_factory.required_chunk_types
        ),
        prefix=prefix,
        errors=ErrorRenderer(errors, f"{prefix}/chat"),
        headers=headers or {},
        user=user,
        anonymous=anonymous,
        body=body,
        store=store,
        approvals=approvals,
        responder_factory=responder_factory,
        run_config=RunConfig(
            resume,
            store,
            hooks,
            RunLimits(settings.max_runs, settings.max_runs_per_user, settings.max_response_bytes),
            checkpoint_seconds=settings.checkpoint_seconds,
            hang_up_timeout=hang_up,
            has_trace_content=settings.trace_content,
        ),
        coordinator=_coordinator_factory(redis, body, store),
        redis=redis,
        doors=tuple(doors),
    )


def state_of_call(
    shared: AppState,
    *,
    agent: Agent | AgentHook | None,
    handler: ChatHandler | None,
    body: type[Any] | None,
) -> AppState:
    """Return the state of one call of `respond`: the shared one with another agent or handler.

    Raises:
        ValueError: A setting requires another one, or a later client version.
    """
    responder_factory = ResponderFactory(shared.approvals, agent=agent, handler=handler)
    _check_approvals(responder_factory, shared.settings, has_store=False)
    state = copy(shared)
    state.responder_factory = responder_factory
    state.client_versions = ClientVersions(
        shared.settings.client_version, responder_factory.required_chunk_types
    )
    state.body = body
    return state


def _check_approvals(factory: ResponderFactory, settings: Settings, *, has_store: bool) -> None:
    check_secret(
        may_require_approval=factory.agent is not None and factory.agent.spec.may_require_approval,
        has_store=has_store,
        is_shared=settings.redis_url is not None or settings.workers > 1,
        secret=settings.secret,
    )


def _collect_metrics(settings: Settings) -> None:
    if settings.metrics == "off":
        return
    if settings.metrics == "token" and settings.metrics_token is None:
        raise ValueError("USECHAT_METRICS=token requires USECHAT_METRICS_TOKEN")
    if find_spec("prometheus_client") is None:
        raise ValueError("USECHAT_METRICS requires pip install 'usechat-server[metrics]'")
    from usechat_server.telemetry.prometheus import prometheus_meter

    metrics.install(prometheus_meter())


def _redis(url: str) -> PerLoop[RedisCommands]:
    if find_spec("redis") is None:
        raise ValueError("USECHAT_REDIS_URL requires pip install 'usechat-server[redis]'")
    # Imported on use: a single process needs no Redis.
    from usechat_server.coordination.redis.commands import RedisCommands

    return PerLoop(partial(RedisCommands, url))


def _signed_approvals(settings: Settings, redis: PerLoop[RedisCommands] | None) -> Approvals:
    nonces: Nonces
    if redis is None:
        nonces = MemoryNonces()
    else:
        from usechat_server.coordination.redis.nonces import RedisNonces

        nonces = RedisNonces(redis)
    secret = settings.secret
    return SignedApprovals(None if secret is None else secret.get_secret_value(), nonces)


def _coordinator_factory(
    redis: PerLoop[RedisCommands] | None,
    body: type[BaseModel] | None,
    store: ChatStore | None,
) -> Callable[[TakeOver], Coordinator]:
    if redis is None:
        return lambda _adopt: LocalCoordinator()
    from usechat_server.coordination.redis.coordinator import RedisCoordinator

    read_turn = partial(Turn.from_json, body=body)
    find_end = None if store is None else store.ownership.end_of
    return lambda take_over: RedisCoordinator(redis.get(), take_over, read_turn, find_end=find_end)
