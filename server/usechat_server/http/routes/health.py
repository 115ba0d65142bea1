"""GET /healthz: the process is alive. GET /readyz: it accepts turns, and can reach the store and
Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from usechat_server.aio import PerLoop
from usechat_server.http.errors import API_HEADERS
from usechat_server.http.state import AppState

__all__ = ["health_routes"]

logger: logging.Logger = logging.getLogger("usechat.app")

#: Seconds after which another process can be expected to accept turns.
_RETRY_AFTER = "5"
#: Seconds that a check may take, and those for which its result is used.
_CHECK_SECONDS = 3.0
_VALID_SECONDS = 2.0


def health_routes(state: AppState) -> list[BaseRoute]:
    """Return the routes for the probes of an orchestrator."""
    readiness = PerLoop(lambda: _Readiness(state))

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok", headers=API_HEADERS)

    async def readyz(request: Request) -> Response:
        parts = await readiness.get().parts()
        is_draining = state.draining
        is_ready = not is_draining and all(parts.values())
        status = "ok" if is_ready else "draining" if is_draining else "unavailable"
        value = {"status": status, **{k: "ok" if v else "unavailable" for k, v in parts.items()}}
        if is_ready:
            return JSONResponse(value, headers=API_HEADERS)
        return JSONResponse(value, 503, {**API_HEADERS, "retry-after": _RETRY_AFTER})

    return [
        Route(f"{path}{slash}", endpoint)
        for path, endpoint in (("/healthz", healthz), ("/readyz", readyz))
        for slash in ("", "/")
    ]


class _Readiness:
    """Whether the store and Redis can be used; checked every few seconds at most."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._lock = asyncio.Lock()
        self._valid_until = 0.0
        self._parts: dict[str, bool] = {}

    async def parts(self) -> dict[str, bool]:
        now = asyncio.get_running_loop().time
        async with self._lock:
            if now() >= self._valid_until:
                self._parts = await self._check()
                self._valid_until = now() + _VALID_SECONDS
            return self._parts

    async def _check(self) -> dict[str, bool]:
        parts = {}
        if self._state.store is not None:
            parts["store"] = await _succeeds("the store", self._state.check_store())
        if self._state.settings.redis_url is not None:
            parts["redis"] = await _succeeds("Redis", self._state.check_coordinator())
        return parts


async def _succeeds(name: str, check: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check
    except Exception as error:
        logger.warning("not ready: %s cannot be used: %r", name, error)
        return False
    return True
