"""The command line: `usechat-server serve`, `db` and `check`."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import logging
import os
import re
import socket
import sys
import textwrap
import traceback
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, cast

from pydantic import ValidationError
from starlette.types import ASGIApp
from uvicorn.importer import ImportFromStringError, import_from_string

from usechat_server import __version__
from usechat_server.agent import Agent
from usechat_server.app import create_app
from usechat_server.conformance import command
from usechat_server.serving.server import Config, run
from usechat_server.settings import Settings, describe, set_deployment

__all__ = ["load", "main"]

logger: logging.Logger = logging.getLogger("usechat.serve")

DEFAULT_TARGET = "usechat_server.demo:default_agent"
#: Where a Next.js project in development is.
DEMO_ORIGIN = "http://localhost:3000"
#: In the directory where the command was called.
DEMO_STORE = "sqlite:///chats.db"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with a one-line error and status 2 if it cannot."""
    parser, serve = _parsers()
    options = parser.parse_args(arguments)
    if options.command == "db":
        _db(options, parser)
        return
    if options.command == "check":
        sys.exit(command.run(options))
    try:
        settings = _settings(options)
    except ValidationError as error:
        serve.error("\n".join(map(_setting_error, error.errors())))
    if options.reload and settings.workers > 1:
        serve.error("--reload requires a single worker")
    if settings.store == DEMO_STORE and options.target is None:
        _change_database("upgrade", DEMO_STORE, None, parser)
    # A console script, unlike `python -m`, does not import from the current directory.
    sys.path.insert(0, "")
    # Called in each process that serves, also in the one that --reload starts.
    factory = partial(
        _create_app,
        options.target or DEFAULT_TARGET,
        settings,
        _deployment(settings, is_reloading=options.reload),
    )
    config = Config(factory, settings, reload=options.reload)
    try:
        listener = _bind(settings.host, settings.port)
    except OSError as error:
        serve.error(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}")
    run(config, listener)


def _settings(options: argparse.Namespace) -> Settings:
    """Return the settings: options take precedence over variables, and those over the demo's."""
    names = ("host", "port", "workers", "public")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    settings = Settings(**given)
    defaults: dict[str, Any] = {}
    if options.target is None:
        defaults |= {"page": True, "allowed_origins": (DEMO_ORIGIN,), "store": DEMO_STORE}
    if options.reload:
        # A developer who changes the code does not wait for runs of the old code.
        defaults["drain_grace"] = 0.0
    # An empty variable is set too: `USECHAT_STORE= usechat-server serve` serves without a store.
    unset = {
        name: value
        for name, value in defaults.items()
        if name not in settings.model_fields_set and f"USECHAT_{name.upper()}" not in os.environ
    }
    return settings.model_copy(update=unset)


def _deployment(settings: Settings, *, is_reloading: bool) -> dict[str, Any]:
    """Return the settings that hold for every app, also for one that has its own settings."""
    names = ("host", "port", "workers", "public", *(("drain_grace",) if is_reloading else ()))
    return {name: getattr(settings, name) for name in names}


def _create_app(target: str, settings: Settings, deployment: Mapping[str, Any]) -> ASGIApp:
    set_deployment(deployment)
    if target == DEFAULT_TARGET and not os.environ.get("ANTHROPIC_API_KEY"):
        logger.warning('ANTHROPIC_API_KEY is not set: serving the demo model, Agent("demo")')
    return load(target, settings)


def load(target: str, settings: Settings | None = None) -> ASGIApp:
    """Import the ASGI app of a target: an app, an Agent, or a function that returns either.

    Exits with a one-line error if there is none, or if an option or a setting is wrong.

    Args:
        target: `module:name`.
        settings: The settings of the app that serves an Agent.
    """
    try:
        app = import_from_string(target)
        if _is_factory(app):
            app = app()
        if isinstance(app, Agent):
            app = create_app(app, settings=settings)
    except ImportFromStringError as error:
        sys.exit(f"usechat-server: {error}")
    except ValueError as error:
        if not _is_from_this_package(error):
            raise  # an error of the target's own code requires its traceback
        sys.exit(f"usechat-server: {error}")
    if not callable(app):
        sys.exit(f"usechat-server: {target}: expected an ASGI app or an Agent, got {app!r}")
    return cast(ASGIApp, app)


