"""Moments: events through which a client and a backend wait for each other, below `/moments`."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

__all__ = ["LONG", "event_of", "moments_route"]

#: Seconds after which something that must happen is an error.
LONG = 20.0

_events: dict[tuple[str, str], asyncio.Event] = {}


def event_of(name: str, chat: str) -> asyncio.Event:
    """Return an event of a chat."""
    return _events.setdefault((name, chat), asyncio.Event())


async def _respond(request: Request) -> Response:
    """POST triggers an event, GET waits for it."""
    event = event_of(**request.path_params)
    if request.method == "POST":
        event.set()
    async with asyncio.timeout(LONG):
        await event.wait()
    return PlainTextResponse("ok")


def moments_route() -> Route:
    """Return the route of all moments."""
    return Route("/moments/{name}/{chat}", _respond, methods=["GET", "POST"])
