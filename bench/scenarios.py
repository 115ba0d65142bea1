"""The scenarios: what is measured under which load, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["SCENARIOS", "Row", "Scenario"]

#: The measured values of one repetition, by name.
Row = dict[str, Any]


class Measure(Protocol):
    """Runs a measurement of `measure.py` on the server."""

    def __call__(self, measurement: str, **arguments: Any) -> Row: ...


@dataclass(frozen=True)
class Scenario:
    """One table of the report."""

    title: str
    run: Callable[[Measure], Row]
    #: the values that are shown, in order, with the headings of their columns
    columns: dict[str, str]
    #: repetitions in a full run, each with a new server process
    repeat: int = 5
    #: repetitions with `--table`, fewer where one takes long
    table_repeat: int = 5
    #: whether `--quick` includes it
    quick: bool = True
    #: the servers that it is for; None: all
    servers: frozenset[str] | None = None


STORES = frozenset({"usechat-sqlite", "usechat-postgres"})
_SHARED = frozenset({"usechat-redis", "usechat-2-workers"})

#: The numbers of streams that are tried by bisection. One that fails is tried a second time.
_STREAM_COUNTS = (50, 100, 150, 200, 250, 300, 375, 450, 550, 650, 750, 900, 1050, 1200)
_MAX_P99_MS = 100


def _once(measurement: str, **arguments: Any) -> Callable[[Measure], Row]:
    return lambda measure: measure(measurement, **arguments)


def _measure_max_streams(measure: Measure) -> Row:
    best: Row = {"streams": 0, "p99_ms": None}
    counts = _STREAM_COUNTS
    while counts:
        middle = len(counts) // 2
        row = _row_within_limits(measure, counts[middle])
        if row is None:
            counts = counts[:middle]
        else:
            best = {"streams": counts[middle], "p99_ms": row["p99_ms"]}
            counts = counts[middle + 1 :]
    return best


def _row_within_limits(measure: Measure, streams: int) -> Row | None:
    for _ in range(2):
        row = measure("steady", streams=streams, seconds=4)
        p99 = row["p99_ms"]
        if p99 is not None and p99 < _MAX_P99_MS and row["missing"] == 0:
            return row
    return None


def _tool_input(json_type: str) -> Callable[[Measure], Row]:
    def measure_tool_input(measure: Measure) -> Row:
        small = measure("tool_input", json_type=json_type, size=200_000, repeat=5)
        large = measure("tool_input", json_type=json_type, size=400_000, repeat=5)
        return {
            "ms": small["ms"],
            "cpu_ms": small["cpu_ms"],
            "large_ms": large["ms"],
            "cpu_growth": large["min_cpu_ms"] / small["min_cpu_ms"],
            "errors": small["errors"] + large["errors"],
        }

    return measure_tool_input


_LATENCY_COLUMNS = {"p50_ms": "p50 ms", "p99_ms": "p99 ms"}
_STEADY_COLUMNS = {
    "cpu_us_per_delta": "CPU µs/delta",
    **_LATENCY_COLUMNS,
    "cpu_percent": "CPU %",
    "cpu_wait_percent": "CPU wait %",
    "delivered_percent": "delivered %",
    "missing": "missing",
    "dropped": "dropped",
    "rss_kib_per_stream": "RSS KiB/stream",
    "peak_rss_mib": "peak RSS MiB",
}
_TOOL_INPUT_COLUMNS = {
    "cpu_ms": "200 KB CPU ms",
    "ms": "200 KB ms",
    "large_ms": "400 KB ms",
    "cpu_growth": "400 KB CPU / 200 KB CPU",
    "errors": "errors",
}

_CLOSING_COLUMNS = {"p50_ms": "p50 ms", "max_ms": "max ms", "never_closed": "never closed"}

SCENARIOS = {
    "burst": Scenario(
        "32 streams of 2,000 deltas, without pauses",
        _once("burst", streams=32, deltas=2000),
        {
            "cpu_us_per_delta": "CPU µs/delta",
            "deltas_per_s": "deltas/s",
            "frames_per_delta": "frames/delta",
            "lost": "lost",
            "wrong_streams": "wrong streams",
        },
    ),
    "steady-1": Scenario(
        "1 stream of 50 deltas/s for 4 s: the latency that we add ourselves",
        _once("steady", streams=1, seconds=4),
        _STEADY_COLUMNS,
        quick=False,
    ),
    "steady-50": Scenario(
        "50 streams of 50 deltas/s for 4 s",
        _once("steady", streams=50, seconds=4),
        _STEADY_COLUMNS,
    ),
    "steady-500": Scenario(
        "500 streams of 50 deltas/s for 10 s",
        _once("steady", streams=500, seconds=10),
        _STEADY_COLUMNS,
        quick=False,
        table_repeat=3,
    ),
    "max-streams": Scenario(
        f"most streams of 50 deltas/s with nothing missing and p99 < {_MAX_P99_MS} ms",
        _measure_max_streams,
        {"streams": "streams", "p99_ms": "p99 ms"},
        quick=False,
        table_repeat=3,
    ),
    "first-token": Scenario(
        "time to the first delta, one request after the other, no delay at the provider",
        _once("first_token", requests=300),
        _LATENCY_COLUMNS | {"cpu_ms_per_request": "CPU ms/request", "errors": "errors"},
    ),
    "turns": Scenario(
        "short turns, 32 at once",
        _once("turns", concurrency=32, seconds=6),
        {
            "turns_per_s": "turns/s",
            **_LATENCY_COLUMNS,
            "cpu_ms_per_turn": "CPU ms/turn",
            "errors": "errors",
        },
    ),
    "long-chat": Scenario(
        "first token in a stored chat of 400 short turns",
        _once("long_chat", length=400),
        {"growth": "last / first", "first_ms": "first ms", "last_ms": "last ms"},
        quick=False,
        servers=STORES,
    ),
    "history": Scenario(
        "first token after 1,000 messages (1 MB) of history in the body",
        _once("history", messages=1000, size=1_000_000),
        {"p50_ms": "p50 ms", "errors": "errors"},
        quick=False,
    ),
    "tool-input-string": Scenario(
        "a tool input that is one long string, in 20-byte deltas",
        _tool_input("string"),
        _TOOL_INPUT_COLUMNS,
    ),
    "tool-input-array": Scenario(
        "a tool input that is an array of objects, in 20-byte deltas",
        _tool_input("array"),
        _TOOL_INPUT_COLUMNS,
        quick=False,
    ),
    "disconnect": Scenario(
        "time from the client's disconnect until the connection to the provider is closed",
        _once("disconnect", repeat=40, stop=False),
        _CLOSING_COLUMNS,
        servers=frozenset(
            {"usechat-uvicorn", "usechat-serve", "aisdk-node", "pydantic-ai", "minimal-proxy"}
        ),
    ),
    "stop": Scenario(
        "time from the stop route's request until the connection to the provider is closed",
        _once("disconnect", repeat=40, stop=True),
        _CLOSING_COLUMNS,
        servers=STORES,
    ),
    "idle": Scenario(
        "1,000 open streams during a long pause of the provider, 10 s after the last began",
        _once("idle", streams=1000, settle_seconds=10),
        {
            "rss_kib_per_stream": "RSS KiB/stream",
            "rss_before_mib": "RSS before MiB",
            "cpu_percent": "CPU %",
            "dropped": "dropped",
        },
        table_repeat=3,
    ),
    "remote": Scenario(
        "50 streams of 50 deltas/s, read on another process through Redis",
        _once("remote", streams=50, seconds=4),
        _LATENCY_COLUMNS | {"missing": "missing", "cpu_us_per_delta": "CPU µs/delta"},
        quick=False,
        servers=frozenset({"usechat-redis"}),
    ),
    "workers": Scenario(
        "100 streams of 50 deltas/s, with a store and Redis: CPU of all processes",
        _once("steady", streams=100, seconds=4),
        _STEADY_COLUMNS,
        quick=False,
        servers=_SHARED,
    ),
}
