"""The id of a request: in its response, in log lines, at the provider, in the message."""

from __future__ import annotations

import json
import logging
import re

import httpx
import pytest
from usechat_server import Agent, RequestIdFilter, Turn, create_app, timing_metadata
from usechat_server.tools import tool

from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider, Reply, http_error
from tests.harness.fake_provider_events import message, text, tool_use
from tests.harness.live import LiveServer, chunks, user
from tests.harness.serving import serve

BODY = {"id": "c1", "messages": [user("Hello")]}


def test_every_log_line_and_the_provider_have_the_id_of_the_request(
    provider: FakeProvider,
) -> None:
    env = {
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_BASE_URL": provider.url,
        "USECHAT_LOG_LEVEL": "debug",
    }
    with serve("tests.server.telemetry.logging_app:agent", "usechat", env=env) as served:
        call = tool_use("toolu_1", "log_a_line", {})
        provider.script(Reply(message(call, stop_reason="tool_use")), Reply(message(text("Hi"))))
        headers = {"x-request-id": "from-nginx.1"}
        url = f"{served.url}/api/chat"
        response = httpx.post(url, json=BODY, headers=headers, trust_env=False, timeout=DEADLINE)
        assert response.headers["x-request-id"] == "from-nginx.1"
        timing = response.headers["server-timing"]
        assert re.fullmatch(r"body;dur=\d+\.\d, total;dur=\d+\.\d", timing)
        for request in provider.requests[:2]:
            assert request.headers["x-client-request-id"] == "from-nginx.1"

        provider.script(http_error(401, "authentication_error"))
        failed = httpx.post(url, json={**BODY, "id": "c2"}, trust_env=False, timeout=DEADLINE)
        refused = httpx.post(url, content=b"{", headers={"x-request-id": "bad id"}, trust_env=False)
        ids = [each.headers["x-request-id"] for each in (failed, refused)]
        assert len({*ids, "bad id", "from-nginx.1"}) == 4
        lines = served.output.splitlines()
    about = [line for line in lines if "from-nginx.1" in line]
    assert [line for line in about if "the tool runs" in line]
    [run] = [line for line in about if re.search(r"run \w+ finished", line)]
    assert json.loads(run[run.index("{") :])["request"] == "from-nginx.1"
    assert [line for line in about if "POST /api/chat" in line]
    assert [line for line in lines if ids[0] in line and "run " in line and "failed" in line]
    assert [line for line in lines if ids[1] in line and "400" in line]


def test_the_message_and_the_turn_have_the_id(caplog: pytest.LogCaptureFixture) -> None:
    turns: list[Turn] = []

    @tool
    def echo() -> str:
        """Return nothing."""
        return ""

    agent = Agent("demo", tools=[echo], metadata=timing_metadata)
    app = create_app(agent, on_message=lambda turn, _: turns.append(turn))
    caplog.handler.addFilter(RequestIdFilter())
    caplog.set_level(logging.INFO)
    with LiveServer(app) as server:
        headers = {"x-request-id": "r-1", "origin": server.url}
        response = server.request("POST", "/api/chat", BODY, headers)
    metadata = next(
        chunk["messageMetadata"] for chunk in chunks(response.text) if "messageMetadata" in chunk
    )
    assert metadata["requestId"] == "r-1"
    moments = ("called", "first_read", "first_token", "first_write", "last_read")
    assert set(metadata["seconds"]) == set(moments)
    assert turns[0].request_id == "r-1"
    # A process that takes the run over logs it too.
    assert Turn.from_json(turns[0].to_json()).request_id == "r-1"
    assert {vars(each)["request_id"] for each in caplog.records if "run" in vars(each)} == {"r-1"}
