"""Markdown tables: what was measured, beside Node, and which goals are met."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from scenarios import SCENARIOS

__all__ = ["report"]

#: scenario -> server -> one row a repetition
Results = dict[str, dict[str, list[dict[str, Any]]]]

PEER = "aisdk-node"
#: load average above which other jobs were in the way: one core's worth is the benchmark's own
_BUSY = 1.5


@dataclass(frozen=True)
class Goal:
    """A number to reach, in one run beside Node."""

    scenario: str
    key: str
    text: str
    limit: float
    #: compared with Node's number instead of taken as it is
    of_node: bool = False
    #: at least instead of at most
    least: bool = False


GOALS = (
    Goal("S1", "cpu_us_per_delta", "CPU per delta, full throughput", 1 / 8, of_node=True),
    Goal("S2s", "cpu_us_per_delta", "CPU per delta, 50 streams × 50/s", 0.45, of_node=True),
    Goal("S2L", "streams", "streams at 50 deltas/s, p99 < 100 ms", 375, least=True),
    Goal("S2", "missing", "500 streams × 50/s: deltas missing", 0),
    Goal("S2", "p99_ms", "500 streams × 50/s: p99 ms", 100),
    Goal("S3", "p50_ms", "added to the first token", 0.6, of_node=True),
    Goal("S4", "cpu_ms", "CPU ms of a tool input of 200 KB, a string", 1 / 8, of_node=True),
    Goal("S4r", "cpu_ms", "CPU ms of a tool input of 200 KB, an array", 1 / 8, of_node=True),
    Goal("S4", "growth", "tool input doubled, a string", 2.2),
    Goal("S4r", "growth", "tool input doubled, an array", 2.2),
    Goal("S5", "p50_ms", "client gone → provider closed, p50 ms", 2),
    Goal("S5", "never", "client gone → provider closed, missed", 0),
    Goal("S6", "rss_kib_per_stream", "an idle stream, KiB", 60),
)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _middle(rows: list[dict[str, Any]], key: str) -> float | None:
    values = [row[key] for row in rows if row.get(key) is not None]
    return median(values) if values else None


def _cell(rows: list[dict[str, Any]], key: str) -> str:
    values = [row[key] for row in rows if row.get(key) is not None]
    middle = _number(_middle(rows, key))
    if len(values) < 2 or _number(min(values)) == _number(max(values)):
        return middle
    return f"{middle} ({_number(min(values))}–{_number(max(values))})"


def _table(head: list[str], lines: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _scenario(name: str, servers: dict[str, list[dict[str, Any]]]) -> str:
    scenario = SCENARIOS[name]
    main = next(iter(scenario.columns))
    peer = _middle(servers.get(PEER, []), main)
    lines = []
    for server, rows in servers.items():
        own = _middle(rows, main)
        ratio = _number(own / peer) if own is not None and peer else "–"
        lines.append([server, *(_cell(rows, key) for key in scenario.columns), ratio])
    head = ["server", *scenario.columns.values(), f"{scenario.columns[main]} / {PEER}"]
    return f"### {name}: {scenario.title}\n\n{_table(head, lines)}"


def _goal(goal: Goal, results: Results, server: str) -> list[str] | None:
    servers = results.get(goal.scenario, {})
    own = _middle(servers.get(server, []), goal.key)
    peer = _middle(servers.get(PEER, []), goal.key)
    if own is None or (goal.of_node and not peer):
        return None
    value = own / peer if goal.of_node and peer else own
    met = value >= goal.limit if goal.least else value <= goal.limit
    unit = " × Node" if goal.of_node else ""
    sign = "≥" if goal.least else "≤"
    return [
        goal.text,
        _number(peer),
        f"{sign} {_number(goal.limit)}{unit}",
        _number(own),
        f"{_number(value)}{unit}" if goal.of_node else "",
        "✅" if met else "❌",
    ]


def report(results: Results, server: str) -> str:
    """The goals for one server, then a table for each scenario. Medians, (least–most)."""
    lines = [line for goal in GOALS if (line := _goal(goal, results, server))]
    head = ["goal", PEER, "to reach", server, "ratio", "met"]
    parts = [_table(head, lines)] if lines else []
    loads = [
        row["load_average"]
        for servers in results.values()
        for rows in servers.values()
        for row in rows
    ]
    if loads and median(loads) > _BUSY:
        parts.append(
            f"**The machine was busy** (load average {_number(median(loads))}): latencies are "
            "those of waiting for a core; only numbers of CPU and memory mean something."
        )
    parts += (_scenario(name, servers) for name, servers in results.items())
    return "\n\n".join(parts) + "\n"
