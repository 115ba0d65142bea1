"""What is measured: the table of instruments, by the names of OpenTelemetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "CALL_DURATION",
    "CALL_FIRST_CHUNK",
    "DROPPED_READERS",
    "FIRST_BYTE",
    "FIRST_TOKEN",
    "HOP",
    "INSTRUMENTS",
    "JOINS",
    "LIVE_READERS",
    "LIVE_RUNS",
    "LONGEST_GAP",
    "MODEL_ERRORS",
    "MODEL_RETRIES",
    "RESUMES",
    "RUNS",
    "RUN_DURATION",
    "STOPS",
    "STORAGE",
    "TAKEOVERS",
    "TOKENS",
    "TOOL_DURATION",
    "Instrument",
]

#: Upper bounds in seconds, those of the conventions.
_SECONDS = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
    *(1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
#: The same for what takes less than a model call.
_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_CALL = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")


@dataclass(frozen=True, slots=True)
class Instrument:
    """Something that is measured.

    Attributes:
        name: Its name for OpenTelemetry.
        description: What it counts.
        kind: A counter only grows; a gauge is changed by amounts; a histogram has buckets.
        labels: The attributes of each value, in order.
        unit: `s`, or what is counted in braces.
        buckets: Upper bounds of a histogram's buckets.
    """

    name: str
    description: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    unit: str = "s"
    buckets: tuple[float, ...] = _SECONDS


def _counter(name: str, description: str, *labels: str, unit: str) -> Instrument:
    return Instrument(name, description, "counter", labels, unit)


def _histogram(
    name: str, description: str, *labels: str, buckets: tuple[float, ...] = _SECONDS
) -> Instrument:
    return Instrument(name, description, "histogram", labels, buckets=buckets)


RUNS = _counter("usechat.runs", "Runs that have ended", "usechat.run.outcome", unit="{run}")
LIVE_RUNS = Instrument("usechat.live_runs", "Runs that have not ended", "gauge", unit="{run}")
LIVE_READERS = Instrument(
    "usechat.live_readers", "Responses that read a run", "gauge", unit="{reader}"
)
RUN_DURATION = _histogram("gen_ai.invoke_agent.duration", "Runs", "gen_ai.operation.name")
FIRST_BYTE = _histogram("usechat.run.first_byte", "Until the first byte was sent to the client")
FIRST_TOKEN = _histogram("usechat.run.first_token", "Until the first token was read")
HOP = _histogram(
    "usechat.run.hop", "From one moment of a run to the next", "usechat.hop", buckets=_SHORT
)
LONGEST_GAP = _histogram("usechat.model.longest_gap", "Longest silence within a response", *_CALL)
CALL_DURATION = _histogram("gen_ai.client.inference.duration", "Model calls", *_CALL, "error.type")
CALL_FIRST_CHUNK = _histogram(
    "gen_ai.client.inference.time_to_first_chunk", "Until a model's first chunk", *_CALL
)
TOOL_DURATION = _histogram(
    "gen_ai.execute_tool.duration", "Tool calls", "gen_ai.tool.name", "error.type"
)
MODEL_ERRORS = _counter(
    "usechat.model.errors", "Model calls that failed", *_CALL, "error.type", unit="{error}"
)
MODEL_RETRIES = _counter("usechat.model.retries", "Model calls that were retried", unit="{call}")
JOINS = _counter("usechat.joins", "Requests that joined a run", unit="{request}")
RESUMES = _counter("usechat.resumes", "Requests that resumed a run", unit="{request}")
TAKEOVERS = _counter("usechat.takeovers", "Runs taken over from another process", unit="{run}")
STOPS = _counter("usechat.stops", "Requests to stop a run", unit="{request}")
DROPPED_READERS = _counter(
    "usechat.dropped_readers", "Clients that read nothing and were dropped", unit="{reader}"
)
STORAGE = _histogram(
    "usechat.storage.duration",
    "Transactions of the store, and scripts in Redis",
    "db.system.name",
    "db.operation.name",
    buckets=_SHORT,
)
#: By the name of a field of `Usage`; `input` includes the two of the cache.
TOKENS = {
    field: _counter(
        f"gen_ai.client.inference.usage.{name}", f"Tokens: {text}", *_CALL, unit="{token}"
    )
    for field, name, text in (
        ("input", "input_tokens", "input, cached or not"),
        ("output", "output_tokens", "output, reasoning included"),
        ("cache_read", "cache_read.input_tokens", "input that was read from a cache"),
        ("cache_write", "cache_write.input_tokens", "input that was written to a cache"),
        ("thinking", "reasoning.output_tokens", "reasoning"),
    )
}

INSTRUMENTS = (
    RUNS,
    LIVE_RUNS,
    LIVE_READERS,
    RUN_DURATION,
    FIRST_BYTE,
    FIRST_TOKEN,
    HOP,
    LONGEST_GAP,
    CALL_DURATION,
    CALL_FIRST_CHUNK,
    TOOL_DURATION,
    MODEL_ERRORS,
    MODEL_RETRIES,
    JOINS,
    RESUMES,
    TAKEOVERS,
    STOPS,
    DROPPED_READERS,
    STORAGE,
    *TOKENS.values(),
)
