"""Model calls that fail midway: no client reads output twice, and no tool runs twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import pytest
from ui_message_stream.chunks import Chunk, Error, Finish, ResetStep, TextDelta, TextStart
from ui_message_stream.messages import StepStartPart, TextPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent
from usechat_server.errors import ModelError
from usechat_server.providers.base import StepResult
from usechat_server.tools import tool

from tests.harness.agent_chat import AgentChat, call_chunks, make_turn, text_chunks, tool_part
from tests.harness.asgi_host import LONG, AsgiHost
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

CALLS, DONE = StepResult("tool-calls"), StepResult("stop")
TEXT_RESPONSE: list[ScriptEvent] = [text_chunks(), DONE]
HALF: list[Chunk] = [TextStart(id="0"), TextDelta(id="0", delta="Do")]
WHOLE = UIMessage(
    id="m", role="assistant", parts=[StepStartPart(), TextPart(text="Done.", state="done")]
)


def truncated() -> ModelError:
    return ModelError("EOF", "truncated", retryable=True)


async def wait_for_half(host: AsgiHost) -> None:
    await host.wait_for_body(lambda body: b'"Do"' in body)


class FailingRun:
    """A run whose first model call fails in the middle of a text, once `fails` is set."""

    def __init__(self, *later_scripts: Iterable[ScriptEvent]) -> None:
        self.fails = asyncio.Event()
        self.model = ScriptedModel(
            [HALF, self.fails, truncated()], *(later_scripts or (TEXT_RESPONSE,))
        )
        self.chat = AgentChat(Agent(self.model, metadata=None), idle_timeout=LONG)

    async def start(self, *client_versions: ClientVersion) -> list[AsgiHost]:
        """Start the run and return its clients, once each has read the first half of the text. The
        first client sent the turn."""
        await self.chat.start_run(make_turn(client_versions[0]))
        hosts = [self.chat.connect(client_version) for client_version in client_versions]
        self.requests = [host.request() for host in hosts]
        for host in hosts:
            await wait_for_half(host)
        return hosts

    async def end(self) -> None:
        self.fails.set()
        await asyncio.wait_for(asyncio.gather(*self.requests), LONG)
        await self.chat.wait_settled()


async def test_a_client_that_supports_reset_step_discards_the_half() -> None:
    run = FailingRun()
    [host] = await run.start(NEWEST_CLIENT_VERSION)
    await run.end()
    assert [chunk.type for chunk in host.chunks].count("start-step") == 1
    assert ResetStep() in host.chunks
    assert reduce(host.chunks) == WHOLE
    assert host.chunks[-1] == Finish(finish_reason="stop")
    assert len(run.model.calls) == 2


@pytest.mark.parametrize(
    "client_versions", [(DEFAULT_CLIENT_VERSION,), (NEWEST_CLIENT_VERSION, ClientVersion(6))]
)
async def test_the_run_fails_if_one_client_cannot_discard_what_it_read(
    client_versions: tuple[ClientVersion, ...],
) -> None:
    run = FailingRun()
    hosts = await run.start(*client_versions)
    await run.end()
    for host in hosts:
        assert isinstance(host.chunks[-1], Error)
        assert reduce(host.chunks).parts[-1] == TextPart(text="Do", state="done")
    assert len(run.model.calls) == 1
    assert run.chat.results[0].outcome == "failed"


async def test_output_that_no_client_read_is_replaced_silently() -> None:
    retried = asyncio.Event()

    def second_script() -> Iterator[ScriptEvent]:
        retried.set()
        yield from TEXT_RESPONSE

    run = FailingRun(second_script())
    await run.chat.start_run(make_turn(DEFAULT_CLIENT_VERSION))
    host = run.chat.connect(DEFAULT_CLIENT_VERSION)
    host.reading.clear()
    run.requests = [host.request()]
    run.fails.set()
    await asyncio.wait_for(retried.wait(), LONG)
    host.reading.set()
    await run.end()
    assert reduce(host.chunks) == WHOLE
    assert b'"Do"' not in host.body


async def test_a_client_that_resumes_does_not_read_discarded_chunks() -> None:
    run = FailingRun()
    [host] = await run.start(NEWEST_CLIENT_VERSION)
    resumed = run.chat.subscription.log.reader(DEFAULT_CLIENT_VERSION, from_start=True)
    await run.end()
    data = b""
    while (piece := await resumed.read()) is not None:
        data += piece
    assert b'"Do"' not in data
    assert b"reset-step" not in data
    assert run.chat.subscription.log.message() == WHOLE
    assert host.complete


async def test_a_retried_step_does_not_repeat_the_tools_of_the_step_before() -> None:
    ran = []

    @tool
    async def note() -> str:
        """Records that it ran."""
        ran.append(1)
        return "noted"

    model = ScriptedModel(
        [call_chunks("a", "note"), CALLS], [HALF, *[0.0] * 100, truncated()], TEXT_RESPONSE
    )
    chunks = await AgentChat(Agent(model, tools=[note])).respond(make_turn(NEWEST_CLIENT_VERSION))
    assert ran == [1]
    message = reduce(chunks)
    assert tool_part(message, "a").output == "noted"
    assert message.parts[-1] == TextPart(text="Done.", state="done")
    # The retry sends the same messages.
    assert model.calls[1].messages == model.calls[2].messages


async def test_tool_calls_of_a_failed_attempt_do_not_run() -> None:
    ran = []

    @tool
    async def note(what: str) -> None:
        """Records that it ran."""
        ran.append(what)

    model = ScriptedModel(
        [call_chunks("a", "note", what="first"), *[0.0] * 100, truncated()],
        [call_chunks("a", "note", what="second"), CALLS],
        TEXT_RESPONSE,
    )
    chunks = await AgentChat(Agent(model, tools=[note])).respond(make_turn(NEWEST_CLIENT_VERSION))
    assert ran == ["second"]
    assert tool_part(reduce(chunks), "a").input == {"what": "second"}


async def test_a_fallback_model_is_used_for_later_steps_too() -> None:
    busy = ModelError("529", "overloaded", retryable=True)
    first = ScriptedModel([busy])
    second = ScriptedModel([ModelError("401", "auth")])
    third = ScriptedModel([call_chunks("a", "note"), CALLS], TEXT_RESPONSE)

    @tool
    async def note() -> None:
        """Does nothing."""

    chat = AgentChat(Agent(first, fallback=[second, third], tools=[note]))
    chunks = await chat.respond(make_turn())
    assert chunks[-1] == Finish(finish_reason="stop")
    call_counts = [len(model.calls) for model in (first, second, third)]
    assert call_counts == [3, 1, 2]
    assert not any(isinstance(chunk, Error) for chunk in chunks)


async def test_a_fallback_replaces_partial_output_only_if_clients_can_discard_it() -> None:
    for client_version, last_type in (
        (NEWEST_CLIENT_VERSION, Finish),
        (DEFAULT_CLIENT_VERSION, Error),
    ):
        failing = ScriptedModel([HALF, *[0.0] * 100, ModelError("EOF", "truncated")])
        other = ScriptedModel(TEXT_RESPONSE)
        chunks = await AgentChat(Agent(failing, fallback=[other])).respond(
            make_turn(client_version)
        )
        assert isinstance(chunks[-1], last_type)
        assert len(other.calls) == (last_type is Finish)


async def test_the_error_of_the_last_model_ends_the_run() -> None:
    models = [ScriptedModel([ModelError(f"{number}", "overloaded")]) for number in range(2)]
    chat = AgentChat(Agent(models[0], fallback=models[1:]))
    chunks = await chat.respond(make_turn())
    assert isinstance(chunks[-1], Error)
    assert "overloaded" in chunks[-1].error_text
