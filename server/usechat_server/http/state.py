"""What the routes of one app share: its agent, store and settings, its users, its live runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import BaseModel
from starlette.types import Scope

from usechat_server.agent import Agent
from usechat_server.aio import PerLoop, cancel
from usechat_server.approvals import Approvals
from usechat_server.coordination.base import ChatKey, Coordinator
from usechat_server.coordination.orphans import TakeOver
from usechat_server.doors.base import Door
from usechat_server.errors import (
    StoreNotReady,
    StoreUnavailable,
)
from usechat_server.http.client_versions import ClientVersions
from usechat_server.http.errors import ErrorRenderer
from usechat_server.http.security import is_local, is_public_address
from usechat_server.http.sign_in import UserHook, refusal, sign_in
from usechat_server.providers.base import RequiresCredentials
from usechat_server.runs import RunConfig, Runs
from usechat_server.runs.responder_factory import APPROVALS_NEED_V6, ResponderFactory
from usechat_server.settings import Settings
from usechat_server.store.base import ChatStore, StopsRuns
from usechat_server.telemetry.tracing import flush_spans
from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.coordination.redis.commands import RedisCommands

__all__ = [
    "STRANGERS",
    "AppState",
    "log_missing_credentials",
    "log_unsupported_clients",
]

logger: logging.Logger = logging.getLogger("usechat.app")

#: What an app without `user=` on a public address means.
STRANGERS = (
    "anyone who can reach it can use every chat whose id they know, and spend your key; set "
    "USECHAT_PUBLIC=true if that is meant, which also lists all stored chats to everyone"
)

#: Seconds that `on_chat_created` hooks may still take at the end.
_HOOK_SECONDS = 2.0


class AppState:
    """One for each app, see `assembly.build_state`. What belongs to an event loop is opened there
    on first use."""

    def __init__(
        self,
        settings: Settings,
        *,
        client_versions: ClientVersions,
        prefix: str,
        errors: ErrorRenderer,
        headers: Mapping[str, str],
        user: UserHook | None,
        anonymous: bool,
        body: type[BaseModel] | None,
        store: ChatStore | None,
        approvals: Approvals,
        responder_factory: ResponderFactory,
        run_config: RunConfig,
        coordinator: Callable[[TakeOver], Coordinator],
        redis: PerLoop[RedisCommands] | None,
        doors: Sequence[Door] = (),
    ) -> None:
        self.settings = settings
        #: besides the chat
        self.doors = doors
        self.client_versions = client_versions
        #: before the path of every chat route
        self.prefix = prefix
        self.errors = errors
        #: of every response
        self.headers = headers
        #: the app's model of a request's custom fields
        self.body = body
        self.store = store
        self.approvals = approvals
        self.responder_factory = responder_factory
        self.draining: bool = False
        self._user = user
        self._anonymous = anonymous
        self._run_config = run_config
        self._coordinator = coordinator
        self._redis = redis
        self._hook_tasks: set[asyncio.Task[None]] = set()
        self._loops = PerLoop(self._loop_state)
        #: whether the turns that a former release left open were ended
        self._orphans_ended = False
        #: whether a warning was logged that anyone can use this server
        self._warned_of_strangers = False

    @property
    def is_anonymous(self) -> bool:
        """Whether anyone who knows a chat's id can use it, since the app has no `user=`."""
        return self._user is None

    @property
    def can_resume(self) -> bool:
        """Whether a run goes on without a reader, so that a client can come back to it."""
        return self._run_config.idle_timeout > 0

    def shares_chats(self, user: str | None) -> bool:
        """Whether requests with the same chat id are about the same chat.

        Without a store, resumption and users, the server has nothing of a chat but what each
        request brings, and the id is any text that a page chose: other visitors may use it too.
        """
        return self.store is not None or self.can_resume or not self.is_anonymous or bool(user)

    async def user(self, scope: Scope) -> str | None:
        """Return the id of the user who sends a request; None: users are not told apart.

        Raises:
            ChatError: `user=` refused the request, or took too long.
            HTTPException: `user=` raised it to refuse the request.
            TypeError: `user=` returned something else than a str or None.
        """
        if self._user is None:
            return None
        user = await sign_in(self._user, scope, seconds=self.settings.user_timeout)
        if user is None and not self._anonymous:
            raise refusal(scope)
        return user

    def has_chat_list(self, scope: Scope) -> bool:
        """Whether chats can be listed at all. Where users are not told apart, that is so on this
        machine, or if the app is public."""
        return not self.is_anonymous or self.settings.public or is_local(scope)

    def chat_created(self, turn: Turn) -> None:
        """Call `on_chat_created`, without waiting for it."""
        task = asyncio.create_task(self._run_config.hooks.call_on_chat_created(turn))
        self._hook_tasks.add(task)
        task.add_done_callback(self._hook_tasks.discard)

    def open(self, scope: Scope) -> None:
        """Open, with the first request in an event loop, what belongs to that loop."""
        if scope["type"] != "http":
            return
        loop_state = self._loops.get()
        if not loop_state.has_served:
            loop_state.has_served = True
            # `usechat-server serve` calls it when the process is asked to stop.
            if on_drain := scope.get("state", {}).get("usechat.on_drain"):
                on_drain(self.drain)
        if not self._warned_of_strangers and self.is_anonymous and not self.settings.public:
            address, _ = scope.get("server") or ("", None)
            if is_public_address(address):
                self._warned_of_strangers = True
                logger.warning("listening on %s without user=: %s", address, STRANGERS)

    @property
    def runs(self) -> Runs:
        """The live runs of the running event loop."""
        return self._loops.get().runs

    @property
    def coordinator(self) -> Coordinator:
        """The coordinator of the running event loop."""
        return self.runs.coordinator

    async def ready(self) -> None:
        """Open the store, once; to be awaited before it is used.

        Raises:
            StoreUnavailable: It cannot be reached.
            StoreNotReady: The operator has to do something first; it has been logged.
        """
        loop_state = self._loops.get()
        async with loop_state.opening:
            if self.store is None or loop_state.is_store_open:
                return
            try:
                await self.store.open()
            except StoreUnavailable:
                raise
            except ValueError as error:
                logger.error("the store is not ready: %s", error)
                raise StoreNotReady(str(error)) from error
            if not self._orphans_ended:
                former = [turn for turn in await self.store.open_turns() if not turn.has_owner]
                await loop_state.runs.take_over_former(former)
                self._orphans_ended = True
            if isinstance(self.store, StopsRuns):
                self.store.stop_runs_with(partial(_stop_run, loop_state.runs))
            loop_state.runs.watch()
            loop_state.is_store_open = True

    async def check_store(self) -> None:
        """Check that the store can be read and written. Raises what the store raises."""
        await self.ready()
        if self.store is not None:
            await self.store.ping()

    async def check_coordinator(self) -> None:
        """Check that runs can be looked up. Raises what the coordinator raises."""
        await self.coordinator.get(ChatKey(None, ""))

    async def drain(self, grace: float | None = None) -> None:
        """Take no more turns, let this event loop's runs go on for `grace` seconds, then end them
        legally.

        Args:
            grace: Seconds; by default the settings' `drain_grace`.
        """
        self.draining = True
        if loop_state := self._loops.peek():
            seconds = self.settings.drain_grace if grace is None else grace
            await loop_state.runs.drain(seconds)

    async def aclose(self) -> None:
        """End this event loop's runs now and close what was opened for them."""
        if loop_state := self._loops.pop():
            await loop_state.runs.aclose()
        loop = asyncio.get_running_loop()
        await _finish_hooks([task for task in self._hook_tasks if task.get_loop() is loop])
        if self._redis and (commands := self._redis.pop()):
            await commands.aclose()
        await self.responder_factory.aclose()
        if self.store is not None:
            await self.store.aclose()
        # The application may shut its tracer provider down next.
        await flush_spans()

    def _loop_state(self) -> _LoopState:
        if self.responder_factory.agent is not None:
            log_missing_credentials(self.responder_factory.agent)
            log_unsupported_clients(self.responder_factory.agent, self.settings)
        return _LoopState(
            Runs(
                self._run_config,
                on_busy=self.settings.on_busy,
                coordinator=self._coordinator,
                responder=self.responder_factory.for_takeover,
                read_turn=partial(Turn.from_json, body=self.body),
            )
        )


class _LoopState:
    """What belongs to one event loop."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        #: held while the store is opened
        self.opening = asyncio.Lock()
        self.is_store_open = False
        #: whether a request has come
        self.has_served = False


async def _stop_run(runs: Runs, user: str | None, chat_id: str) -> None:
    await runs.stop(ChatKey(user, chat_id))


async def _finish_hooks(tasks: Sequence[asyncio.Task[None]]) -> None:
    if not tasks:
        return
    _, running = await asyncio.wait(tasks, timeout=_HOOK_SECONDS)
    if running:
        logger.warning("on_chat_created= did not end in time, cancelled: %d", len(running))
        await cancel(running)


def log_missing_credentials(agent: Agent) -> None:
    """Log a warning for each model of an agent that has no credentials."""
    for model in (agent.spec.model, *agent.spec.fallback):
        if isinstance(model, RequiresCredentials) and (advice := model.missing_credentials()):
            logger.warning('%s: no credentials: %s, or use Agent("demo")', model.name, advice)


def log_unsupported_clients(agent: Agent, settings: Settings) -> None:
    """Log which clients cannot use an agent, if the app does not declare its clients."""
    if settings.client_version is None and agent.spec.requires_approval_requests:
        logger.info(APPROVALS_NEED_V6)
