"""Apps with an OpenTelemetry SDK, for servers in other processes. Environment variables:

- OTEL_EXPORTER_OTLP_ENDPOINT: the receiver
- PROVIDER: base URL of the model
- PROCESSOR: `batch`, `simple` (exports where a span ends), or `raising`
"""

from __future__ import annotations

import os

from anthropic import AsyncAnthropic
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from usechat_server import Agent, create_app
from usechat_server.tools import tool

__all__ = ["agent", "client", "plain", "tracer", "weather"]


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
if "PROCESSOR" not in os.environ:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=50)
    set_meter_provider(MeterProvider([reader]))
tracer = trace.get_tracer("app")


@tool
def weather(city: str) -> str:
    """Return the weather."""
    if city == "Nowhere":
        raise LookupError("secret")
    with tracer.start_as_current_span("look outside"):
        return "sunny"


#: The app's own client, whose SDK has spans of its own.
client = AsyncAnthropic(base_url=os.environ["PROVIDER"], api_key="key", max_retries=0)
agent = Agent("claude-sonnet-5-5", client=client, tools=[weather])


#: Without instrumentation, with the store of USECHAT_STORE.
plain = create_app(agent)
