"""The model, the OTLP receiver and the servers of the telemetry tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.harness.fake_provider import FakeProvider
from tests.harness.otlp_receiver import OTLPReceiver
from tests.harness.serving import ServerProcess
from tests.server.telemetry.servers import TOKEN, Start, starter


@pytest.fixture(scope="session")
def session_receiver() -> Iterator[OTLPReceiver]:
    with OTLPReceiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(session_receiver: OTLPReceiver) -> OTLPReceiver:
    session_receiver.clear()
    return session_receiver


@pytest.fixture(scope="session")
def session_provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def provider(session_provider: FakeProvider) -> FakeProvider:
    session_provider.reset()
    return session_provider


@pytest.fixture(scope="session")
def session_start(
    session_receiver: OTLPReceiver, session_provider: FakeProvider
) -> Iterator[Start]:
    with ExitStack() as stack:
        yield starter(stack, session_receiver.url, session_provider.url)


@pytest.fixture
def start(session_receiver: OTLPReceiver, session_provider: FakeProvider) -> Iterator[Start]:
    """Return a function that serves an app of `apps.py`, until the end of the test."""
    with ExitStack() as stack:
        yield starter(stack, session_receiver.url, session_provider.url)


@pytest.fixture(scope="session")
def served(session_start: Start, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    """A server of all apps, with a store, traces and metrics."""
    folder = tmp_path_factory.mktemp("store")
    return session_start(
        "instrumented:app",
        USECHAT_STORE=f"sqlite:///{folder}/chats.db",
        USECHAT_METRICS="token",
        USECHAT_METRICS_TOKEN=TOKEN,
    )
