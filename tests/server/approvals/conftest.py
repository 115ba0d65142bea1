"""Apps whose tools need approval, served once for each way of keeping approval requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.approvals.support import ApprovalApp, serve_app


@pytest.fixture(scope="module")
def served_without_store() -> Iterator[ApprovalApp]:
    yield from serve_app()


@pytest.fixture(scope="module")
def served_with_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApprovalApp]:
    path = tmp_path_factory.mktemp("store") / "chats.db"
    yield from serve_app(store=f"sqlite+aiosqlite:///{path}")


@pytest.fixture
def app_without_store(served_without_store: ApprovalApp) -> ApprovalApp:
    """The app without a store, with no call executed yet."""
    served_without_store.executed.clear()
    return served_without_store


@pytest.fixture
def app_with_store(served_with_store: ApprovalApp) -> ApprovalApp:
    """The app with a store, with no call executed yet."""
    served_with_store.executed.clear()
    return served_with_store


@pytest.fixture(params=["app_without_store", "app_with_store"])
def app(request: pytest.FixtureRequest) -> ApprovalApp:
    """The app, without a store and with one."""
    app: ApprovalApp = request.getfixturevalue(request.param)
    return app
