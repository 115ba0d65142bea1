"""The spans of runs, by OpenTelemetry's semantic conventions for generative AI, 0.1.0.

Spans are started where the work begins, since what the work calls may need its parent, and ended in
a thread: whatever a sampler, processor or exporter does, the run goes on.
"""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from usechat_server.results import Outcome, Usage, input_tokens
from usechat_server.telemetry import background
from usechat_server.telemetry.content import input_messages, json_text, output_messages
from usechat_server.telemetry.errors import error_type
from usechat_server.telemetry.model_call import ModelCallRecord
from usechat_server.telemetry.tool_call import ToolCallRecord
from usechat_server.turn import Turn, TurnTrace

__all__ = ["ChildSpan", "RunTrace", "begin_run", "storage_span"]

logger: logging.Logger = logging.getLogger("usechat.telemetry")

_Attributes = Mapping[str, AttributeValue | None]

#: Characters of an id that the client chose, which may be very long.
_ID_LENGTH = 200
#: Finish reasons of the protocol that the conventions spell in another way.
_FINISH_REASONS = {"content-filter": "content_filter", "tool-calls": "tool_call"}
_TRACE_CONTEXT = TraceContextTextMapPropagator()


def begin_run(
    turn: Turn,
    run_id: str,
    agent: str | None,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    content: bool = False,
) -> RunTrace | None:
    """Start the span of a run. None if that fails.

    Its parent is the current span, else the `traceparent` of the request. A run that another
    process began has no parent, but a link to the span that it had there.
    """
    former = "" if turn.trace is None else turn.trace.traceparent
    try:
        links = []
        if former:
            parent = Context()
            links = [Link(_remote_span(former).get_span_context())]
        else:
            parent = otel_context.get_current()
            if not trace.get_current_span(parent).get_span_context().is_valid:
                carrier = {
                    name.decode("latin-1"): value.decode("latin-1") for name, value in headers
                }
                parent = propagate.extract(carrier, parent)
        span = _tracer().start_span(
            f"invoke_agent {agent}" if agent else "invoke_agent",
            parent,
            SpanKind.INTERNAL,
            _present(
                {
                    "gen_ai.operation.name": "invoke_agent",
                    "gen_ai.agent.name": agent,
                    "gen_ai.conversation.id": turn.chat_id[:_ID_LENGTH],
                    "usechat.run.id": run_id,
                    "usechat.client.version": str(turn.client_version),
                }
            ),
            links,
        )
    except Exception:
        _log_lost()
        return None
    return RunTrace(span, turn.chat_id[:_ID_LENGTH], content=content)


class RunTrace(TurnTrace):
    """The spans of one run in this process.

    Args:
        span: The run's span.
        conversation: The chat's id.
        content: Whether spans have the messages, and the inputs and outputs of tools.
    """

    def __init__(self, span: Span, conversation: str, *, content: bool) -> None:
        super().__init__(_traceparent(span))
        self.has_content = content
        self._span = span
        self._conversation = conversation
        self._open: set[ChildSpan] = set()
        self._outcome: dict[str, Any] = {}
        self._error: BaseException | None = None
        self._has_ended = False

    def enter(self, context: contextvars.Context) -> None:
        """Make the run's span current in the context of a task of the run."""
        context.run(otel_context.attach, trace.set_span_in_context(self._span, Context()))

    def model_call(self, call: ModelCallRecord) -> ModelCallSpan | None:
        """Return the span of a model call; None if it could not be started."""
        attributes: dict[str, AttributeValue | None] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.model,
            "gen_ai.request.stream": True,
            "gen_ai.conversation.id": self._conversation,
            "gen_ai.output.type": "json" if call.is_json else None,
        }
        span = self._start(f"chat {call.model}", SpanKind.CLIENT, attributes)
        return None if span is None else ModelCallSpan(self, span, call)

    def tool_call(self, call: ToolCallRecord) -> ToolCallSpan | None:
        """Return the span of a tool call; None if it could not be started."""
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.call.id": call.call_id[:_ID_LENGTH],
            "gen_ai.tool.type": "function",
            "gen_ai.tool.description": call.description,
            "gen_ai.conversation.id": self._conversation,
        }
        span = self._start(f"execute_tool {call.name}", SpanKind.INTERNAL, attributes)
        return None if span is None else ToolCallSpan(self, span, call)

    def record_outcome(
        self,
        *,
        outcome: Outcome,
        usage: Usage,
        finish_reason: str | None,
        error: BaseException | None,
        seconds: Mapping[str, float],
        retried: int,
    ) -> None:
        """Note how the run ended, before `end`. What it still did has ended with it."""
        for child in list(self._open):
            child.end()
        self._error = error
        self._outcome = {
            "usechat.run.outcome": outcome,
            "usechat.run.retries": retried,
            "gen_ai.response.finish_reasons": _finish_reasons(finish_reason),
            "gen_ai.usage.input_tokens": input_tokens(usage),
            "gen_ai.usage.output_tokens": usage.output,
            **{f"usechat.run.{name}": moment for name, moment in seconds.items()},
        }

    def end(self) -> None:
        """End the run's span. Idempotent."""
        if not self._has_ended:
            self._has_ended = True
            for child in list(self._open):
                child.end()
            _end(self._span, self._outcome, self._error)
            self._error = None  # its frames may refer to the run

    def _start(self, name: str, kind: SpanKind, attributes: _Attributes) -> Span | None:
        if self._has_ended:
            return None
        try:
            parent = trace.set_span_in_context(self._span)
            return _tracer().start_span(name, parent, kind, _present(attributes))
        except Exception:
            _log_lost()
            return None


