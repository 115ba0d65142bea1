"""The bill stops when the page goes: from a real client's hang-up to the provider's socket."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import httpx
import pytest

from tests.harness.fake_provider import FakeProvider, Pause, Reply, message, text
from tests.harness.serving import HOSTS, Served, serve

LONG = 20
AT_ONCE = 2.0
QUESTION = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
BODY = {"id": "c", "trigger": "submit-message", "messages": [QUESTION]}


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(scope="module", params=[*HOSTS, "usechat"])
def served(request: pytest.FixtureRequest, provider: FakeProvider) -> Iterator[Served]:
    env = {
        "ANTHROPIC_API_KEY": "none",
        "ANTHROPIC_BASE_URL": provider.url,
        "USECHAT_KEEP_ALIVE": "3600",
    }
    with serve("tests.hosts.chat:app", request.param, env=env) as served:
        yield served


WAITS = {
    "before the headers": Reply(gate=True),
    "before the first token": Reply([*message()[:1], Pause()]),
    "in the middle": Reply(message(text("Hel", Pause(), "lo"))),
    "in the middle, with pings": Reply(message(text("Hel", Pause(), "lo")), pings=0.05),
}


@pytest.mark.parametrize("when", WAITS)
def test_a_hang_up_reaches_the_provider_at_once(
    served: Served, provider: FakeProvider, when: str
) -> None:
    provider.script(WAITS[when])
    before = len(provider.requests)
    said = "Hel" if "middle" in when else '"start"'
    with httpx.stream("POST", f"{served.url}/api/chat", json=BODY, timeout=LONG) as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        assert any(said in line for line in lines)
        asked = provider.request(before)
        left = monotonic()
    assert asked.closed.wait(LONG)
    assert asked.closed_at is not None
    assert asked.closed_at - left < AT_ONCE
