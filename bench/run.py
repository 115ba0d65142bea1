"""Compare this server with its peers: python bench/run.py. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from install_peers import install_aisdk, install_pydantic_ai
from launch import DIRECT, RESULTS, SERVERS, measure, start_provider, start_server
from report import Results, goals_table, report, servers_of_goals
from scenarios import SCENARIOS, Row

README = Path(__file__).with_name("README.md")
_QUICK_SERVERS = ["usechat-serve", "usechat-sqlite", "aisdk-node", "minimal-proxy"]
_ALL_SERVERS = [
    *_QUICK_SERVERS,
    "usechat-postgres",
    "usechat-redis",
    "usechat-2-workers",
    "pydantic-ai",
]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare this server with its peers.")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only this server, AI SDK on Node and the minimal proxy, the short scenarios, once",
    )
    servers, scenarios = [*SERVERS, DIRECT], list(SCENARIOS)
    parser.add_argument(
        "--servers",
        type=_names_of(servers),
        help=f"separated by commas, of {', '.join(servers)}; the goals are for the first one",
    )
    parser.add_argument(
        "--only",
        type=_names_of(scenarios),
        help=f"scenarios, separated by commas, of {', '.join(scenarios)}",
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="only what the goals need, about 25 minutes; the table goes to README.md",
    )
    parser.add_argument("--repeat", type=int, help="repetitions of every scenario")
    return parser.parse_args()


def _names_of(choices: Iterable[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        listed = text.split(",")
        if unknown := set(listed).difference(choices):
            raise argparse.ArgumentTypeError(
                f"expected some of {', '.join(choices)}, got {', '.join(sorted(unknown))}"
            )
        return listed

    return names


def _is_for(scenario: str, server: str) -> bool:
    """Whether a scenario is for a server; those that share chats have scenarios of their own."""
    servers = SCENARIOS[scenario].servers
    shares_chats = server in {"usechat-redis", "usechat-2-workers"}
    return not shares_chats if servers is None else server in servers


def _measure_once(server: str, scenario: str) -> Row:
    with start_provider() as provider, start_server(server, provider) as running:

        def measure_running(measurement: str, **arguments: Any) -> Row:
            return measure(measurement, running, provider, **arguments)

        measure_running("warm_up")
        return SCENARIOS[scenario].run(measure_running)


def main() -> None:
    options = _arguments()
    quick: bool = options.quick
    servers: list[str] = options.servers or (_QUICK_SERVERS if quick else _ALL_SERVERS)
    scenarios: list[str] = options.only or [
        name for name, scenario in SCENARIOS.items() if scenario.quick or not quick
    ]
    chosen_of = {
        scenario: [
            server
            for server in (servers_of_goals(scenario) if options.table else servers)
            if server in servers and _is_for(scenario, server)
        ]
        for scenario in scenarios
    }
    all_chosen = {server for chosen in chosen_of.values() for server in chosen}
    if "aisdk-node" in all_chosen:
        install_aisdk()
    if "pydantic-ai" in all_chosen:
        install_pydantic_ai()
    results: Results = {}
    for scenario, chosen in chosen_of.items():
        rows = results[scenario] = {server: [] for server in chosen}
        setup = SCENARIOS[scenario]
        repeat = setup.table_repeat if options.table else setup.repeat
        for _ in range(options.repeat or (1 if quick else repeat)):
            # The servers alternate, so that other jobs on the machine disturb all of them alike.
            for server in chosen:
                load = os.getloadavg()[0]
                row = _measure_once(server, scenario)
                rows[server].append(row | {"load_average": load})
                print(f"{scenario} {server} (load {load:.1f}): {json.dumps(row)}", file=sys.stderr)
    circumstances = _circumstances()
    text = f"{circumstances}\n\n{report(results, servers[0])}"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    stem = time.strftime("%Y%m%d-%H%M%S")
    values = {"circumstances": circumstances, "results": results}
    (RESULTS / f"{stem}.json").write_text(json.dumps(values, indent=1))
    (RESULTS / f"{stem}.md").write_text(text)
    if options.table and not options.only:
        _write_to_readme(f"{circumstances}\n\n{goals_table(results, servers[0])}")


def _circumstances() -> str:
    """Return when, on what and of which commit the measurements are."""
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    has_changes = _git("status", "--short", "--untracked-files=no")
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return (
        f"{time.strftime('%d %B %Y')}, commit `{commit}`"
        f"{' with changes' if has_changes else ''}, {os.cpu_count()} cores"
        f" ({models[0] if models else platform.machine()}), {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}:"
    )


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(README.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _write_to_readme(text: str) -> None:
    """Replace the latest result in the README."""
    begin, end = "<!-- latest result -->\n", "<!-- end of the latest result -->"
    before, _, rest = README.read_text().partition(begin)
    after = rest.partition(end)[2]
    README.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")


if __name__ == "__main__":
    main()
