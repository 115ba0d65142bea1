"""The report in Markdown: the goals, then a table for each scenario."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from scenarios import SCENARIOS, Row

__all__ = ["Results", "goals_table", "report", "servers_of_goals"]

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
    #: the server whose value the limit is a multiple of; None: it is absolute
    of: str | None = None
    #: what the limit may be above the multiple
    margin: float = 0
    #: whether the value must reach the limit, instead of staying below it
    is_minimum: bool = False
    #: the server that the goal is for; None: the first one
    server: str | None = None

    @property
    def servers(self) -> list[str]:
        """The servers that have to be measured."""
        return [name for name in (self.server or _OWN, self.of) if name is not None]


_OWN = "usechat-serve"
_STORE = "usechat-sqlite"
_PROXY = "minimal-proxy"
_CPU = "cpu_us_per_delta"

_GOALS = (
    Goal("burst", _CPU, "burst: CPU per delta", 1 / 14, _PEER),
    Goal("burst", _CPU, "burst: CPU per delta", 1.0, _PROXY),
    Goal("burst", _CPU, "burst, store: CPU per delta", 1.25, _OWN, server=_STORE),
    Goal("steady-50", _CPU, "50 streams: CPU per delta", 0.34, _PEER),
    Goal("steady-50", _CPU, "50 streams: CPU per delta", 1.25, _PROXY),
    Goal("steady-50", _CPU, "50 streams, store: CPU per delta", 1.2, _OWN, server=_STORE),
    Goal("steady-500", "missing", "500 streams: missing deltas", 0),
    Goal("steady-500", "p50_ms", "500 streams: p50 ms", 6),
    Goal("steady-500", "p99_ms", "500 streams: p99 ms", 45),
    Goal("steady-500", "missing", "500 streams, store: missing deltas", 0, server=_STORE),
    Goal("steady-500", "p99_ms", "500 streams, store: p99 ms", 45, server=_STORE),
    Goal("max-streams", "streams", "streams with p99 < 100 ms", 3.5, _PEER, is_minimum=True),
    Goal(
        "max-streams",
        "streams",
        "streams with p99 < 100 ms, store",
        2.5,
        _PEER,
        is_minimum=True,
        server=_STORE,
    ),
    Goal("first-token", "p50_ms", "first token: p50 ms", 0.4, _PEER),
    Goal("first-token", "p50_ms", "first token, store: p50 ms", 0.6, _PEER, server=_STORE),
    Goal("tool-input-string", "cpu_ms", "tool input, string: CPU ms", 1 / 18, _PEER),
    Goal("tool-input-array", "cpu_ms", "tool input, array: CPU ms", 1 / 18, _PEER),
    Goal("tool-input-string", "cpu_ms", "tool input, string, store", 1.15, _OWN, server=_STORE),
    Goal("tool-input-array", "cpu_ms", "tool input, array, store", 1.15, _OWN, server=_STORE),
    Goal("tool-input-string", "cpu_growth", "tool input, string: CPU at twice the size", 2.1),
    Goal("tool-input-array", "cpu_growth", "tool input, array: CPU at twice the size", 2.1),
    Goal("disconnect", "p50_ms", "disconnect: p50 ms", 1, _PEER, margin=0.2),
    Goal("disconnect", "never_closed", "disconnect: never closed", 0),
    Goal("stop", "p50_ms", "stop route: p50 ms", 3, server=_STORE),
    Goal("idle", "rss_kib_per_stream", "idle: KiB per stream", 42),
    Goal("idle", "cpu_percent", "idle: CPU %", 3),
    Goal("idle", "rss_kib_per_stream", "idle, store: KiB per stream", 47, server=_STORE),
    Goal("idle", "cpu_percent", "idle, store: CPU %", 3, server=_STORE),
    Goal("turns", "turns_per_s", "turns/s", 1050, is_minimum=True),
    Goal("turns", "turns_per_s", "turns/s, store", 800, is_minimum=True, server=_STORE),
    Goal("turns", "p99_ms", "first token of 32 turns at once: p99 ms", 45),
    Goal("turns", "p99_ms", "first token of 32 turns at once, store: p99 ms", 60, server=_STORE),
    Goal("long-chat", "growth", "first token after 400 turns / at first", 1.5, server=_STORE),
    Goal("history", "p50_ms", "first token after 1 MB of history: p50 ms", 25),
    Goal("remote", "p50_ms", "read on another process: p50 ms", 8, server="usechat-redis"),
    Goal("remote", "p99_ms", "read on another process: p99 ms", 40, server="usechat-redis"),
    Goal(
        "workers",
        _CPU,
        "two workers: CPU per delta",
        1.15,
        "usechat-redis",
        server="usechat-2-workers",
    ),
)


def servers_of_goals(scenario: str) -> list[str]:
    """Return the servers that the goals of a scenario name."""
    names = [name for goal in _GOALS if goal.scenario == scenario for name in goal.servers]
    return list(dict.fromkeys(names))


def goals_table(results: Results, server: str) -> str:
    """Return the table of the goals, empty if nothing was measured that has one.

    Args:
        results: what was measured.
        server: the server that the goals are for.
    """
    goals = [cells for goal in _GOALS if (cells := _goal_cells(goal, results, server))]
    head = ["goal", "server", "value", "of", "ratio (least–most)", "limit", "met"]
    return _table(head, goals) if goals else ""


def report(results: Results, server: str) -> str:
    """Return the report; for the arguments, see `goals_table`."""
    goals = goals_table(results, server)
    sections = [goals] if goals else []
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


def _goal_cells(goal: Goal, results: Results, first_server: str) -> list[str] | None:
    servers, server = results.get(goal.scenario, {}), goal.server or first_server
    own = _median(servers.get(server, []), goal.key)
    base = 1.0 if goal.of is None else _median(servers.get(goal.of, []), goal.key)
    if own is None or not base or (goal.of == server):
        return None
    limit = goal.limit * base + goal.margin
    is_met = own >= limit if goal.is_minimum else own <= limit
    margin = f" + {_format(goal.margin)}" if goal.margin else ""
    return [
        goal.title,
        server,
        _range(servers.get(server, []), goal.key),
        "" if goal.of is None else f"{goal.of}: {_format(base)}",
        "" if goal.of is None else _ratio(servers[server], servers[goal.of], goal.key),
        f"{'≥' if goal.is_minimum else '≤'} {_format(goal.limit)}{margin}",
        "✅" if is_met else "❌",
    ]


def _ratio(rows: list[Row], base_rows: list[Row], key: str) -> str:
    """Return the ratio of the medians, with the least and the most of the pairs."""
    pairs = zip(_values(rows, key), _values(base_rows, key), strict=False)
    ratios = [own / base for own, base in pairs if base]
    middle = _format((_median(rows, key) or 0) / (_median(base_rows, key) or 1))
    return f"{middle} ({_format(min(ratios))}–{_format(max(ratios))})" if ratios else middle


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
