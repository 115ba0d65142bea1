"""GET /healthz: the process is alive. GET /readyz: it accepts turns (503 while it drains)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from usechat_server.http.state import AppState

__all__ = ["health_routes"]

#: Seconds after which another process can be expected to accept turns.
_RETRY_AFTER = "5"


def health_routes(state: AppState) -> list[BaseRoute]:
    """Return the routes for the probes of an orchestrator."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(request: Request) -> Response:
        if state.draining:
            return PlainTextResponse("draining", 503, {"retry-after": _RETRY_AFTER})
        return PlainTextResponse("ok")

    return [
        Route(f"{path}{slash}", endpoint)
        for path, endpoint in (("/healthz", healthz), ("/readyz", readyz))
        for slash in ("", "/")
    ]
