"""On every host, a client that disconnects can resume the same run, and stop it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness.common import DEADLINE
from tests.harness.live import user
from tests.harness.serving import HOSTS, ServerProcess, serve
from tests.harness.stream_client import StreamClient

CHAT = "/ai/api/chat"


@pytest.fixture(scope="module", params=[*HOSTS, "usechat"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("chats")
    env = {"USECHAT_STORE": f"sqlite:///{folder}/chats.db"}
    with serve("tests.harness.apps:held", request.param, env=env) as served:
        yield served


def post(served: ServerProcess, path: str) -> int:
    return httpx.post(served.url + path, trust_env=False, timeout=DEADLINE).status_code


@pytest.mark.parametrize("outcome", ["finish", "stop"])
def test_a_client_resumes_after_a_disconnect(served: ServerProcess, outcome: str) -> None:
    body = {"id": outcome, "messages": [user("Hello")]}
    with StreamClient("POST", served.url + CHAT, body) as disconnected:
        disconnected.wait_for_text("Hello there")
    stream = f"{served.url}{CHAT}/{outcome}/stream"
    with StreamClient("GET", stream) as client, StreamClient("GET", stream) as second:
        client.wait_for_text("Hello there")
        second.wait_for_text("Hello there")
        if outcome == "stop":
            assert post(served, f"{CHAT}/{outcome}/stop") == 204
        else:
            assert post(served, "/release") == 200
        assert client.end().message() == second.end().message()
        assert client.run_id == disconnected.run_id
        assert client.chunks[-1]["type"] == ("abort" if outcome == "stop" else "finish")
    with StreamClient("GET", stream) as late:
        assert late.end().status == 204
    [request, response] = httpx.get(f"{served.url}{CHAT}/{outcome}", trust_env=False).json()[
        "messages"
    ]
    assert (request["id"], response["id"]) == ("u1", disconnected.chunks[0]["messageId"])
    assert response["parts"][-1]["text"] == "Hello there"
