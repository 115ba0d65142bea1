"""Two real servers that share a Redis: each serves every client, even after the other is gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from ui_message_stream.messages import TextPart, ToolPart, UIMessage

from tests.harness.common import DEADLINE
from tests.harness.fake_provider import Pause, Reply, message, text, tool_use
from tests.harness.redis_server import RedisServer
from tests.harness.stream_client import StreamClient
from tests.server.coordination.servers import Cluster


@pytest.fixture(scope="module")
def servers(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    env = {"USECHAT_RESUME": "60"}
    with Cluster(redis, tmp_path_factory.mktemp("tools"), env) as cluster:
        yield cluster


@pytest.fixture
def cluster(servers: Cluster) -> Iterator[Cluster]:
    servers.start()
    servers.reset()
    yield servers
    servers.close_clients()


def text_of(client: StreamClient) -> str:
    """Return the text that a client shows."""
    return "".join(part.text for part in client.message().parts if isinstance(part, TextPart))


def has(chunks: list[dict[str, Any]], kind: str) -> bool:
    return any(chunk["type"] == kind for chunk in chunks)


def tools(message: UIMessage) -> list[ToolPart]:
    return [part for part in message.parts if isinstance(part, ToolPart)]


def test_a_client_resumes_and_stops_on_the_other_process(cluster: Cluster) -> None:
    cluster.provider.script(Reply(message(text("Hel", Pause(), "lo", Pause(), " there"))))
    client = cluster.post(cluster.a, "c1")
    client.wait_for_text("Hel")
    other = cluster.resume(cluster.b, "c1")
    other.wait_for_text("Hel")
    cluster.provider.release()
    other.wait_for_text("Hello")
    client.wait_for_text("Hello")
    assert other.chunks[0] == client.chunks[0]
    assert not cluster.provider.request().closed.is_set()
    cluster.stop(cluster.b, "c1")
    assert cluster.provider.request().closed.wait(DEADLINE)
    for reader in (client.end(), other.end()):
        assert reader.done
        assert reader.chunks[-1]["type"] == "abort"
        assert text_of(reader) == "Hello"


def test_the_same_request_joins_and_another_one_is_rejected(cluster: Cluster) -> None:
    cluster.provider.script(Reply(message(text("Hel", Pause(), "lo"))))
    client = cluster.post(cluster.a, "c2")
    client.wait_for_text("Hel")
    repeated = cluster.post(cluster.b, "c2")
    repeated.wait_for_text("Hel")
    assert cluster.post(cluster.b, "c2", "Something else").end().status == 409
    cluster.provider.release()
    assert client.end().message() == repeated.end().message()
    assert len(cluster.provider.requests) == 1


def test_a_response_that_a_client_has_received_is_not_sent_again(cluster: Cluster) -> None:
    for chat in ("read1", "read2", "read3"):
        cluster.provider.script(Reply(message(text("Hello"))))
        assert cluster.post(cluster.a, chat).end().done
        for served in cluster.servers:
            assert cluster.resume(served, chat).end().status == 204


def test_a_run_continues_while_another_process_reads_it(cluster: Cluster) -> None:
    cluster.provider.script(Reply(message(text("Hel", Pause(), "lo"))))
    client = cluster.post(cluster.a, "c3")
    client.wait_for_text("Hel")
    other = cluster.resume(cluster.b, "c3")
    other.wait_for_text("Hel")
    client.close()
    cluster.provider.release()
    assert text_of(other.end()) == "Hello"
    assert other.chunks[-1]["type"] == "finish"


def test_another_process_continues_the_run_of_a_killed_one(cluster: Cluster) -> None:
    cluster.provider.script(
        Reply(message(tool_use("toolu_1", "look", {"city": "Bern"}), stop_reason="tool_use")),
        Reply(message(text("It is", Pause(), " raining"))),
        Reply(message(text("It is sunny"))),
    )
    client = cluster.post(cluster.a, "c4")
    client.wait_for_text("It is")
    newest, oldest = (
        cluster.resume(cluster.b, "c4"),
        cluster.resume(cluster.b, "c4", client_version="5.0.92"),
    )
    newest.wait_for_text("It is")
    oldest.wait_for_text("It is")
    cluster.kill(cluster.a)
    newest.end()
    assert text_of(newest) == "It is sunny"
    assert newest.chunks[-1] == {"type": "finish", "finishReason": "stop"}
    (call,) = tools(newest.message())
    assert (call.state, call.output) == ("output-available", "look done")
    # It cannot discard what it has received.
    assert oldest.end().chunks[-1]["type"] == "error"
    assert len(cluster.provider.requests) == 3
    assert cluster.tool_runs() == ["look toolu_1 begins", "look toolu_1 ends"]
    assert [m["role"] for m in cluster.provider.request(2).json["messages"]] == [
        "user",
        "assistant",
        "user",
    ]


@pytest.mark.parametrize("tool", ["charge", "look"])
def test_a_tool_that_ran_in_a_killed_process(cluster: Cluster, tool: str) -> None:
    given = {"charge": {"amount": 5}, "look": {"city": "Bern"}}[tool]
    cluster.gate.touch()
    cluster.provider.script(
        Reply(message(text("Wait."), tool_use("toolu_1", tool, given), stop_reason="tool_use")),
        Reply(message(text("Done."))),
    )
    cluster.post(cluster.a, "c5").wait(lambda chunks: has(chunks, "tool-input-available"))
    other = cluster.resume(cluster.b, "c5")
    other.wait(lambda chunks: has(chunks, "tool-input-available"))
    begins = f"{tool} toolu_1 begins"
    while cluster.tool_runs() != [begins]:
        os.sched_yield()
    cluster.kill(cluster.a)
    cluster.gate.unlink()
    (call,) = tools(other.end().message())
    if tool == "look":
        assert text_of(other) == "Wait.Done."
        assert cluster.tool_runs() == [begins, begins, f"{tool} toolu_1 ends"]
        assert call.output == "look done"
    else:
        assert text_of(other) == "Wait."
        assert other.chunks[-1] == {"type": "finish", "finishReason": "interrupted"}
        assert cluster.tool_runs() == [begins]
        assert call.state == "output-error"
        assert len(cluster.provider.requests) == 1


@pytest.mark.parametrize("model_finishes", [False, True])
def test_a_process_that_resumes_late_does_not_show_its_end(
    cluster: Cluster, model_finishes: bool
) -> None:
    chat = f"c6-{model_finishes}"
    cluster.provider.script(
        Reply(message(text("Half", Pause(), " of it"))), Reply(message(text("All of it")))
    )
    client = cluster.post(cluster.a, chat)
    client.wait_for_text("Half")
    other = cluster.resume(cluster.b, chat)
    other.wait_for_text("Half")
    cluster.a.process.send_signal(signal.SIGSTOP)
    assert text_of(other.end()) == "All of it"
    cluster.a.process.send_signal(signal.SIGCONT)
    if model_finishes:
        cluster.provider.release()  # so that it has a whole response, of its own
    client.end()
    assert client.chunks[-1]["type"] == "error"
    assert model_finishes or cluster.provider.request().closed.wait(DEADLINE)
    assert httpx.get(f"{cluster.a.url}/readyz", trust_env=False).status_code == 200


def test_redis_may_stop_and_come_back_empty(cluster: Cluster) -> None:
    cluster.provider.script(
        Reply(message(text("One", Pause(), " two", Pause(), " three", Pause(), " four")))
    )
    client = cluster.post(cluster.a, "c7")
    client.wait_for_text("One")
    other = cluster.resume(cluster.b, "c7")
    other.wait_for_text("One")
    cluster.redis.stop()
    try:
        cluster.provider.release()
        client.wait_for_text("One two")
        rejected = cluster.post(cluster.b, "d7").end()
        assert (rejected.status, "try again" in rejected.text) == (503, True)
    finally:
        cluster.redis.start()
    other.wait_for_text("One two")
    cluster.provider.release()
    other.wait_for_text("One two three")
    late = cluster.resume(cluster.b, "c7")
    late.wait_for_text("One two three")
    cluster.provider.release()
    for reader in (client.end(), other.end(), late.end()):
        assert text_of(reader) == "One two three four"
        assert reader.chunks[-1]["type"] == "finish"