class ChildSpan:
    """A span that is current in a `with` block of a coroutine, and ends with it.

    Args:
        span: The span.
        run: The run that ends it if it is still open then.
    """

    def __init__(self, span: Span, run: RunTrace | None = None) -> None:
        self._span = span
        self._run = run
        self._token: Any = None
        self._has_ended = False
        if run is not None:
            run._open.add(self)

    def __enter__(self) -> Self:
        with suppress(Exception):
            self._token = otel_context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(Exception):
            otel_context.detach(self._token)
        self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """End the span. Idempotent."""
        if self._has_ended:
            return
        self._has_ended = True
        if self._run is not None:
            self._run._open.discard(self)
        try:
            attributes, content = self._attributes(), self._content()
        except Exception:
            _log_lost()
            attributes, content = {}, None
        _end(self._span, attributes, error, content)

    def _attributes(self) -> _Attributes:
        """Return what is known at the end."""
        return {}

    def _content(self) -> Callable[[], _Attributes] | None:
        """Return what encodes the content, if the span has it. That may take long."""
        return None


class ModelCallSpan(ChildSpan):
    """The span of a model call."""

    def __init__(self, run: RunTrace, span: Span, call: ModelCallRecord) -> None:
        super().__init__(span, run)
        self._call = call
        self._has_content = run.has_content
        self._input = list(call.messages()) if run.has_content else []

    def _attributes(self) -> _Attributes:
        stream = self._call.stream
        usage, details, result = stream.usage, stream.details, stream.result
        return {
            "gen_ai.response.id": details.get("message_id"),
            "gen_ai.response.model": details.get("model"),
            "gen_ai.response.time_to_first_chunk": self._call.time_to_first_chunk,
            # `error` says that no reason came, also if the call was cancelled.
            "gen_ai.response.finish_reasons": _finish_reasons(
                result.finish_reason if result else "error"
            ),
            "gen_ai.usage.input_tokens": input_tokens(usage),
            "gen_ai.usage.output_tokens": usage.output,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
            "gen_ai.usage.cache_write.input_tokens": usage.cache_write,
            "gen_ai.usage.reasoning.output_tokens": usage.thinking,
            "usechat.provider.request_id": details.get("request_id"),
        }

    def _content(self) -> Callable[[], _Attributes] | None:
        if not self._has_content:
            return None
        call, before = self._call, self._input
        system, after = call.system, list(call.messages())
        return lambda: {
            "gen_ai.system_instructions": system
            and json_text([{"type": "text", "content": system}]),
            "gen_ai.input.messages": json_text(input_messages(before)),
            "gen_ai.output.messages": json_text(output_messages(after)),
        }


class ToolCallSpan(ChildSpan):
    """The span of a tool call."""

    def __init__(self, run: RunTrace, span: Span, call: ToolCallRecord) -> None:
        super().__init__(span, run)
        self._call = call
        self._has_content = run.has_content

    def _content(self) -> Callable[[], _Attributes] | None:
        if not self._has_content:
            return None
        arguments, result = self._call.arguments, self._call.output
        return lambda: {
            "gen_ai.tool.call.arguments": json_text(arguments),
            "gen_ai.tool.call.result": json_text(result),
        }


def storage_span(system: str, operation: str) -> ChildSpan | None:
    """Start the span of an operation of a database, if a span is current that has not ended."""
    try:
        if not trace.get_current_span().is_recording():
            return None
        attributes = {"db.system.name": system, "db.operation.name": operation}
        return ChildSpan(
            _tracer().start_span(f"{operation} {system}", None, SpanKind.CLIENT, attributes)
        )
    except Exception:
        _log_lost()
        return None


def _tracer() -> trace.Tracer:
    return _tracer_of(trace.get_tracer_provider())


@cache
def _tracer_of(provider: trace.TracerProvider) -> trace.Tracer:
    """Return the tracer of a provider, which takes as long to create as a span."""
    from usechat_server import __version__

    return provider.get_tracer("usechat_server", __version__)


def _end(
    span: Span,
    attributes: _Attributes,
    error: BaseException | None,
    content: Callable[[], _Attributes] | None = None,
) -> None:
    """End a span as of now, in the thread."""
    now = time.time_ns()
    # Not the error itself: its frames would keep the run. Nor its text, which may quote what was
    # said: the error of an output that is not valid has the output in it.
    kind = error_type(error)

    def end() -> None:
        span.set_attributes(_present(attributes))
        if content is not None:
            span.set_attributes(_present(content()))
        if kind:
            span.set_attribute("error.type", kind)
            span.set_status(StatusCode.ERROR)
        span.end(now)

    background.submit(end)


def _finish_reasons(reason: str | None) -> list[str] | None:
    return None if reason is None else [_FINISH_REASONS.get(reason, reason)]


def _present(attributes: _Attributes) -> dict[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if value is not None}


def _traceparent(span: Span) -> str:
    carrier: dict[str, str] = {}
    with suppress(Exception):
        _TRACE_CONTEXT.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent", "")


def _remote_span(traceparent: str) -> Span:
    return trace.get_current_span(_TRACE_CONTEXT.extract({"traceparent": traceparent}, Context()))


@cache
def _log_lost() -> None:
    """Log, once, why a span could not be recorded."""
    logger.warning("a span could not be recorded", exc_info=True)
