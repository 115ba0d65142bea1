"""Requests of clients that keep their chats themselves, with messages of an earlier release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.compatibility.backend import (
    DATA,
    answer_all,
    assistant_blocks,
    backend,
    tool_results,
)
from tests.compatibility.provider_blocks import CONTAINER, RESPONSE, USER_FILES
from tests.compatibility.redis_dump import restore
from tests.harness.common import JSON
from tests.harness.fake_provider import FakeProvider
from tests.harness.redis_server import RedisServer

_FILE = json.loads((DATA / "requests.json").read_text(encoding="utf-8"))
REQUESTS: dict[str, JSON] = {request["name"]: request for request in _FILE["requests"]}
MAJORS = ["v5", "v6", "v7"]


@pytest.fixture(autouse=True)
def variables(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Redis and the secret of the server that signed the approvals."""
    restore(redis.url, DATA / "redis.json", only=("usechat:since", "usechat:used:"))
    monkeypatch.setenv("USECHAT_REDIS_URL", redis.url)
    monkeypatch.setenv("USECHAT_SECRET", _FILE["secret"])


def send(
    provider: FakeProvider,
    name: str,
    *,
    status: int = 200,
    again: int | None = None,
    **options: Any,
) -> tuple[list[Any], list[JSON]]:
    """Send a request of the file, and once more if that must get the status `again`.

    Returns which tools ran, and the requests to the provider.
    """
    answer_all(provider)
    request = REQUESTS[name]
    old = request["client"].startswith("5.")
    if old:
        options["approvals"] = "client-tool"
    with backend(provider, user=request["user"], **options) as newest:
        client = newest.of_version(request["client"])
        if status == 200:
            client.post(request["body"])
        else:
            client.request("POST", "/api/chat", request["body"], status=status)
        if again is not None:
            client.request("POST", "/api/chat", request["body"], status=again)
    return client.tool_runs, [sent.json for sent in provider.requests]


@pytest.mark.parametrize("major", MAJORS)
def test_the_provider_gets_its_blocks_back(provider: FakeProvider, major: str) -> None:
    _, [request] = send(provider, f"finished-{major}")
    # The release that wrote the history gave no proof that the container is this chat's, nor a file
    # in it.
    assert "container" not in request
    assert assistant_blocks(request) == [
        {"type": "text", "text": "(A file of the code.)"}
        if block["type"] == "container_upload"
        else block
        for block in RESPONSE
    ]
    assert [block for block in request["messages"][0]["content"] if block["type"] != "text"] == (
        USER_FILES
    )
    provider.reset()
    allowed = (CONTAINER, "file_kept")
    _, [request] = send(
        provider, f"finished-{major}", may_use_file=lambda turn, file_id: file_id in allowed
    )
    assert request["container"] == CONTAINER
    assert assistant_blocks(request) == RESPONSE


@pytest.mark.parametrize("name", ["approved-v5", "approved-v6", "approved-v7", "approved-nobody"])
def test_a_signed_approval_counts_once(provider: FakeProvider, name: str) -> None:
    tool_runs, [request] = send(provider, name, again=409)
    assert tool_runs == [("send", "Bob", 2.5)]
    [result] = tool_results(request)
    assert result["content"] == "sent 2.5 to Bob"


@pytest.mark.parametrize("major", MAJORS)
def test_a_denied_call_is_not_run(provider: FakeProvider, major: str) -> None:
    tool_runs, [request] = send(provider, f"denied-{major}", again=409)
    assert tool_runs == []
    [result] = tool_results(request)
    assert result["is_error"] is True
    assert "Not today." in result["content"]


def test_an_approval_that_was_used_does_not_count(provider: FakeProvider) -> None:
    assert send(provider, "used", status=409) == ([], [])


def test_an_approval_that_was_used_stays_in_the_history(provider: FakeProvider) -> None:
    tool_runs, [request] = send(provider, "after-used")
    assert tool_runs == []
    [result] = tool_results(request)
    assert result["content"] == "sent 1 to Bob"


@pytest.mark.parametrize("major", MAJORS)
def test_the_output_of_a_client_tool_is_taken(provider: FakeProvider, major: str) -> None:
    _, [request] = send(provider, f"client-tool-{major}")
    [result] = tool_results(request)
    assert result["content"] == '{"city":"Bern"}'


def test_a_stopped_answer_is_followed(provider: FakeProvider) -> None:
    _, [request] = send(provider, "stopped")
    assert assistant_blocks(request) == [{"type": "text", "text": "Some words"}]
