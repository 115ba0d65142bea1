"""A served app whose tools need approval."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from ui_message_stream.versions import ClientVersion
from usechat_server import Agent, create_app
from usechat_server.settings import Settings

from tests.harness.approval_client import ChatClient, PlanModel, approval_tools
from tests.harness.common import user_from_header
from tests.harness.live import LiveServer

__all__ = ["SECRET", "ApprovalApp", "serve_app"]

SECRET = "only for tests, and long enough for the check"


@dataclass
class ApprovalApp:
    """A served app, and the calls that its tools ran."""

    server: LiveServer
    model: PlanModel
    executed: list[tuple[str, dict[str, Any]]]
    #: returns a client with a chat of its own
    new_client: Callable[..., ChatClient]


def serve_app(**options: Any) -> Iterator[ApprovalApp]:
    """Serve an app whose agent has these options, besides the app's `settings` and `store`."""
    settings = options.pop(
        "settings", Settings(secret=SecretStr(SECRET), client_version=ClientVersion(7))
    )
    store = options.pop("store", None)
    executed: list[tuple[str, dict[str, Any]]] = []
    model = PlanModel()
    agent = Agent(model, tools=approval_tools(executed), **options)
    numbers = itertools.count(1)
    app = create_app(agent, user=user_from_header, anonymous=True, settings=settings, store=store)
    with LiveServer(app) as server:

        def new_client(**fields: Any) -> ChatClient:
            return ChatClient(server, **{"chat_id": f"chat-{next(numbers)}", **fields})

        yield ApprovalApp(server, model, executed, new_client)
