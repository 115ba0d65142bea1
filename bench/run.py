"""Measures this server beside its peers: python bench/run.py [--quick]. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from typing import Any

from install import install_aisdk, install_pydantic_ai
from processes import RESULTS, SERVERS, client, provider, serving
from report import report
from scenarios import SCENARIOS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ours and Node, once, in two minutes")
    parser.add_argument("--servers", help=f"of {','.join(SERVERS)}")
    parser.add_argument("--only", help=f"of {','.join(SCENARIOS)}")
    parser.add_argument("--repeat", type=int, help="repetitions of every scenario")
    return parser.parse_args()


def _measure(server: str, scenario: str) -> dict[str, Any]:
    """One repetition: a fresh provider and a fresh, warmed-up server."""
    with provider() as upstream, serving(server, upstream) as running:

        def ask(job: str, **arguments: Any) -> dict[str, Any]:
            return client(job, running, upstream, **arguments)

        ask("warm_up")
        return SCENARIOS[scenario].run(ask)


def main() -> None:
    options = _arguments()
    quick: bool = options.quick
    default = "ours,aisdk-node" if quick else "ours,aisdk-node,pydantic-ai"
    servers = (options.servers or default).split(",")
    names = (
        options.only.split(",")
        if options.only
        else [name for name, scenario in SCENARIOS.items() if scenario.quick or not quick]
    )
    if "aisdk-node" in servers:
        install_aisdk()
    if "pydantic-ai" in servers:
        install_pydantic_ai()
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in names:
        rows = results[name] = {server: [] for server in servers}
        repeat = options.repeat or (1 if quick else SCENARIOS[name].repeat)
        for _ in range(repeat):
            # Interleaved, so that another job on the machine disturbs all servers alike.
            for server in servers:
                load = os.getloadavg()[0]
                row = _measure(server, name)
                rows[server].append(row | {"load_average": load})
                print(f"{name} {server} (load {load:.1f}): {json.dumps(row)}", file=sys.stderr)
    text = report(results, servers[0])
    print(text)
    stem = time.strftime("%Y%m%d-%H%M%S")
    machine = {"machine": platform.platform(), "python": platform.python_version()}
    (RESULTS / f"{stem}.json").write_text(json.dumps(machine | {"results": results}, indent=1))
    (RESULTS / f"{stem}.md").write_text(text)


if __name__ == "__main__":
    main()
