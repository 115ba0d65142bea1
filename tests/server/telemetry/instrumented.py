"""The agent of `apps.py` below Starlette and FastAPI, with their instrumentation."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from ui_message_stream.versions import ChunkVariant
from usechat_server import (
    Agent,
    Settings,
    StreamWriter,
    Turn,
    UIMessageStreamResponse,
    create_app,
    create_router,
    read_turn,
)

from tests.server.telemetry.apps import agent, client, plain, tracer, weather

__all__ = ["app"]


async def _handle(turn: Turn, writer: StreamWriter) -> None:
    async for chunk in agent.stream(turn):
        writer.write(chunk)


async def _own(request: Request) -> Response:
    turn = await read_turn(request)

    async def chunks() -> AsyncIterator[ChunkVariant]:
        async for chunk in agent.stream(turn):
            # A span of the app's own, begun while the agent's generator is suspended.
            tracer.start_span("between chunks").end()
            yield chunk

    return UIMessageStreamResponse(chunks(), client_version=turn.client_version)


_starlette = Starlette(
    routes=[
        Route("/own", _own, methods=["POST"]),
        Mount("/handler", create_app(handler=_handle, settings=Settings(store=None))),
        Mount("/", create_app(agent, settings=Settings(store=None))),
    ]
)
StarletteInstrumentor.instrument_app(_starlette)

_fastapi = FastAPI()
_fastapi.include_router(create_router(agent, settings=Settings(store=None)))
FastAPIInstrumentor.instrument_app(_fastapi, exclude_spans=["receive", "send"])


class _Weather(BaseModel):
    degrees: int


_typed = create_app(
    Agent("claude-sonnet-5-5", client=client, tools=[weather], output=_Weather),
    settings=Settings(store=None),
)
_content = create_app(agent, settings=Settings(store=None, trace_content=True))

app = Starlette(
    routes=[
        Mount("/starlette", _starlette),
        Mount("/fastapi", _fastapi),
        Mount("/content", _content),
        Mount("/typed", _typed),
        Mount("/", plain),
    ],
    lifespan=plain.lifespan,
)
