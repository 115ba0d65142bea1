"""The spans of a run, as the real SDK of OpenTelemetry sends them to a collector."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider, Reply, http_error
from tests.harness.fake_provider_events import Pause, message, text, thinking, tool_use
from tests.harness.otlp_receiver import OTLPReceiver, ReceivedSpan
from tests.harness.serving import ServerProcess
from tests.harness.stream_client import StreamClient
from tests.server.telemetry.servers import QUESTION, TOKEN, Start, ask, scrape

WEATHER = Reply(
    message(tool_use("toolu_1", "weather", {"city": "Bern"}), stop_reason="tool_use"),
)
SUNNY = Reply(message(thinking("Hm."), text("It is ", "sunny.")))
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}


def by_id(spans: list[ReceivedSpan]) -> dict[str, ReceivedSpan]:
    return {span.span_id: span for span in spans}


def children(receiver: OTLPReceiver, span: ReceivedSpan) -> list[str]:
    spans = [each for each in receiver.spans if each.parent_id == span.span_id]
    return [each.name for each in sorted(spans, key=lambda each: each.start)]


def test_a_run_has_a_span_for_each_call_and_each_operation_of_the_store(
    served: ServerProcess, provider: FakeProvider, receiver: OTLPReceiver
) -> None:
    provider.script(WEATHER, SUNNY)
    ask(served, "c1", **TRACEPARENT)
    [run] = receiver.wait_for("invoke_agent")
    receiver.wait_for("finish sqlite")

    assert (run.kind, run.status) == ("INTERNAL", "UNSET")
    assert (run.trace_id, run.parent_id) == (TRACE_ID, PARENT_ID)
    assert {span.trace_id for span in receiver.spans} == {TRACE_ID}
    model = "chat claude-sonnet-5-5"
    assert [name for name in children(receiver, run) if "sqlite" not in name] == [
        model,
        "execute_tool weather",
        model,
    ]
    [tool] = receiver.named("execute_tool weather")
    assert children(receiver, tool) == ["look outside"]
    assert {"begin_calls sqlite", "finish sqlite"} <= {*children(receiver, run)}
    # The SDK of the provider has spans too: off, since they would count the call twice.
    assert {span.scope for span in receiver.spans} == {"usechat_server", "app"}
    for span in receiver.spans:
        if span.name.startswith(("chat", "execute_tool")):
            assert run.start <= span.start <= span.end <= run.end

    first, second = receiver.named(model)
    assert first.kind == "CLIENT"
    assert first.attributes["gen_ai.response.finish_reasons"] == ["tool_call"]
    seconds = second.attributes.pop("gen_ai.response.time_to_first_chunk")
    assert 0 < seconds < (second.end - second.start) / 1e9
    usage = {k: v for k, v in second.attributes.items() if k.startswith("gen_ai.usage.")}
    assert usage == {
        "gen_ai.usage.input_tokens": usage["gen_ai.usage.input_tokens"],
        "gen_ai.usage.output_tokens": usage["gen_ai.usage.output_tokens"],
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_write.input_tokens": 0,
    }
    assert {k: v for k, v in second.attributes.items() if k not in usage} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-5-5",
        "gen_ai.request.stream": True,
        "gen_ai.conversation.id": "c1",
        "gen_ai.response.id": second.attributes["gen_ai.response.id"],
        "gen_ai.response.model": second.attributes["gen_ai.response.model"],
        "gen_ai.response.finish_reasons": ["stop"],
        "usechat.provider.request_id": second.attributes["usechat.provider.request_id"],
    }
    assert tool.kind == "INTERNAL"
    assert tool.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.description": "Return the weather.",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "toolu_1",
        "gen_ai.conversation.id": "c1",
    }
    total = {
        name: sum(span.attributes[name] for span in (first, second))
        for name in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
    }
    assert total.items() <= run.attributes.items()
    assert run.attributes["gen_ai.conversation.id"] == "c1"
    assert run.attributes["usechat.run.outcome"] == "finished"


@pytest.mark.parametrize("app", ["starlette", "fastapi"])
def test_the_request_is_the_parent(
    app: str, served: ServerProcess, provider: FakeProvider, receiver: OTLPReceiver
) -> None:
    provider.script(WEATHER, SUNNY)
    ask(served, "c1", f"/{app}/api/chat", **TRACEPARENT)
    [run] = receiver.wait_for("invoke_agent")
    receiver.wait(lambda: any(span.parent_id == PARENT_ID for span in receiver.spans))
    request = by_id(receiver.spans)[run.parent_id]
    assert (request.kind, request.trace_id, request.parent_id) == ("SERVER", TRACE_ID, PARENT_ID)


def test_no_span_of_a_run_is_current_in_the_code_that_reads_it(
    served: ServerProcess, provider: FakeProvider, receiver: OTLPReceiver
) -> None:
    provider.script(SUNNY)
    ask(served, "c2", "/starlette/own")
    [run] = receiver.wait_for("invoke_agent")
    receiver.wait(lambda: run.parent_id in by_id(receiver.spans))
    own = receiver.named("between chunks")
    assert own
    assert {span.parent_id for span in own} == {run.parent_id}


def test_the_span_of_a_handler_has_those_of_its_agents(
    served: ServerProcess, provider: FakeProvider, receiver: OTLPReceiver
) -> None:
    provider.script(SUNNY)
    ask(served, "c3", "/starlette/handler/api/chat")
    [handler] = receiver.wait_for("invoke_agent _handle")
    assert handler.attributes["gen_ai.agent.name"] == "_handle"
    assert children(receiver, handler) == ["invoke_agent"]


@pytest.mark.parametrize("content", [False, True])
def test_content_is_recorded_on_request_only(
    content: bool, served: ServerProcess, provider: FakeProvider, receiver: OTLPReceiver
) -> None:
    provider.script(WEATHER, SUNNY)
    ask(served, "content", "/content/api/chat" if content else "/api/chat")
    receiver.wait_for("invoke_agent")
    tool = receiver.named("execute_tool weather")[0].attributes
    call = receiver.named("chat claude-sonnet-5-5")[1].attributes
    if not content:
        everything = str(receiver.spans)
        assert "Bern" not in everything
        assert "unny" not in everything
        return
    assert json.loads(tool["gen_ai.tool.call.arguments"]) == {"city": "Bern"}
    assert json.loads(tool["gen_ai.tool.call.result"]) == "sunny"
    call_part = {
        "type": "tool_call",
        "id": "toolu_1",
        "name": "weather",
        "arguments": {"city": "Bern"},
    }
    response = {"type": "tool_call_response", "id": "toolu_1", "response": "sunny"}
    question = {"type": "text", "content": "What is the weather in Bern?"}
    assert json.loads(call["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [question]},
        {"role": "assistant", "parts": [call_part]},
        {"role": "tool", "parts": [response]},
    ]
    assert json.loads(call["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {"type": "text", "content": "It is sunny."},
            ],
        }
    ]


def test_spans_have_nothing_of_what_an_error_quotes(
    served: ServerProcess, provider: FakeProvider, receiver: OTLPReceiver
) -> None:
    # The input of the tool, its error, and an output that stays invalid after the correction.
    nowhere = tool_use("toolu_1", "weather", {"city": "Nowhere", "secret": 1})
    output = Reply(message(text('{"degrees": "secret"}')))
    provider.script(Reply(message(nowhere, stop_reason="tool_use")), output, output)
    ask(served, "output", "/typed/api/chat")
    provider.script(http_error(400, "invalid_request_error", "secret"))
    ask(served, "provider", "/typed/api/chat")
    runs = receiver.wait_for("invoke_agent", 2)
    assert [(run.status, run.attributes["error.type"]) for run in runs] == [
        ("ERROR", "internal"),
        ("ERROR", "request"),
    ]
    assert "secret" not in str(receiver.spans)


def test_failures_and_stops_end_their_spans(
    served: ServerProcess, provider: FakeProvider, receiver: OTLPReceiver
) -> None:
    provider.script(http_error(401, "authentication_error", "invalid key"))
    ask(served, "failed")
    [run] = receiver.wait_for("invoke_agent")
    [call] = receiver.named("chat claude-sonnet-5-5")
    for span in (run, call):
        assert (span.status, span.attributes["error.type"]) == ("ERROR", "auth")
    assert call.attributes["gen_ai.response.finish_reasons"] == ["error"]

    receiver.clear()
    nowhere = tool_use("toolu_1", "weather", {"city": "Nowhere"})
    provider.script(Reply(message(nowhere, stop_reason="tool_use")), SUNNY)
    ask(served, "tool")
    [run] = receiver.wait_for("invoke_agent")
    [tool] = receiver.named("execute_tool weather")
    assert (tool.status, tool.attributes["error.type"]) == ("ERROR", "LookupError")
    assert "secret" not in str(receiver.spans)
    assert run.status == "UNSET"

    receiver.clear()
    provider.script(Reply(message(text("Hel", Pause(), "lo"))))
    body = {"id": "stopped", "messages": [QUESTION]}
    with StreamClient("POST", f"{served.url}/api/chat", body) as client:
        client.wait_for_text("Hel")
        httpx.post(f"{served.url}/api/chat/stopped/stop", trust_env=False, timeout=DEADLINE)
        client.end()
    [run] = receiver.wait_for("invoke_agent")
    [call] = receiver.named("chat claude-sonnet-5-5")
    assert run.attributes["usechat.run.outcome"] == "aborted"
    assert (run.status, call.status) == ("UNSET", "UNSET")
    assert call.attributes["gen_ai.response.finish_reasons"] == ["error"]
    assert call.end <= run.end


@pytest.mark.parametrize("processor", ["simple", "raising"])
def test_a_collector_that_hangs_and_a_processor_that_raises_cost_nothing(
    processor: str, start: Start, provider: FakeProvider, receiver: OTLPReceiver
) -> None:
    served = start("apps:plain", "usechat", PROCESSOR=processor, OTEL_EXPORTER_OTLP_TIMEOUT="3600")
    receiver.hang = True
    try:
        for chat in ("c1", "c2", "c3"):
            provider.script(SUNNY)
            assert ask(served, chat)[-1]["type"] == "finish"
        served.process.send_signal(signal.SIGTERM)
        receiver.hang = False
        served.process.wait(DEADLINE)
        assert "application shutdown complete" in served.output.lower()
        # The reason is logged once.
        assert served.output.count("Traceback") == (processor == "raising"), served.output
    finally:
        receiver.hang = False


def test_a_run_that_is_taken_over_has_a_link_to_where_it_began(
    start: Start, provider: FakeProvider, receiver: OTLPReceiver, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/chats.db"
    metrics = {"USECHAT_METRICS": "token", "USECHAT_METRICS_TOKEN": TOKEN}
    # Side by side: a process takes nothing over before it has been there for a while.
    second = start("apps:plain", USECHAT_STORE=store, **metrics)
    first = start("apps:plain", USECHAT_STORE=store)
    provider.script(WEATHER, Reply(message(text("It ", Pause(), "is"))), SUNNY)
    body = {"id": "c1", "messages": [QUESTION]}
    with StreamClient("POST", f"{first.url}/api/chat", body) as client:
        client.wait_for_text("It")
        [tool] = receiver.wait_for("execute_tool weather")
        first.process.kill()
    deadline = time.monotonic() + DEADLINE
    while not receiver.named("invoke_agent"):
        assert time.monotonic() < deadline
        httpx.get(f"{second.url}/api/chat/c1/stream", trust_env=False, timeout=DEADLINE)
    [run] = receiver.named("invoke_agent")
    assert run.links == (tool.parent_id,)
    assert run.trace_id != tool.trace_id
    assert run.parent_id == ""
    assert scrape(second)["usechat_takeovers_total"] == 1
