"""What is measured: each scenario is a function of a running server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["SCENARIOS", "Scenario"]

Row = dict[str, Any]


class Ask(Protocol):
    """Runs a job of the client against the server."""

    def __call__(self, job: str, **arguments: Any) -> Row: ...


@dataclass(frozen=True)
class Scenario:
    """One table of the report."""

    title: str
    run: Callable[[Ask], Row]
    #: result key -> column; in this order
    columns: dict[str, str]
    #: repetitions in a full run, each on a fresh server
    repeat: int = 3
    #: part of `--quick`
    quick: bool = True


#: Streams of the ladder; a server climbs until a rung fails twice.
_RUNGS = (50, 100, 150, 200, 250, 300, 375, 450, 550, 650, 750, 900, 1050)
_LIMIT_MS = 100


def _burst(ask: Ask) -> Row:
    return ask("burst", streams=32, deltas=2000)


def _paced_50(ask: Ask) -> Row:
    return ask("paced", streams=50, seconds=4)


def _paced_500(ask: Ask) -> Row:
    return ask("paced", streams=500, seconds=10)


def _holds(ask: Ask, streams: int) -> Row | None:
    for _ in range(2):
        row = ask("paced", streams=streams, seconds=4)
        p99 = row["p99_ms"]
        if p99 is not None and p99 < _LIMIT_MS and row["missing"] == 0:
            return row
    return None


def _ladder(ask: Ask) -> Row:
    best: Row = {"streams": 0, "p99_ms": None}
    for streams in _RUNGS:
        row = _holds(ask, streams)
        if row is None:
            break
        best = {"streams": streams, "p99_ms": row["p99_ms"]}
    return best


def _first_token(ask: Ask) -> Row:
    return ask("first_token", count=300)


def _tool_input(shape: str) -> Callable[[Ask], Row]:
    def run(ask: Ask) -> Row:
        small = ask("tool_input", shape=shape, size=200_000, runs=5)
        large = ask("tool_input", shape=shape, size=400_000, runs=5)
        return {
            "ms": small["ms"],
            "cpu_ms": small["cpu_ms"],
            "large_ms": large["ms"],
            "growth": large["least_cpu_ms"] / small["least_cpu_ms"],
            "errors": small["errors"] + large["errors"],
        }

    return run


def _hang_up(ask: Ask) -> Row:
    return ask("hang_up", count=40)


def _idle(ask: Ask) -> Row:
    return ask("idle", streams=1000)


_LATENCY = {"p50_ms": "p50 ms", "p99_ms": "p99 ms"}
_PACED = {
    "cpu_us_per_delta": "CPU µs/delta",
    **_LATENCY,
    "cpu_percent": "CPU %",
    "waited_percent": "waited for its core %",
    "delivered_percent": "delivered %",
    "missing": "missing",
    "dropped": "dropped",
    "rss_kib_per_stream": "RSS KiB/stream",
    "peak_rss_mib": "peak RSS MiB",
}
_TOOL = {
    "cpu_ms": "200 KB CPU ms",
    "ms": "200 KB ms",
    "large_ms": "400 KB ms",
    "growth": "growth of CPU",
    "errors": "errors",
}

SCENARIOS = {
    "S1": Scenario(
        "burst: 32 streams × 2000 deltas of 20 bytes, no delay",
        _burst,
        {
            "cpu_us_per_delta": "CPU µs/delta",
            "deltas_per_s": "deltas/s",
            "frames_per_delta": "frames/delta",
            "lost": "lost",
            "wrong_streams": "wrong streams",
        },
    ),
    "S2s": Scenario("paced: 50 streams × 50 deltas/s for 4 s", _paced_50, _PACED),
    "S2": Scenario("paced: 500 streams × 50 deltas/s for 10 s", _paced_500, _PACED, quick=False),
    "S2L": Scenario(
        f"ladder: most streams at 50 deltas/s, nothing missing, p99 < {_LIMIT_MS} ms",
        _ladder,
        {"streams": "streams", "p99_ms": "p99 ms there"},
        repeat=1,
        quick=False,
    ),
    "S3": Scenario(
        "time to the first delta, requests one after the other, provider answers at once",
        _first_token,
        _LATENCY | {"cpu_ms_per_request": "CPU ms/request", "errors": "errors"},
        repeat=5,
    ),
    "S4": Scenario("tool input: one long string in 20-byte deltas", _tool_input("string"), _TOOL),
    "S4r": Scenario(
        "tool input: an array of rows in 20-byte deltas", _tool_input("rows"), _TOOL, quick=False
    ),
    "S5": Scenario(
        "client gone → provider's connection closed, half of the providers silent",
        _hang_up,
        {"p50_ms": "p50 ms", "max_ms": "max ms", "never": "never"},
    ),
    "S6": Scenario(
        "1000 streams open in a long pause",
        _idle,
        {
            "rss_kib_per_stream": "RSS KiB/stream",
            "base_mib": "base MiB",
            "cpu_percent": "CPU %",
            "dropped": "dropped",
        },
    ),
}
