"""The command `usechat-server check`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ui_message_stream import json_codec
from ui_message_stream.errors import WireError
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ClientVersion

from usechat_server.conformance.catalog import RULES
from usechat_server.conformance.clients import ClientUnavailable, NpmClient, client_problems
from usechat_server.conformance.exchange import HttpBackend, Response
from usechat_server.conformance.explanation import explain
from usechat_server.conformance.recording import Recording, read_response
from usechat_server.conformance.reports import REPORTS, report
from usechat_server.conformance.results import Result
from usechat_server.conformance.scenarios import SCENARIOS
from usechat_server.conformance.streams import check_stream
from usechat_server.conformance.suite import run_scenario

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "check",
        help="check any backend of useChat, in any language",
        description="Check a backend, or a recorded response, against the rules of the UI message\n"
        "stream. A backend is sent messages whose text is `conformance: NAME`: with the scripts\n"
        "of docs/conformance.md behind it, every scenario can be judged; without, some can.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(parser=parser)
    parser.add_argument(
        "target",
        nargs="?",
        metavar="URL | FILE | -",
        help="the chat route of a backend; or the body of a response, as `curl --output FILE` "
        "saves it; - reads standard input",
    )
    parser.add_argument(
        "--client-version",
        type=_client_version,
        default=DEFAULT_CLIENT_VERSION,
        metavar="VERSION",
        help="the oldest release of ai among your clients (default: 5.0.92)",
    )
    parser.add_argument(
        "--clients",
        type=_client_versions,
        default=[],
        metavar="VERSIONS",
        help="let the published clients of these releases read the responses too, such as "
        "5.0.277,7.0.173; npm installs them in the user's cache",
    )
    parser.add_argument(
        "--format", choices=list(REPORTS), default="human", help="how to print the results"
    )
    parser.add_argument(
        "--strict", action="store_true", help="fail on warnings too: what a backend SHOULD do"
    )
    parser.add_argument(
        "--explain",
        choices=list(RULES),
        metavar="RULE",
        help="print a rule, and an example that breaks it and no other",
    )
    parser.add_argument(
        "--message",
        type=Path,
        metavar="FILE",
        help="for a recorded response: the assistant message that it continues, as JSON",
    )
    parser.add_argument(
        "--scenario",
        action="append",
        choices=list(SCENARIOS),
        metavar="NAME",
        help=f"for a backend: only this one, may be repeated: {', '.join(SCENARIOS)}",
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="'NAME: VALUE'",
        help="for a backend: a header of every request, may be repeated",
    )
    parser.add_argument(
        "--silence",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="for a backend: the silence of the scenario about it (default: 20)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="for a backend: how long a response may send nothing (default: 30)",
    )


def run(options: argparse.Namespace) -> int:
    """Check, print the results, and return the exit status: 0 passed, 1 failed."""
    if options.explain:
        print(explain(RULES[options.explain]))  # noqa: T201
        return 0
    parser: argparse.ArgumentParser = options.parser
    if options.target is None:
        parser.error("expected a URL or a file")
    try:
        clients = [NpmClient.install(version) for version in options.clients]
        if options.target.startswith(("http://", "https://")):
            results = _check_url(options, clients)
        else:
            results = [_check_file(options, clients)]
    except ClientUnavailable as error:
        parser.error(str(error))
    print(report(options.format, options.target, results))  # noqa: T201
    return 1 if _is_failure(results, strict=options.strict) else 0


def _is_failure(results: Sequence[Result], *, strict: bool) -> bool:
    if strict and any(result.problems for result in results):
        return True
    return any(result.status == "failed" for result in results)


def _check_url(options: argparse.Namespace, clients: Sequence[NpmClient]) -> list[Result]:
    # The backend is silent for as long as it is asked to be.
    timeout = options.timeout + options.silence
    try:
        backend = HttpBackend(options.target, dict(options.header), timeout)
    except ValueError as error:
        options.parser.error(str(error))
    results: list[Result] = []
    runs = []
    for name in options.scenario or SCENARIOS:
        if sys.stderr.isatty():
            print(f"{name} ...", file=sys.stderr)  # noqa: T201
        scenario = SCENARIOS[name]
        result, recordings = run_scenario(
            scenario, backend, options.client_version, silence=options.silence
        )
        if not recordings and not results:
            options.parser.error(result.unjudged)
        results.append(result)
        runs.append((recordings, max(options.client_version, scenario.since)))
    return [
        replace(result, problems=(*result.problems, *problems))
        for result, problems in zip(results, client_problems(clients, runs), strict=True)
    ]


def _check_file(options: argparse.Namespace, clients: Sequence[NpmClient]) -> Result:
    parser: argparse.ArgumentParser = options.parser
    try:
        if options.target == "-":
            body = sys.stdin.buffer.read()
        else:
            body = Path(options.target).read_bytes()
        message = _read_message(options.message)
    except OSError as error:
        parser.error(f"cannot read {error.filename}: {error.strerror}")
    except ValueError as error:
        parser.error(f"--message {options.message}: {error}")
    recording = Recording(1, Response(200, {}, iter((body,))), continued=message)
    for _ in read_response(recording):
        pass
    problems = check_stream(body, options.client_version, message=message)
    [more] = client_problems(clients, [([recording], options.client_version)])
    problems += more
    return Result("standard input" if options.target == "-" else options.target, problems)


def _read_message(path: Path | None) -> UIMessage | None:
    if path is None:
        return None
    try:
        return UIMessage.from_object(json_codec.decode(path.read_bytes()))
    except WireError as error:
        raise ValueError(f"expected a UI message: {error}") from None


def _client_version(text: str) -> ClientVersion:
    try:
        return ClientVersion.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _client_versions(text: str) -> list[ClientVersion]:
    return [_client_version(version.strip()) for version in text.split(",")]


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator or not name.strip():
        raise argparse.ArgumentTypeError(f"expected 'NAME: VALUE', got {text!r}")
    return name.strip(), value.strip()
