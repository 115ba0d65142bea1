"""The command `usechat-server check`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ui_message_stream import json_codec
from ui_message_stream.errors import WireError
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

from usechat_server.conformance.catalog import RULES
from usechat_server.conformance.explanation import explain
from usechat_server.conformance.reports import REPORTS
from usechat_server.conformance.results import Result
from usechat_server.conformance.streams import check_stream

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "check",
        help="check the stream of any backend of useChat",
        description="Check a recorded response against the rules of the UI message stream.",
    )
    parser.set_defaults(parser=parser)
    parser.add_argument(
        "target",
        nargs="?",
        metavar="FILE",
        help="the body of a response, as `curl --output FILE` saves it; - reads standard input",
    )
    parser.add_argument(
        "--explain",
        choices=list(RULES),
        metavar="RULE",
        help="print a rule, and a stream that breaks it and no other",
    )
    parser.add_argument(
        "--client-version",
        type=_client_version,
        metavar="VERSION",
        help="the oldest release of ai among your clients (default: 5.0.92)",
    )
    parser.add_argument(
        "--message",
        type=Path,
        metavar="FILE",
        help="the assistant message that the response continues, as JSON",
    )
    parser.add_argument(
        "--format", choices=list(REPORTS), default="human", help="how to print the results"
    )
    parser.add_argument(
        "--strict", action="store_true", help="fail on warnings too: what a backend SHOULD do"
    )


def run(options: argparse.Namespace) -> int:
    """Check, print the results, and return the exit status: 0 passed, 1 failed."""
    if options.explain:
        print(explain(RULES[options.explain]))  # noqa: T201
        return 0
    if options.target is None:
        options.parser.error("expected a file")
    results = [_check_file(options)]
    print(REPORTS[options.format](options.target, results))  # noqa: T201
    return 1 if _is_failure(results, strict=options.strict) else 0


def _is_failure(results: Sequence[Result], *, strict: bool) -> bool:
    if strict and any(result.problems for result in results):
        return True
    return any(result.status == "failed" for result in results)


def _check_file(options: argparse.Namespace) -> Result:
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
    problems = check_stream(body, options.client_version, message=message)
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
