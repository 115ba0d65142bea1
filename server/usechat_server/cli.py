"""The command line: `usechat-server serve` and `usechat-server db`."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import os
import socket
import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from pydantic import ValidationError
from starlette.types import ASGIApp
from uvicorn.importer import ImportFromStringError, import_from_string

from usechat_server.agent import Agent
from usechat_server.app import create_app
from usechat_server.serving.server import Config, run
from usechat_server.settings import Settings, describe, set_default_settings

__all__ = ["load", "main"]

DEFAULT_TARGET = "usechat_server.demo:default_agent"
#: Where a Next.js project in development is.
DEMO_ORIGIN = "http://localhost:3000"
#: In the folder where the command was called.
DEMO_STORE = "sqlite:///chats.db"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command. Ends the process with a readable line and status 2 if it cannot."""
    parser, serve = _parsers()
    options = parser.parse_args(arguments)
    if options.command == "db":
        _db(options.action, options.store, parser)
        return
    try:
        settings = _settings(options)
    except ValidationError as error:
        serve.error("\n".join(map(_setting_error, error.errors())))
    if options.reload and settings.workers > 1:
        serve.error("--reload requires a single worker")
    if settings.store == DEMO_STORE and options.target is None:
        _change_database("upgrade", DEMO_STORE, parser)
    # A console script, unlike `python -m`, does not import from the current directory.
    sys.path.insert(0, "")
    # Called in each process that serves, also in the one that --reload starts.
    factory = partial(_create_app, options.target or DEFAULT_TARGET, settings)
    config = Config(factory, settings, reload=options.reload)
    try:
        listener = _bind(settings.host, settings.port)
    except OSError as error:
        serve.error(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}")
    run(config, listener)


def _settings(options: argparse.Namespace) -> Settings:
    """Return the settings: options take precedence over variables, and those over the demo's."""
    names = ("host", "port", "workers")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    settings = Settings(**given)
    defaults: dict[str, Any] = {}
    if options.target is None:
        defaults |= {"page": True, "allowed_origins": (DEMO_ORIGIN,), "store": DEMO_STORE}
    if options.reload:
        # After a change of the code, nobody waits for the run of the old one.
        defaults["drain_grace"] = 0.0
    unset = {
        name: value for name, value in defaults.items() if name not in settings.model_fields_set
    }
    return settings.model_copy(update=unset)


def _create_app(target: str, settings: Settings) -> ASGIApp:
    # An app that the target creates without `settings=` is to have these.
    set_default_settings(settings)
    return load(target)


def load(target: str) -> ASGIApp:
    """The ASGI app that `module:name` names: an app, an Agent, or a function that returns either.

    Ends the process with a readable line if there is no such thing.
    """
    try:
        found = import_from_string(target)
    except ImportFromStringError as error:
        sys.exit(f"usechat-server: {error}")
    if _is_factory(found):
        found = found()
    if isinstance(found, Agent):
        try:
            return create_app(found)
        except ValueError as error:
            sys.exit(f"usechat-server: {error}")
    if not callable(found):
        sys.exit(f"usechat-server: {target} is {found!r}: expected an ASGI app or an Agent")
    return cast(ASGIApp, found)


def _is_factory(found: Any) -> bool:
    if not callable(found):
        return False
    parameters = inspect.signature(found).parameters.values()
    return all(
        parameter.default is not parameter.empty
        or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in parameters
    )


def _db(action: str, store: str | None, parser: argparse.ArgumentParser) -> None:
    store = store or os.environ.get("USECHAT_STORE")
    if not store:
        parser.error("say which database: USECHAT_STORE, or --store")
    print(_change_database(action, store, parser))  # noqa: T201


def _change_database(action: str, store: str, parser: argparse.ArgumentParser) -> str:
    from usechat_server.errors import StoreUnavailable
    from usechat_server.store import command

    work = {"upgrade": command.upgrade, "check": command.check}[action]
    try:
        return asyncio.run(work(store))
    except ValueError as error:
        parser.error(str(error))
    except StoreUnavailable:  # why is in the log line before
        parser.error(f"cannot {action} the store")


def _bind(host: str, port: int) -> socket.socket:
    """Takes the port. Connections are refused until the app is loaded and the server listens."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(
        prog="usechat-server", description="The Python backend for React's useChat."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    serve = commands.add_parser(
        "serve",
        help="serve an agent or an app",
        description="Serves an agent, or an ASGI app that holds one, on uvicorn. The first\n"
        "SIGTERM or Ctrl+C lets running answers go on for a while, the second quits at once.",
        epilog=_settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:NAME",
        help="an Agent, an ASGI app, or a function that returns either. By default Claude if "
        "ANTHROPIC_API_KEY is set, else a demo model that needs no key, with the chat page",
    )
    serve.add_argument("--host", help="address to listen on (USECHAT_HOST)")
    serve.add_argument("--port", type=int, help="port to listen on (USECHAT_PORT)")
    serve.add_argument("--workers", type=int, help="processes to start (USECHAT_WORKERS)")
    serve.add_argument("--reload", action="store_true", help="start again when a file changes")
    database = commands.add_parser(
        "db",
        help="prepare the database of a store",
        description="Makes the tables that chats are kept in, or says what they lack.",
    )
    database.add_argument(
        "action",
        choices=["upgrade", "check"],
        help="upgrade: make the tables, or bring them to this release. check: is that needed?",
    )
    database.add_argument("--store", metavar="URL", help="the database (USECHAT_STORE)")
    return parser, serve


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
    return f"USECHAT_{str(error['loc'][0]).upper()}: {error['msg']}"
