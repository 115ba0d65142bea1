"""On every host: a page that hangs up comes back to the same answer, and can stop it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness.common import DEADLINE
from tests.harness.live import user
from tests.harness.serving import HOSTS, Served, serve
from tests.harness.stream_client import StreamClient

CHAT = "/ai/api/chat"


@pytest.fixture(scope="module", params=[*HOSTS, "usechat"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("chats")
    env = {"USECHAT_STORE": f"sqlite:///{folder}/chats.db"}
    with serve("tests.harness.apps:held", request.param, env=env) as served:
        yield served


def post(served: Served, path: str) -> int:
    return httpx.post(served.url + path, trust_env=False, timeout=DEADLINE).status_code


@pytest.mark.parametrize("end", ["finish", "stop"])
def test_a_page_comes_back_after_a_hang_up(served: Served, end: str) -> None:
    body = {"id": end, "messages": [user("Hello")]}
    with StreamClient("POST", served.url + CHAT, body) as lost:
        lost.wait_for_text("Hello there")
    stream = f"{served.url}{CHAT}/{end}/stream"
    with StreamClient("GET", stream) as client, StreamClient("GET", stream) as second:
        client.wait_for_text("Hello there")
        second.wait_for_text("Hello there")
        if end == "stop":
            assert post(served, f"{CHAT}/{end}/stop") == 204
        else:
            assert post(served, "/release") == 200
        assert client.end().message() == second.end().message()
        assert client.run_id == lost.run_id
        assert client.chunks[-1]["type"] == ("abort" if end == "stop" else "finish")
    with StreamClient("GET", stream) as late:
        assert late.end().status == 204
    [question, answer] = httpx.get(f"{served.url}{CHAT}/{end}", trust_env=False).json()["messages"]
    assert (question["id"], answer["id"]) == ("u1", lost.chunks[0]["messageId"])
    assert answer["parts"][-1]["text"] == "Hello there"