def _is_from_this_package(error: Exception) -> bool:
    """Whether this package raised the error itself: an option or a setting is wrong."""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("usechat_server.")


def _is_factory(value: Any) -> bool:
    """Whether it is a function that can be called without arguments."""
    if not callable(value):
        return False
    parameters = inspect.signature(value).parameters.values()
    return all(
        parameter.default is not parameter.empty
        or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in parameters
    )


def _db(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    store = options.store or os.environ.get("USECHAT_STORE")
    if not store:
        parser.error("expected a database: set USECHAT_STORE, or pass --store")
    if (options.action == "prune") != (options.older_than is not None):
        parser.error("--older-than 90d is required for prune, and only for prune")
    print(_change_database(options.action, store, options.older_than, parser))  # noqa: T201


def _change_database(
    action: str, store: str, older_than: timedelta | None, parser: argparse.ArgumentParser
) -> str:
    from usechat_server.errors import StoreUnavailable
    from usechat_server.store.command import check, prune, upgrade

    try:
        if older_than is not None:
            return asyncio.run(prune(store, older_than))
        work = {"upgrade": upgrade, "check": check}[action]
        return asyncio.run(work(store))
    except ValueError as error:
        parser.error(str(error))
    except StoreUnavailable:  # the reason has been logged
        parser.error(f"cannot {action} the database")


def _bind(host: str, port: int) -> socket.socket:
    """Bind the port. Connections are refused until the app is loaded and the server listens."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(
        prog="usechat-server", description="The Python backend for React's useChat."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    serve = commands.add_parser(
        "serve",
        help="serve an agent or an app",
        description="Serve an agent, or an ASGI app that contains one, on uvicorn. At the first\n"
        "SIGTERM or Ctrl+C active runs may finish for a while; the second one quits at once.",
        epilog=_settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:NAME",
        help="an Agent, an ASGI app, or a function that returns either. Default: Claude if "
        "ANTHROPIC_API_KEY is set, else a demo model that requires no key, with the chat page",
    )
    serve.add_argument("--host", help="address to listen on (USECHAT_HOST)")
    serve.add_argument("--port", type=int, help="port to listen on (USECHAT_PORT)")
    serve.add_argument("--workers", type=int, help="processes to start (USECHAT_WORKERS)")
    serve.add_argument(
        "--public",
        action="store_true",
        default=None,
        help="let everyone who can reach the address use an app without user= (USECHAT_PUBLIC)",
    )
    serve.add_argument("--reload", action="store_true", help="restart when a file changes")
    database = commands.add_parser(
        "db",
        help="create or migrate the tables of a store, or delete old chats",
        description="Create or migrate the tables that store the chats, check them, or delete old\n"
        "chats.",
    )
    database.add_argument(
        "action",
        choices=["upgrade", "check", "prune"],
        help="upgrade: create the tables, or migrate them to this release. check: report "
        "whether that is required. prune: delete old chats",
    )
    database.add_argument(
        "--older-than",
        type=_age,
        metavar="DAYS",
        help="prune: delete chats without a new message for this time, such as 90d",
    )
    database.add_argument("--store", metavar="URL", help="the database (USECHAT_STORE)")
    command.add_parser(commands)
    return parser, serve


def _age(text: str) -> timedelta:
    """Return the age that an option names."""
    if not (match := re.fullmatch(r"([1-9]\d{0,4})d", text)):
        raise argparse.ArgumentTypeError(f"expected a number of days, such as 90d, got {text!r}")
    return timedelta(days=int(match[1]))


def _settings_help() -> str:
    lines = ["Settings, as environment variables:"]
    for variable, default, text in describe():
        lines.append(f"\n  {variable} (default: {default or 'none'})")
        lines.extend(
            textwrap.wrap(
                text.replace("`", ""), 88, initial_indent="      ", subsequent_indent="      "
            )
        )
    return "\n".join(lines)


def _setting_error(error: Any) -> str:
    text = error["msg"].removeprefix("Value error, ")  # pydantic's words for a ValueError
    return f"USECHAT_{str(error['loc'][0]).upper()}: {text}"
