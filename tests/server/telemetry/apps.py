"""Apps with an OpenTelemetry SDK, for servers in other processes. Environment variables:

- OTEL_EXPORTER_OTLP_ENDPOINT: the receiver
- PROVIDER: base URL of the model
- PROCESSOR: `batch`, `simple` (exports where a span ends), or `raising`
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from anthropic import AsyncAnthropic
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
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
from usechat_server.tools import tool

__all__ = ["all_apps", "plain"]


class _Raising(SpanProcessor):
    def on_start(self, *_: object, **__: object) -> None:
        raise RuntimeError("on_start")

    def on_end(self, *_: object) -> None:
        raise RuntimeError("on_end")


def _provider() -> TracerProvider:
    provider = TracerProvider()
    match os.environ.get("PROCESSOR", "batch"):
        case "batch":
            provider.add_span_processor(
                BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=20)
            )
        case "simple":
            provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
        case "raising":
            provider.add_span_processor(_Raising())
    return provider


trace.set_tracer_provider(_provider())
_tracer = trace.get_tracer("app")


@tool
def weather(city: str) -> str:
    """Return the weather."""
    if city == "Nowhere":
        raise LookupError("secret")
    with _tracer.start_as_current_span("look outside"):
        return "sunny"


#: The app's own client, whose SDK has spans of its own.
_client = AsyncAnthropic(base_url=os.environ["PROVIDER"], api_key="key", max_retries=0)
agent = Agent("claude-sonnet-5-5", client=_client, tools=[weather])


async def _handle(turn: Turn, writer: StreamWriter) -> None:
    async for chunk in agent.stream(turn):
        writer.write(chunk)


async def _own(request: Request) -> Response:
    turn = await read_turn(request)

    async def chunks() -> AsyncIterator[ChunkVariant]:
        async for chunk in agent.stream(turn):
            # A span of the app's own, begun while the agent's generator is suspended.
            _tracer.start_span("between chunks").end()
            yield chunk

    return UIMessageStreamResponse(chunks(), client_version=turn.client_version)


#: Without instrumentation, with the store of USECHAT_STORE.
plain = create_app(agent)

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

_content = create_app(agent, settings=Settings(store=None, trace_content=True))

all_apps = Starlette(
    routes=[
        Mount("/starlette", _starlette),
        Mount("/fastapi", _fastapi),
        Mount("/content", _content),
        Mount("/", plain),
    ],
    lifespan=plain.lifespan,
)
