"""The report in Markdown: the goals, then a table for each scenario."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from scenarios import SCENARIOS, Row

__all__ = ["Results", "report"]

#: Scenario → server → one row for each repetition.
Results = dict[str, dict[str, list[Row]]]

_PEER = "aisdk-node"
#: Load average above which other jobs were running: the benchmark itself accounts for about 1.
_BUSY_LOAD = 1.5


@dataclass(frozen=True)
class Goal:
    """A limit for one value of a scenario."""

    scenario: str
    key: str
    title: str
    limit: float
    #: whether the limit is a multiple of Node's value
    is_relative: bool = False
    #: whether the value must reach the limit, instead of staying below it
    is_minimum: bool = False


_GOALS = (
    Goal("burst", "cpu_us_per_delta", "burst: CPU per delta", 1 / 8, is_relative=True),
    Goal("steady-50", "cpu_us_per_delta", "50 streams: CPU per delta", 0.45, is_relative=True),
    Goal("max-streams", "streams", "streams with p99 < 100 ms", 375, is_minimum=True),
    Goal("steady-500", "missing", "500 streams: missing deltas", 0),
    Goal("steady-500", "p99_ms", "500 streams: p99 ms", 100),
    Goal("first-token", "p50_ms", "first token: p50 ms", 0.6, is_relative=True),
    Goal("tool-input-string", "cpu_ms", "tool input, string: CPU ms", 1 / 8, is_relative=True),
    Goal("tool-input-array", "cpu_ms", "tool input, array: CPU ms", 1 / 8, is_relative=True),
    Goal("tool-input-string", "cpu_growth", "tool input, string: CPU at twice the size", 2.2),
    Goal("tool-input-array", "cpu_growth", "tool input, array: CPU at twice the size", 2.2),
    Goal("disconnect", "p50_ms", "disconnect: p50 ms", 2),
    Goal("disconnect", "never_closed", "disconnect: never closed", 0),
    Goal("idle", "rss_kib_per_stream", "idle: KiB per stream", 60),
)


def report(results: Results, server: str) -> str:
    """Return the report.

    Args:
        results: what was measured.
        server: the server that the goals are for.
    """
    goals = [cells for goal in _GOALS if (cells := _goal_cells(goal, results, server))]
    head = ["goal", _PEER, "limit", server, "ratio", "met"]
    sections = [_table(head, goals)] if goals else []
    loads = [
        row["load_average"]
        for servers in results.values()
        for rows in servers.values()
        for row in rows
    ]
    if loads and median(loads) > _BUSY_LOAD:
        sections.append(
            f"**The machine was busy** (load average {_format(median(loads))}): the latencies "
            "include waiting for a core. Compare only CPU time and memory."
        )
    sections += (_scenario_section(name, servers) for name, servers in results.items())
    return "\n\n".join(sections) + "\n"


def _goal_cells(goal: Goal, results: Results, server: str) -> list[str] | None:
    servers = results.get(goal.scenario, {})
    own = _median(servers.get(server, []), goal.key)
    peer = _median(servers.get(_PEER, []), goal.key)
    if own is None or (goal.is_relative and not peer):
        return None
    value = own / peer if goal.is_relative and peer else own
    is_met = value >= goal.limit if goal.is_minimum else value <= goal.limit
    unit = " × Node" if goal.is_relative else ""
    sign = "≥" if goal.is_minimum else "≤"
    return [
        goal.title,
        _format(peer),
        f"{sign} {_format(goal.limit)}{unit}",
        _format(own),
        f"{_format(value)}{unit}" if goal.is_relative else "",
        "✅" if is_met else "❌",
    ]


def _scenario_section(name: str, servers: dict[str, list[Row]]) -> str:
    scenario = SCENARIOS[name]
    main_key = next(iter(scenario.columns))
    peer = _median(servers.get(_PEER, []), main_key)
    lines = []
    for server, rows in servers.items():
        own = _median(rows, main_key)
        ratio = _format(own / peer) if own is not None and peer else "–"
        lines.append([server, *(_range(rows, key) for key in scenario.columns), ratio])
    head = ["server", *scenario.columns.values(), f"{scenario.columns[main_key]} / {_PEER}"]
    return f"### {name}: {scenario.title}\n\n{_table(head, lines)}"


def _table(head: list[str], lines: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _range(rows: list[Row], key: str) -> str:
    values = _values(rows, key)
    middle = _format(_median(rows, key))
    if len(values) < 2 or _format(min(values)) == _format(max(values)):
        return middle
    return f"{middle} ({_format(min(values))}–{_format(max(values))})"


def _median(rows: list[Row], key: str) -> float | None:
    values = _values(rows, key)
    return median(values) if values else None


def _values(rows: list[Row], key: str) -> list[float]:
    return [row[key] for row in rows if row.get(key) is not None]


def _format(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
