"""GET /metrics: what is measured, in the text format of Prometheus."""

from __future__ import annotations

import asyncio
import secrets

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from usechat_server.http.errors import API_HEADERS
from usechat_server.http.state import AppState

__all__ = ["metrics_routes"]


def metrics_routes(state: AppState) -> list[BaseRoute]:
    """Return the route of the metrics; none unless the settings ask for it."""
    settings = state.settings
    if settings.metrics == "off":
        return []
    token = None if settings.metrics == "public" else settings.metrics_token

    async def metrics(request: Request) -> Response:
        if token is not None:
            expected = f"Bearer {token.get_secret_value()}".encode()
            given = request.headers.get("authorization", "").encode()
            if not secrets.compare_digest(given, expected):
                raise HTTPException(401, headers={"www-authenticate": "Bearer"})
        from usechat_server.telemetry.prometheus import exposition

        # In a thread: it may read a file for each process.
        text, media_type = await asyncio.to_thread(exposition, request.headers.get("accept", ""))
        return Response(text, headers={**API_HEADERS, "content-type": media_type})

    return [Route("/metrics", metrics)]
