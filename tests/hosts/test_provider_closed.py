"""A client that disconnects closes the connection to the provider, on every ASGI server."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import httpx
import pytest

from tests.harness.fake_provider import FakeProvider, Pause, Reply, message, text
from tests.harness.serving import HOSTS, ServerProcess, serve

LONG = 20
AT_ONCE = 2.0
USER_MESSAGE = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
BODY = {"id": "c", "trigger": "submit-message", "messages": [USER_MESSAGE]}


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(scope="module", params=[*HOSTS, "usechat"])
def served(request: pytest.FixtureRequest, provider: FakeProvider) -> Iterator[ServerProcess]:
    env = {
        "ANTHROPIC_API_KEY": "none",
        "ANTHROPIC_BASE_URL": provider.url,
        "USECHAT_KEEP_ALIVE": "3600",
    }
    with serve("tests.hosts.chat:app", request.param, env=env) as served:
        yield served


REPLIES = {
    "before the headers": Reply(gate=True),
    "before the first token": Reply([*message()[:1], Pause()]),
    "in the middle": Reply(message(text("Hel", Pause(), "lo"))),
    "in the middle, with pings": Reply(message(text("Hel", Pause(), "lo")), pings=0.05),
}


@pytest.mark.parametrize("moment", REPLIES)
def test_a_disconnect_closes_the_provider_request_at_once(
    served: ServerProcess, provider: FakeProvider, moment: str
) -> None:
    provider.script(REPLIES[moment])
    index = len(provider.requests)
    expected = "Hel" if "middle" in moment else '"start"'
    with httpx.stream("POST", f"{served.url}/api/chat", json=BODY, timeout=LONG) as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        assert any(expected in line for line in lines)
        provider_request = provider.request(index)
        disconnected_at = monotonic()
    assert provider_request.closed.wait(LONG)
    assert provider_request.closed_at is not None
    assert provider_request.closed_at - disconnected_at < AT_ONCE
