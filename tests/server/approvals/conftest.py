"""An app that asks, served once for each way of remembering what was asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr
from ui_message_stream.versions import ClientVersion
from usechat_server import Agent, create_app
from usechat_server.settings import Settings

from tests.harness.approval_client import ChatClient, PlanModel, approval_tools, user_from_header
from tests.harness.live import LiveServer

SECRET = "only for tests, and long enough for the check"


@dataclass
class Desk:
    """The served app, and what its tools did."""

    server: LiveServer
    model: PlanModel
    ran: list[tuple[str, dict[str, Any]]]
    open_page: Callable[..., ChatClient]


def desk(**options: Any) -> Iterator[Desk]:
    """Serves an app whose agent has these options."""
    settings = options.pop(
        "settings", Settings(secret=SecretStr(SECRET), client_version=ClientVersion(7))
    )
    store = options.pop("store", None)
    ran: list[tuple[str, dict[str, Any]]] = []
    model = PlanModel()
    agent = Agent(model, tools=approval_tools(ran), **options)
    numbers = itertools.count(1)
    with LiveServer(
        create_app(agent, user=user_from_header, settings=settings, store=store)
    ) as server:

        def open_page(**fields: Any) -> ChatClient:
            """A page with a chat of its own."""
            return ChatClient(server, **{"chat_id": f"chat-{next(numbers)}", **fields})

        yield Desk(server, model, ran, open_page)


@pytest.fixture(scope="module")
def served() -> Iterator[Desk]:
    yield from desk()


@pytest.fixture(scope="module")
def served_with_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    path = tmp_path_factory.mktemp("store") / "chats.db"
    yield from desk(store=f"sqlite+aiosqlite:///{path}")


@pytest.fixture
def asking(served: Desk) -> Desk:
    """The app without a store, nothing run yet."""
    served.ran.clear()
    return served


@pytest.fixture(params=["served", "served_with_store"])
def either(request: pytest.FixtureRequest) -> Desk:
    """The app, without a store and with one."""
    found: Desk = request.getfixturevalue(request.param)
    found.ran.clear()
    return found
