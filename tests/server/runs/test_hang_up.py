"""When a response is ended early, the connection to the provider is closed first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import Agent
from usechat_server.runs import Runs
from usechat_server.turn import Turn

from tests.harness.asgi_host import AsgiHost
from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider, Reply, message, text
from tests.harness.lifecycle import start_run

QUESTION = UIMessage(id="u", role="user", parts=[TextPart(text="Hi")])
TURN: Turn = Turn(
    user=None,
    chat_id="c",
    client_version=NEWEST_CLIENT_VERSION,
    messages=[QUESTION],
    message_id="m",
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """As in `serve`. The event loop of asyncio itself closes sockets in its next turn."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        yield provider


@pytest.mark.parametrize("is_answered", [True, False], ids=["silent", "before headers"])
@pytest.mark.parametrize("how", ["disconnect", "stop", "timeout"])
async def test_the_connection_to_the_provider_is_closed_first(
    provider: FakeProvider, how: str, is_answered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "usechat.run")
    provider.script(Reply(message(text("Hello"))[:-1], then="hang", gate=not is_answered))
    is_closed: list[bool] = []

    class Handler(logging.Handler):
        """Blocks the event loop: what it waits for must have been done."""

        def emit(self, record: logging.LogRecord) -> None:
            is_closed.append(provider.request().closed.wait(DEADLINE))

    agent = Agent("claude-sonnet-5-5", timeout=2 if how == "timeout" else None)
    handler = Handler()
    logger = logging.getLogger("usechat.run")
    logger.addHandler(handler)
    try:
        run = await start_run(Runs(), TURN, agent)
        host = AsgiHost(run.response())
        response = host.request()
        await asyncio.to_thread(provider.request)
        if is_answered and how != "timeout":
            await host.wait_for_body(lambda body: b"Hello" in body)
        if how == "disconnect":
            host.disconnect()
        elif how == "stop":
            run.stop()
        await asyncio.wait_for(response, DEADLINE)
    finally:
        logger.removeHandler(handler)
        await agent.aclose()
    assert is_closed == [True]
