"""What the routes of one app share: its agent and settings, who is asking, and the live runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Scope
from ui_message_stream.versions import Floor, missing

from usechat_server.agent import Agent
from usechat_server.models.base import BadRequest
from usechat_server.runs import Runs
from usechat_server.settings import Settings

__all__ = ["Services", "UserHook"]

logger = logging.getLogger("usechat.app")

#: Who is asking: an id of the app's own, or None for nobody in particular.
UserHook = Callable[[Request], Awaitable[str | None]]


class Services:
    """One for each app. What belongs to an event loop is opened there on first use.

    Raises ValueError if the settings name a floor that cannot carry what the agent needs.
    """

    def __init__(self, agent: Agent, user: UserHook | None, settings: Settings) -> None:
        self.agent = agent
        self.settings = settings
        self.floor = _floor(agent, settings)
        self.draining = False
        self._user = user
        self._runs: WeakKeyDictionary[asyncio.AbstractEventLoop, Runs] = WeakKeyDictionary()

    async def user(self, scope: Scope) -> str | None:
        """Who is asking. Raises HTTPException or BadRequest with what to answer instead."""
        if self._user is None:
            return None
        try:
            # Without the body, which has not been read: who may not ask shall not upload either.
            user = await self._user(Request(scope))
        except (HTTPException, BadRequest):
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

    def open(self, scope: Scope) -> None:
        """Opens, with the first request in an event loop, what belongs to that loop."""
        if scope["type"] != "http" or (loop := asyncio.get_running_loop()) in self._runs:
            return
        self._runs[loop] = Runs()
        # What serves the app may offer to tell when it is asked to stop (see `serve`).
        if on_drain := scope.get("state", {}).get("usechat.on_drain"):
            on_drain(self.drain)

    @property
    def runs(self) -> Runs:
        """The live runs of the running event loop."""
        return self._runs[asyncio.get_running_loop()]

    async def drain(self, grace: float | None = None) -> None:
        """Takes no more turns; lets this event loop's runs go on for `grace` seconds, then ends
        them legally. Returns when all have ended. By default the settings' grace."""
        self.draining = True
        if runs := self._runs.get(asyncio.get_running_loop()):
            await runs.drain(self.settings.drain_grace if grace is None else grace)

    async def aclose(self) -> None:
        """Ends this event loop's runs now and closes what was opened for them."""
        if runs := self._runs.pop(asyncio.get_running_loop(), None):
            await runs.aclose()
        await self.agent.model.aclose()


def _floor(agent: Agent, settings: Settings) -> Floor:
    """The floor of requests that name none."""
    lost = missing(agent.model.requires, settings.floor)
    if lost and "floor" in settings.model_fields_set:
        raise ValueError(
            f"The floor {settings.floor} cannot carry what this agent needs: {', '.join(lost)}. "
            "Set USECHAT_FLOOR to a later release of ai, or switch the feature off."
        )
    # The default is no promise to old clients: a feature that was switched on goes before it.
    return settings.floor.allowing(*lost)
