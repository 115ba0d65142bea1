"""Run the conformance suite on this server and its peers, and write docs/conformance-results.md.

make conformance                          all
python conformance/run.py pydantic-ai     some, without the page
"""

from __future__ import annotations

import datetime
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers import PEERS, Peer
from ui_message_stream.versions import ClientVersion
from usechat_server.conformance import SCENARIOS, HttpBackend, Problem, Result, run_scenario
from usechat_server.conformance.clients import NpmClient, client_problems

from tests.harness.conformance_model import conformance_model

PAGE = Path(__file__).parents[1] / "docs" / "conformance-results.md"
#: The releases that read every response, besides the checker.
CLIENTS = ("5.0.277", "6.0.326", "7.0.173")


def main(names: Sequence[str]) -> None:
    peers = [peer for peer in PEERS if not names or peer.name in names]
    clients = [NpmClient.install(ClientVersion.parse(release)) for release in CLIENTS]
    results = {}
    for peer in peers:
        peer.install()
        results[peer] = _judge(peer, clients)
        for result in results[peer]:
            print(f"{peer.name}: {result.name}: {result.status}", file=sys.stderr)
            for problem in result.problems:
                print(f"    {problem}", file=sys.stderr)
    if not names:
        before, rest = PAGE.read_text().split("<!-- results -->\n")
        _, after = rest.split("<!-- end of results -->")
        report = _report(results)
        PAGE.write_text(f"{before}<!-- results -->\n{report}\n<!-- end of results -->{after}")


def _judge(peer: Peer, clients: Sequence[NpmClient]) -> list[Result]:
    oldest = ClientVersion.parse(peer.client_version)
    results, runs = [], []
    with conformance_model() as provider, peer.serve(provider.url) as url:
        backend = HttpBackend(url, timeout=60.0)
        for scenario in SCENARIOS.values():
            result, recordings = run_scenario(scenario, backend, oldest)
            results.append(result)
            runs.append((recordings, max(oldest, scenario.since)))
    return [
        replace(result, problems=(*result.problems, *problems))
        for result, problems in zip(results, client_problems(clients, runs), strict=True)
    ]


def _report(results: dict[Peer, list[Result]]) -> str:
    date = datetime.datetime.now(tz=datetime.UTC).date()
    lines = [f"Run on {date:%d %B %Y}, with the clients {', '.join(CLIENTS)} of `ai`.", ""]
    lines += ["| Backend | Version | Judged for clients from | |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {peer.name} | {peer.version} | {peer.client_version} | {peer.note} |"
        for peer in results
    ]
    lines += ["", "| Scenario | " + " | ".join(peer.name for peer in results) + " |"]
    lines.append("| --- |" + " --- |" * len(results))
    for index, name in enumerate(SCENARIOS):
        cells = [_mark(peer_results[index]) for peer_results in results.values()]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    for peer, peer_results in results.items():
        lines += ["", f"### {peer.name} {peer.version}", "", *_broken_rules(peer_results)]
    return "\n".join(lines)


def _mark(result: Result) -> str:
    if result.status == "failed":
        return "**failed**"
    if result.status == "not judged":
        return "not judged"
    return "warning" if result.problems else "passed"


def _broken_rules(results: Sequence[Result]) -> list[str]:
    by_rule: dict[str, list[tuple[str, Problem]]] = defaultdict(list)
    for result in results:
        for problem in result.problems:
            by_rule[problem.rule].append((result.name, problem))
    if not by_rule:
        return ["No rule was broken."]
    lines = ["| Rule | Severity | Scenarios | For example |", "| --- | --- | --- | --- |"]
    for rule, problems in sorted(by_rule.items(), key=lambda item: item[1][0][1].severity):
        names = ", ".join(dict.fromkeys(f"`{name}`" for name, _ in problems))
        link = rule if rule == "client-throws" else f"[{rule}](conformance.md#{rule})"
        example = problems[0][1]
        lines.append(f"| {link} | {example.severity} | {names} | {_cell(example.text)} |")
    return lines


def _cell(text: str) -> str:
    text = re.sub(r"conformance-[0-9a-f]{16}", "CHAT-ID", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", " ".join(text.split()))
    short = text if len(text) <= 160 else f"{text[:160]}…"
    for character in "|<*_":
        short = short.replace(character, f"\\{character}")
    return short


if __name__ == "__main__":
    main(sys.argv[1:])
