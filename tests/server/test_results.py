"""The token counts in the message metadata, however a run ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from ui_message_stream.chunks import (
    Abort,
    Chunk,
    Error,
    Finish,
    MessageMetadata,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
)
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent
from usechat_server.errors import ModelError
from usechat_server.message_metadata import usage_metadata
from usechat_server.providers.base import StepResult
from usechat_server.providers.retry import RetryPolicy
from usechat_server.results import MetadataHook, RunResult, Usage
from usechat_server.runs import Runs
from usechat_server.tools import ClientTool
from usechat_server.turn import Turn

from tests.harness.agent_chat import AgentChat, make_turn
from tests.harness.asgi_host import LONG, AsgiHost
from tests.harness.lifecycle import StartedRun, start_run
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

TEXT: list[Chunk] = [TextStart(id="0"), TextDelta(id="0", delta="é" * 30)]
TOKENS = Usage(input=100, output=20, cache_read=1000, cache_write=10, thinking=5)
RESPONSE: list[ScriptEvent] = [TEXT, [TextEnd(id="0")], TOKENS, StepResult("stop")]
USAGE = {
    "inputTokens": 1110,
    "inputTokenDetails": {"noCacheTokens": 100, "cacheReadTokens": 1000, "cacheWriteTokens": 10},
    "outputTokens": 20,
    "outputTokenDetails": {"textTokens": 15, "reasoningTokens": 5},
    "totalTokens": 1130,
    "estimated": False,
}


async def started_run(
    *scripts: Iterable[ScriptEvent],
    hook: MetadataHook | None = usage_metadata,
    continued: UIMessage | None = None,
    client_version: ClientVersion = DEFAULT_CLIENT_VERSION,
    model: ScriptedModel | None = None,
) -> StartedRun:
    question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
    messages = [question] if continued is None else [question, continued]
    turn = Turn(
        user="ann", chat_id="c", client_version=client_version, messages=messages, message_id="m"
    )
    clock = ClientTool("clock", "The client's time.", {"type": "object"})
    agent = Agent(model or ScriptedModel(*scripts), tools=[clock], metadata=hook)
    return await start_run(Runs(), turn, agent, RetryPolicy(attempts=3, first_wait=0.001))


async def run_chunks(run: StartedRun) -> list[Chunk]:
    return await AsgiHost(run.response()).read_chunks()


def final_metadata(chunks: list[Chunk]) -> Any:
    """Return the metadata of the message that a client has at the end."""
    return reduce(chunks).metadata


async def test_the_tokens_of_a_run() -> None:
    chunks = await run_chunks(await started_run(RESPONSE))
    step = {"model": "scripted", "finishReason": "stop", "usage": USAGE}
    assert final_metadata(chunks) == {"usage": {**USAGE, "steps": [step]}}
    assert isinstance(chunks[-1], Finish)


async def test_a_stopped_run_has_known_counts_and_estimates() -> None:
    run = await started_run([TEXT, asyncio.Event()])
    host = AsgiHost(run.response())
    request = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    run.stop()
    await asyncio.wait_for(request, LONG)
    chunks = host.chunks
    usage = final_metadata(chunks)["usage"]
    # 60 bytes of text; the provider had said 3 tokens of input.
    assert (usage["inputTokens"], usage["outputTokens"], usage["estimated"]) == (3, 15, True)
    assert "finishReason" not in usage["steps"][0]
    assert [type(chunk) for chunk in chunks[-1:]] == [Abort]


async def test_a_failed_run_has_its_tokens() -> None:
    chunks = await run_chunks(await started_run([TEXT, ModelError("cut", "truncated")]))
    usage = final_metadata(chunks)["usage"]
    assert (usage["inputTokens"], usage["outputTokens"], usage["estimated"]) == (3, 15, True)
    # A client reads nothing that comes after it.
    assert isinstance(chunks[-1], Error)


async def test_an_interrupted_run_has_its_tokens() -> None:
    run = await started_run([TEXT, asyncio.Event()], client_version=NEWEST_CLIENT_VERSION)
    host = AsgiHost(run.response())
    request = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    run.interrupt()
    await asyncio.wait_for(request, LONG)
    chunks = host.chunks
    assert final_metadata(chunks)["usage"]["estimated"] is True
    assert chunks[-1] == Finish(finish_reason="interrupted")


async def test_a_retried_call_is_counted() -> None:
    failed = [ModelError("529", "overloaded", retryable=True)]
    usage = final_metadata(await run_chunks(await started_run(failed, RESPONSE)))["usage"]
    assert usage["inputTokens"] == 3 + 1110
    assert [step.get("finishReason") for step in usage["steps"]] == [None, "stop"]


async def test_a_stop_between_attempts_counts_the_last_one_once() -> None:
    model = ScriptedModel([ModelError("529", "overloaded", retryable=True, retry_after=30.0)])
    run = await started_run(model=model)
    host = AsgiHost(run.response())
    request = host.request()
    # After it the run waits for the next attempt.
    await asyncio.wait_for(model.streams[0].closed.wait(), LONG)
    run.stop()
    await asyncio.wait_for(request, LONG)
    usage = final_metadata(host.chunks)["usage"]
    assert (usage["inputTokens"], len(usage["steps"])) == (3, 1)


async def test_the_log_line_counts_every_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "usechat.run")
    cut: list[ScriptEvent] = [TEXT, ModelError("cut", "truncated")]
    failed = [ModelError("529", "overloaded", retryable=True)]
    await run_chunks(await started_run(failed, cut))
    [line] = [record.__dict__["run"] for record in caplog.records if "run" in record.__dict__]
    tokens = line["tokens"]
    assert (tokens["input"], tokens["output"], tokens["estimated"]) == (3 + 3, 15, True)


async def test_a_continuation_adds_to_earlier_runs() -> None:
    called: list[ScriptEvent] = [
        [ToolInputAvailable(tool_call_id="t", tool_name="clock", input={})],
        Usage(input=7, output=1),
        StepResult("tool-calls"),
    ]
    first = await run_chunks(await started_run(called))
    message = UIMessage.from_object(
        {
            "id": "m",
            "role": "assistant",
            "metadata": {**final_metadata(first), "mine": 1},
            "parts": [
                {"type": "step-start"},
                {
                    "type": "tool-clock",
                    "toolCallId": "t",
                    "state": "output-available",
                    "input": {},
                    "output": 1,
                },
            ],
        }
    )
    second = await run_chunks(await started_run(RESPONSE, continued=message))
    metadata = reduce(second, message).metadata
    assert metadata["mine"] == 1
    usage = metadata["usage"]
    assert (usage["inputTokens"], usage["outputTokens"]) == (7 + 1110, 21)
    assert usage["inputTokenDetails"]["noCacheTokens"] == 107
    assert [step["finishReason"] for step in usage["steps"]] == ["tool-calls", "stop"]


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "text",
        {"usage": 5},
        {"usage": {"steps": "x"}},
        {"usage": {"steps": [5, {"usage": None}, {}]}},
        {"usage": {"steps": [{"usage": {"inputTokens": "9", "outputTokens": True}}]}},
        {"usage": {"steps": [{"usage": {"inputTokens": {"a": 1}, "totalTokens": 0.5}}]}},
        {"usage": {"steps": [{"usage": {"inputTokenDetails": 5, "outputTokenDetails": {"x": 1}}}]}},
    ],
)
async def test_a_client_may_send_any_metadata(metadata: Any) -> None:
    message = UIMessage(id="m", role="assistant", parts=[], metadata=metadata)
    chunks = await run_chunks(await started_run(RESPONSE, continued=message))
    assert isinstance(chunks[-1], Finish)
    assert [c.message_metadata["usage"]["outputTokens"] for c in metadata_chunks(chunks)] == [20]


async def test_a_model_that_counts_nothing_has_no_metadata() -> None:
    assert usage_metadata(RunResult(any_turn(), "finished", [])) is None


async def test_metadata_can_be_switched_off() -> None:
    chunks = await run_chunks(await started_run(RESPONSE, hook=None))
    assert not list(metadata_chunks(chunks))


async def test_the_apps_own_metadata() -> None:
    results: list[RunResult] = []

    def hook(result: RunResult) -> dict[str, Any]:
        results.append(result)
        return {"cost": (result.usage.output or 0) * 2}

    chunks = await run_chunks(await started_run(RESPONSE, hook=hook))
    assert final_metadata(chunks) == {"cost": 40}
    [result] = results
    assert (result.outcome, result.turn.user, result.usage) == ("finished", "ann", TOKENS)


async def test_metadata_at_the_start_and_at_the_end() -> None:
    agent = Agent(
        ScriptedModel(RESPONSE, RESPONSE),
        start_metadata=lambda turn: {"asker": turn.user, "continues": turn.continued is not None},
        metadata=lambda result: {"outcome": result.outcome},
    )
    chunks = await AgentChat(agent).respond(make_turn())
    assert [type(chunk) for chunk in chunks[:3]] == [Start, MessageMetadata, StartStep]
    message = reduce(chunks)
    assert message.metadata == {"asker": "ann", "continues": False, "outcome": "finished"}
    chunks = await AgentChat(agent).respond(make_turn(continued=message))
    assert reduce(chunks, message).metadata == {
        "asker": "ann",
        "continues": True,
        "outcome": "finished",
    }


@pytest.mark.parametrize("wrong", [lambda _: {"x": object()}, lambda _: 5, lambda _: 1 / 0])
async def test_a_metadata_function_that_fails_does_not_fail_the_run(
    wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(ScriptedModel(RESPONSE), metadata=wrong, start_metadata=wrong)
    chunks = await AgentChat(agent).respond(make_turn())
    assert not list(metadata_chunks(chunks))
    assert isinstance(chunks[-1], Finish)
    assert " metadata= failed" in caplog.text
    assert "start_metadata= failed" in caplog.text


def metadata_chunks(chunks: list[Chunk]) -> list[MessageMetadata]:
    return [chunk for chunk in chunks if isinstance(chunk, MessageMetadata)]


def any_turn() -> Turn:
    return Turn(None, "c", DEFAULT_CLIENT_VERSION, [], message_id="m")
