"""The model, the OTLP receiver and the servers of the telemetry tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.harness.fake_provider import FakeProvider
from tests.harness.otlp_receiver import OTLPReceiver
from tests.harness.serving import Host, ServerProcess, serve

Start = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def module_receiver() -> Iterator[OTLPReceiver]:
    with OTLPReceiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(module_receiver: OTLPReceiver) -> OTLPReceiver:
    module_receiver.clear()
    return module_receiver


@pytest.fixture(scope="module")
def module_provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def provider(module_provider: FakeProvider) -> FakeProvider:
    module_provider.reset()
    return module_provider


@pytest.fixture(scope="module")
def start(module_receiver: OTLPReceiver, module_provider: FakeProvider) -> Iterator[Start]:
    """Return a function that serves an app of `apps.py`, until the end of the module."""
    with ExitStack() as stack:

        def start(app: str, host: Host = "uvicorn", **env: str) -> ServerProcess:
            standard = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": module_receiver.url,
                "OTEL_METRIC_EXPORT_INTERVAL": "100",
                "PROVIDER": module_provider.url,
                "USECHAT_DRAIN_GRACE": "0",
            }
            name = f"tests.server.telemetry.apps:{app}"
            return stack.enter_context(serve(name, host, env={**standard, **env}))

        yield start
