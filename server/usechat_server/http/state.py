"""What the routes of one app share: its agent, store and settings, its users, its live runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Scope
from ui_message_stream.versions import ClientVersion, missing

from usechat_server.aio import PerLoop
from usechat_server.approvals import Approvals
from usechat_server.coordination.base import ChatKey, Coordinator, TakeOver
from usechat_server.errors import ChatError, InvalidRequest
from usechat_server.http.body import requested_client_version
from usechat_server.runs import RunConfig, Runs
from usechat_server.runs.responder_factory import ResponderFactory
from usechat_server.settings import Settings
from usechat_server.store.base import ChatStore

if TYPE_CHECKING:
    from usechat_server.coordination.redis.commands import RedisCommands

__all__ = ["AppState", "UserHook"]

logger = logging.getLogger("usechat.app")

#: Returns the app's own id of the user who sends a request, or None.
UserHook = Callable[[Request], Awaitable[str | None]]


class AppState:
    """One for each app, see `assembly.build_state`. What belongs to an event loop is opened there
    on first use."""

    def __init__(
        self,
        settings: Settings,
        *,
        client_version: ClientVersion,
        user: UserHook | None,
        body: type[BaseModel] | None,
        store: ChatStore | None,
        approvals: Approvals,
        responder_factory: ResponderFactory,
        run_config: RunConfig,
        coordinator: Callable[[TakeOver], Coordinator],
        redis: PerLoop[RedisCommands] | None,
    ) -> None:
        self.settings = settings
        #: of requests that name none
        self.client_version = client_version
        #: the app's model of a request's custom fields
        self.body = body
        self.store = store
        self.approvals = approvals
        self.responder_factory = responder_factory
        self.draining = False
        self._user = user
        self._run_config = run_config
        self._coordinator = coordinator
        self._redis = redis
        self._loops = PerLoop(self._loop_state)
        #: whether the turns that an earlier process left open were ended
        self._orphans_ended = False

    @property
    def is_anonymous(self) -> bool:
        """Whether anyone who knows a chat's id can use it, since the app has no `user=`."""
        return self._user is None

    @property
    def can_resume(self) -> bool:
        """Whether a run goes on without a reader, so that a client can come back to it."""
        return self._run_config.idle_timeout > 0

    async def user(self, scope: Scope) -> str | None:
        """Who is asking. Raises HTTPException or ChatError with what to answer instead."""
        if self._user is None:
            return None
        try:
            # Without the body, which has not been read: who may not ask shall not upload either.
            user = await self._user(Request(scope))
        except (HTTPException, ChatError):
            raise
        except PermissionError:
            logger.info("user= refused a request", exc_info=True)
            raise HTTPException(403, "You may not use this chat.") from None
        except Exception:
            logger.warning("user= failed, so the request was refused", exc_info=True)
            raise HTTPException(401, "Please sign in.") from None
        if user is not None and not isinstance(user, str):
            raise TypeError(f"user= returned {type(user).__name__}: expected a str or None")
        return user

    def client_version_of(self, scope: Scope) -> ClientVersion:
        """Return the client version of a request.

        Raises:
            InvalidRequest: That release does not support what the agent needs.
        """
        client_version = requested_client_version(scope, self.client_version)
        if unsupported := missing(self.responder_factory.required_chunk_types, client_version):
            raise InvalidRequest(
                f"x-usechat-client: ai {client_version} does not support {', '.join(unsupported)}"
            )
        return client_version

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
            ValueError: It has to be prepared first; the text says how.
        """
        loop_state = self._loops.get()
        async with loop_state.opening:
            if self.store is None or loop_state.is_store_open:
                return
            await self.store.open()
            if not self._orphans_ended:
                await _interrupt_orphaned_turns(self.store, self.coordinator)
                self._orphans_ended = True
            loop_state.is_store_open = True

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
        if self._redis and (commands := self._redis.pop()):
            await commands.aclose()
        await self.responder_factory.aclose()
        if self.store is not None:
            await self.store.aclose()

    def _loop_state(self) -> _LoopState:
        return _LoopState(
            Runs(
                self._run_config,
                on_busy=self.settings.on_busy,
                coordinator=self._coordinator,
                responder=self.responder_factory.for_takeover,
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


async def _interrupt_orphaned_turns(store: ChatStore, coordinator: Coordinator) -> None:
    """Interrupt the stored turns that no process runs.

    They are read in this order, since the coordinator knows a turn before the store does.
    """
    orphans = []
    for turn in await store.open_turns():
        handle = await coordinator.get(ChatKey(turn.user, turn.chat_id))
        if handle is None or handle.run_id != turn.run_id:
            orphans.append(turn.run_id)
    if orphans:
        logger.warning("interrupted runs whose process is gone: %d", len(orphans))
        await store.interrupt(orphans)
