"""The router that create_router returns, of FastAPI's class where FastAPI is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Route

from usechat_server.http.endpoint import Guard
from usechat_server.http.state import AppState

if TYPE_CHECKING:
    from fastapi import APIRouter as Router
else:
    try:
        # FastAPI's include_router takes nothing else.
        from fastapi import APIRouter as Router
    except ImportError:
        from starlette.routing import Router

__all__ = ["ChatRouter"]


class ChatRouter(Router):
    """The router that `create_router` returns."""

    def __init__(self, state: AppState, routes: Sequence[Route], *, lifespan: Any) -> None:
        # Each route has the checks that an app has in front of all of them.
        guarded: list[BaseRoute] = [
            Route(route.path, Guard(route.endpoint, state)) for route in routes
        ]
        super().__init__(routes=guarded, lifespan=lifespan)
        self._state = state

    async def drain(self, grace: float | None = None) -> None:
        """Take no more turns (they get 503), let the running ones of this event loop go on for a
        while, then end them in a form that the client understands.

        `usechat-server serve` does this at the first SIGTERM. Under another server call it from
        your own signal handler, before that server closes connections.

        Args:
            grace: Seconds that running turns may go on; by default `USECHAT_DRAIN_GRACE`.
        """
        await self._state.drain(grace)
