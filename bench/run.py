"""Compare this server with its peers: python bench/run.py. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from install_peers import install_aisdk, install_pydantic_ai
from launch import DIRECT, RESULTS, SERVERS, measure, start_provider, start_server
from report import Results, report
from scenarios import SCENARIOS, Row

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
    if "aisdk-node" in servers:
        install_aisdk()
    if "pydantic-ai" in servers:
        install_pydantic_ai()
    results: Results = {}
    for scenario in scenarios:
        chosen = [server for server in servers if _is_for(scenario, server)]
        rows = results[scenario] = {server: [] for server in chosen}
        for _ in range(options.repeat or (1 if quick else SCENARIOS[scenario].repeat)):
            # The servers alternate, so that other jobs on the machine disturb all of them alike.
            for server in chosen:
                load = os.getloadavg()[0]
                row = _measure_once(server, scenario)
                rows[server].append(row | {"load_average": load})
                print(f"{scenario} {server} (load {load:.1f}): {json.dumps(row)}", file=sys.stderr)
    text = report(results, servers[0])
    print(text)
    RESULTS.mkdir(exist_ok=True)
    stem = time.strftime("%Y%m%d-%H%M%S")
    machine = {"machine": platform.platform(), "python": platform.python_version()}
    (RESULTS / f"{stem}.json").write_text(json.dumps(machine | {"results": results}, indent=1))
    (RESULTS / f"{stem}.md").write_text(text)


if __name__ == "__main__":
    main()
