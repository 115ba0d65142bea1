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
    repeat: int = 3
    #: whether `--quick` includes it
    quick: bool = True


#: The numbers of streams that are tried, until one fails twice.
_STREAM_COUNTS = (50, 100, 150, 200, 250, 300, 375, 450, 550, 650, 750, 900, 1050)
_MAX_P99_MS = 100


def _measure_burst(measure: Measure) -> Row:
    return measure("burst", streams=32, deltas=2000)


def _measure_steady_50(measure: Measure) -> Row:
    return measure("steady", streams=50, seconds=4)


def _measure_steady_500(measure: Measure) -> Row:
    return measure("steady", streams=500, seconds=10)


def _measure_max_streams(measure: Measure) -> Row:
    best: Row = {"streams": 0, "p99_ms": None}
    for streams in _STREAM_COUNTS:
        row = _row_within_limits(measure, streams)
        if row is None:
            break
        best = {"streams": streams, "p99_ms": row["p99_ms"]}
    return best


def _row_within_limits(measure: Measure, streams: int) -> Row | None:
    for _ in range(2):
        row = measure("steady", streams=streams, seconds=4)
        p99 = row["p99_ms"]
        if p99 is not None and p99 < _MAX_P99_MS and row["missing"] == 0:
            return row
    return None


def _measure_first_token(measure: Measure) -> Row:
    return measure("first_token", requests=300)


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


def _measure_disconnect(measure: Measure) -> Row:
    return measure("disconnect", repeat=40)


def _measure_idle(measure: Measure) -> Row:
    return measure("idle", streams=1000)


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

SCENARIOS = {
    "burst": Scenario(
        "32 streams of 2,000 deltas, without pauses",
        _measure_burst,
        {
            "cpu_us_per_delta": "CPU µs/delta",
            "deltas_per_s": "deltas/s",
            "frames_per_delta": "frames/delta",
            "lost": "lost",
            "wrong_streams": "wrong streams",
        },
    ),
    "steady-50": Scenario("50 streams of 50 deltas/s for 4 s", _measure_steady_50, _STEADY_COLUMNS),
    "steady-500": Scenario(
        "500 streams of 50 deltas/s for 10 s", _measure_steady_500, _STEADY_COLUMNS, quick=False
    ),
    "max-streams": Scenario(
        f"most streams of 50 deltas/s with nothing missing and p99 < {_MAX_P99_MS} ms",
        _measure_max_streams,
        {"streams": "streams", "p99_ms": "p99 ms"},
        repeat=1,
        quick=False,
    ),
    "first-token": Scenario(
        "time to the first delta, one request after the other, no delay at the provider",
        _measure_first_token,
        _LATENCY_COLUMNS | {"cpu_ms_per_request": "CPU ms/request", "errors": "errors"},
        repeat=5,
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
        _measure_disconnect,
        {"p50_ms": "p50 ms", "max_ms": "max ms", "never_closed": "never closed"},
    ),
    "idle": Scenario(
        "1,000 open streams during a long pause of the provider",
        _measure_idle,
        {
            "rss_kib_per_stream": "RSS KiB/stream",
            "rss_before_mib": "RSS before MiB",
            "cpu_percent": "CPU %",
            "dropped": "dropped",
        },
    ),
}
