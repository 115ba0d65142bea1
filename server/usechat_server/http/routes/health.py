"""GET /healthz: the process lives. GET /readyz: it takes turns (503 while it drains)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from usechat_server.http.state import AppState

__all__ = ["RETRY_AFTER", "health_routes"]

#: Seconds after which another process can be expected to take turns, for 503 answers.
RETRY_AFTER = "5"


def health_routes(state: AppState) -> list[BaseRoute]:
    """What an orchestrator asks."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(request: Request) -> Response:
        if state.draining:
            return PlainTextResponse("draining", 503, {"retry-after": RETRY_AFTER})
        return PlainTextResponse("ok")

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
