"""What the routes of one app share: its agent, store and settings, who is asking, the live runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Scope
from ui_message_stream.versions import ClientVersion, missing

from usechat_server.approvals import Approvals, MemoryNonces, Nonces, SignedApprovals, check_secret
from usechat_server.coordination.base import Adopt, ChatKey, Coordinator
from usechat_server.coordination.local import LocalCoordinator
from usechat_server.errors import ChatError, InvalidRequest
from usechat_server.http.body import requested_client_version
from usechat_server.runs import Hooks, RunConfig, Runs
from usechat_server.runs.responder_factory import AgentSource, ResponderFactory
from usechat_server.settings import Settings
from usechat_server.store.base import Chats
from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.coordination.redis.coordinator import RedisCoordinator

__all__ = ["AppState", "UserHook"]

logger = logging.getLogger("usechat.app")

#: Seconds that a run outlives its last reader by default, where a store keeps what it says.
RESUME_SECONDS = 60.0

#: Who is asking: an id of the app's own, or None for nobody in particular.
UserHook = Callable[[Request], Awaitable[str | None]]


class AppState:
    """One for each app. What belongs to an event loop is opened there on first use.

    Raises ValueError if the settings name a client version that cannot carry what the agent needs.
    """

    def __init__(
        self,
        agent: AgentSource,
        settings: Settings,
        *,
        user: UserHook | None = None,
        chats: Chats | None = None,
        hooks: Hooks,
        body: type[BaseModel] | None = None,
    ) -> None:
        #: the app's model of a request's custom fields
        self.body = body
        if settings.workers > 1 and settings.redis_url is None:
            raise ValueError(
                f"{settings.workers} workers: they need a Redis that they share, to know of each "
                "other's answers. Set USECHAT_REDIS_URL."
            )
        if settings.redis_url is not None and find_spec("redis") is None:
            raise ValueError("Redis needs its client: pip install 'usechat-server[redis]'")
        self.chats = chats
        self.settings = settings
        self.responder_factory = ResponderFactory(agent, self._approvals())
        check_secret(
            asks=self.responder_factory.agent is not None
            and self.responder_factory.agent.spec.may_require_approval,
            stored=chats is not None,
            several=settings.redis_url is not None,
            secret=settings.secret,
        )
        self.client_version = _client_version(self.responder_factory.requires, settings)
        self.draining = False
        self._user = user
        by_default = 0.0 if chats is None else RESUME_SECONDS
        #: seconds that a run goes on when nobody reads it; 0: nobody can come back to it
        self.resume = by_default if settings.resume is None else settings.resume
        self._hooks = hooks
        self._here: WeakKeyDictionary[asyncio.AbstractEventLoop, _Here] = WeakKeyDictionary()
        #: whether the turns were ended that a process before this one left open
        self._is_tidy = False

    @property
    def asks_nobody(self) -> bool:
        """Whether a chat belongs to whoever knows its id."""
        return self._user is None

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
        """The client version of a request. Raises ChatError if it cannot carry what the agent
        needs."""
        client_version = requested_client_version(scope, self.client_version)
        if lost := missing(self.responder_factory.requires, client_version):
            raise InvalidRequest(
                f"x-usechat-client: ai {client_version} cannot read {', '.join(lost)}"
            )
        return client_version

    def open(self, scope: Scope) -> None:
        """Opens, with the first request in an event loop, what belongs to that loop."""
        if scope["type"] != "http":
            return
        here = self._open_here()
        if not here.is_asked:
            here.is_asked = True
            # What serves the app may offer to tell when it is asked to stop (see `serve`).
            if on_drain := scope.get("state", {}).get("usechat.on_drain"):
                on_drain(self.drain)

    @property
    def runs(self) -> Runs:
        """The live runs of the running event loop."""
        return self._here[asyncio.get_running_loop()].runs

    async def ready(self) -> None:
        """Opens the store, once: to be awaited before it is used. Raises StoreUnavailable, or
        ValueError
        with what to do first."""
        here = self._open_here()
        async with here.opening:
            if self.chats is None or here.has_store:
                return
            await self.chats.open()
            if not self._is_tidy:
                await _end_what_nobody_runs(self.chats, here.runs.coordinator)
                self._is_tidy = True
            here.has_store = True

    async def drain(self, grace: float | None = None) -> None:
        """Takes no more turns; lets this event loop's runs go on for `grace` seconds, then ends
        them legally. Returns when all have ended. By default the settings' grace."""
        self.draining = True
        if here := self._here.get(asyncio.get_running_loop()):
            await here.runs.drain(self.settings.drain_grace if grace is None else grace)

    async def aclose(self) -> None:
        """Ends this event loop's runs now and closes what was opened for them."""
        if here := self._here.pop(asyncio.get_running_loop(), None):
            await here.runs.aclose()
        await self.responder_factory.aclose()
        if self.chats is not None:
            await self.chats.aclose()

    def _open_here(self) -> _Here:
        loop = asyncio.get_running_loop()
        if loop in self._here:
            return self._here[loop]
        runs = Runs(
            RunConfig(self.resume, self.chats, self._hooks),
            on_busy=self.settings.on_busy,
            coordinator=self._coordinator,
            responder=self.responder_factory.again,
        )
        here = self._here[loop] = _Here(runs)
        return here

    def _coordinator(self, adopt: Adopt) -> Coordinator:
        if self.settings.redis_url is None:
            return LocalCoordinator()
        # Imported on use: a single process needs no Redis.
        from usechat_server.coordination.redis.coordinator import RedisCoordinator

        read = partial(Turn.from_json, body=self.body)
        return RedisCoordinator(self.settings.redis_url, adopt, read)

    def _approvals(self) -> Approvals:
        if self.chats is not None:
            return self.chats.approvals
        secret = self.settings.secret
        return SignedApprovals(
            None if secret is None else secret.get_secret_value(), self._nonces()
        )

    def _nonces(self) -> Nonces:
        if self.settings.redis_url is None:
            return MemoryNonces()
        from usechat_server.coordination.redis.nonces import RedisNonces

        return RedisNonces(lambda: cast("RedisCoordinator", self.runs.coordinator).shared)


class _Here:
    """What belongs to one event loop."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.opening = asyncio.Lock()
        #: whether the store is open
        self.has_store = False
        #: whether a request came
        self.is_asked = False


async def _end_what_nobody_runs(chats: Chats, coordinator: Coordinator) -> None:
    """Ends the turns that a process left open which is gone. In this order: a turn is on the board
    before it is in the store."""
    gone = []
    for turn in await chats.open_turns():
        found = await coordinator.find(ChatKey(turn.user, turn.chat_id))
        if found is None or found.run_id != turn.run_id:
            gone.append(turn.run_id)
    if gone:
        logger.warning("%d answers were cut when their process ended", len(gone))
        await chats.interrupt(gone)


def _client_version(requires: frozenset[str], settings: Settings) -> ClientVersion:
    """The client version of requests that name none."""
    lost = missing(requires, settings.client_version)
    if lost and "client_version" in settings.model_fields_set:
        raise ValueError(
            f"USECHAT_CLIENT_VERSION: ai {settings.client_version} does not support what "
            f"this agent needs: {', '.join(lost)}. Set a later release, or switch the feature off."
        )
    # The default is no promise to old clients: a feature that was switched on goes before it.
    return settings.client_version.with_chunk_types(*lost)
