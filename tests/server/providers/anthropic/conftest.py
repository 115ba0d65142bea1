"""Fixtures for tests of the Anthropic provider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.fake_provider import FakeProvider, Reply, message, text


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.on(lambda _: Reply(message(text("Hello"))))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        yield provider
