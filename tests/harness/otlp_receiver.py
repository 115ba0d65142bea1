"""An OTLP receiver on a free loopback port: keeps the spans and metrics that it is sent.

with OTLPReceiver() as receiver:
    [span] = receiver.wait_for("invoke_agent")
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tests.harness.common import DEADLINE

__all__ = ["OTLPReceiver", "ReceivedSpan"]


@dataclass(frozen=True)
class ReceivedSpan:
    """A span that has ended."""

    name: str
    #: `INTERNAL`, `SERVER` or `CLIENT`
    kind: str
    #: the library that created it
    scope: str
    trace_id: str
    span_id: str
    #: empty: it has none
    parent_id: str
    #: ids of the spans that it has links to
    links: tuple[str, ...]
    attributes: dict[str, Any]
    #: `UNSET`, `OK` or `ERROR`
    status: str
    description: str
    #: name and attributes of each event
    events: tuple[tuple[str, dict[str, Any]], ...]
    #: nanoseconds
    start: int
    end: int


class OTLPReceiver:
    """The receiver. `hang` makes it accept exports and never respond."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        #: data points by the name of their metric, as of the last export
        self.metrics: dict[str, list[dict[str, Any]]] = {}
        self.hang = False
        self._change = threading.Condition()
        self._ends = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.hang:
                    receiver._ends.wait()
                    return
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver._receive(self.path, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_for(self, name: str, count: int = 1) -> list[ReceivedSpan]:
        """Return the spans of a name, once there are so many."""
        self.wait(lambda: len(self.named(name)) >= count)
        return self.named(name)

    def named(self, name: str) -> list[ReceivedSpan]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def trace_of(self, span: ReceivedSpan) -> list[ReceivedSpan]:
        """Return the spans of the same trace."""
        return [each for each in self.spans if each.trace_id == span.trace_id]

    def wait(self, condition: Callable[[], bool]) -> None:
        """Return when the condition is true. It is checked whenever something was received."""
        with self._change:
            assert self._change.wait_for(condition, DEADLINE), (self.spans, self.metrics)

    def clear(self) -> None:
        """Forget what was received."""
        with self._change:
            self.spans, self.metrics = [], {}

    def _receive(self, path: str, body: bytes) -> None:
        with self._change:
            if path.endswith("/traces"):
                self.spans += _spans(ExportTraceServiceRequest.FromString(body))
            else:
                self.metrics.update(_metrics(ExportMetricsServiceRequest.FromString(body)))
            self._change.notify_all()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._server.shutdown()
        self._server.server_close()


def _spans(request: ExportTraceServiceRequest) -> list[ReceivedSpan]:
    return [
        ReceivedSpan(
            span.name,
            span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            group.scope.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            tuple(link.span_id.hex() for link in span.links),
            _values(span.attributes),
            span.status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
            span.status.message,
            tuple((event.name, _values(event.attributes)) for event in span.events),
            span.start_time_unix_nano,
            span.end_time_unix_nano,
        )
        for resource in request.resource_spans
        for group in resource.scope_spans
        for span in group.spans
    ]


def _metrics(request: ExportMetricsServiceRequest) -> dict[str, list[dict[str, Any]]]:
    points: dict[str, list[dict[str, Any]]] = {}
    for resource in request.resource_metrics:
        for group in resource.scope_metrics:
            for metric in group.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, str(kind)).data_points:
                    value = (
                        {"count": point.count, "sum": point.sum}
                        if kind == "histogram"
                        else {"value": point.as_int or point.as_double}
                    )
                    points.setdefault(metric.name, []).append(
                        {"unit": metric.unit, **value, **_values(point.attributes)}
                    )
    return points


def _values(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)
