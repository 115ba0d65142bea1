"""The agent loop with AnthropicModel and the real SDK, against a fake provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from pydantic import BaseModel
from ui_message_stream.chunks import Error, Finish
from ui_message_stream.messages import CustomPart, StepStartPart, TextPart, ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION
from usechat_server.agent import Agent
from usechat_server.providers.anthropic import AnthropicModel
from usechat_server.tools import ClientTool, ToolError, tool

from tests.harness.agent_chat import AgentChat, make_turn, tool_part, with_part
from tests.harness.fake_provider import FakeProvider, Reply
from tests.harness.fake_provider_events import error_event, message, text, thinking, tool_use

MakeModel = Callable[..., AnthropicModel]

WHERE = ClientTool("where", "Where the user is.", {"type": "object"})


@tool
async def weather(city: str) -> dict[str, int]:
    """Current weather for a city."""
    if city == "Atlantis":
        raise ToolError("There is no such city.")
    return {"celsius": 21}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
async def claude(provider: FakeProvider) -> AsyncIterator[MakeModel]:
    """Return a function that makes models which call the fake provider."""
    async with AsyncAnthropic(base_url=provider.url, api_key="any", max_retries=0) as client:
        yield lambda name="claude-sonnet-5-5": AnthropicModel(name, client=client)


async def test_tool_results_and_errors_are_sent_to_the_provider(
    provider: FakeProvider, claude: MakeModel
) -> None:
    provider.script(
        Reply(
            message(
                thinking("Two cities."),
                text("Let me look."),
                tool_use("toolu_1", "weather", {"city": "Bern"}),
                tool_use("toolu_2", "weather", {"city": "Atlantis"}),
                tool_use("toolu_3", "weather", {"town": "Bern"}),
                tool_use("toolu_4", "wether", {"city": "Bern"}),
                stop_reason="tool_use",
                message_id="msg_1",
            )
        ),
        Reply(message(text("21 degrees."), message_id="msg_2")),
    )
    chat = AgentChat(Agent(claude(), tools=[weather], max_tokens=100))
    chunks = await chat.respond(make_turn())
    assert chunks[-1] == Finish(finish_reason="stop")

    _, second = (request.json for request in provider.requests)
    assistant, results = second["messages"][1:]
    assert [block["type"] for block in assistant["content"]] == ["thinking", "text"] + [
        "tool_use"
    ] * 4
    results_by_id = {block["tool_use_id"]: block for block in results["content"]}
    assert results_by_id["toolu_1"]["content"] == '{"celsius":21}'
    assert results_by_id["toolu_2"] | {"cache_control": None} == {
        "type": "tool_result",
        "tool_use_id": "toolu_2",
        "content": "There is no such city.",
        "is_error": True,
        "cache_control": None,
    }
    assert results_by_id["toolu_3"]["is_error"]
    assert "city" in results_by_id["toolu_3"]["content"]
    assert "wether" in results_by_id["toolu_4"]["content"]
    response = reduce(chunks)
    for call_id in ("toolu_2", "toolu_3", "toolu_4"):
        assert tool_part(response, call_id).error_text == results_by_id[call_id]["content"]


async def test_a_client_side_call_continues_in_the_same_message(
    provider: FakeProvider, claude: MakeModel
) -> None:
    provider.script(
        Reply(message(tool_use("toolu_1", "where", {}), stop_reason="tool_use")),
        Reply(message(text("You are here."), message_id="msg_2")),
    )
    chat = AgentChat(Agent(claude(), tools=[WHERE], max_tokens=100))
    response = await chat.response_message(make_turn())
    response = with_part(response, "toolu_1", state="output-available", output="here")
    response = await chat.response_message(make_turn(continued=response))
    assert len(provider.requests) == 2
    assert provider.requests[1].json["messages"][-1]["content"][0]["content"] == "here"
    assert response.parts[-1] == TextPart(text="You are here.", state="done")


async def test_a_call_that_fails_inside_a_tool_input_is_retried(
    provider: FakeProvider, claude: MakeModel
) -> None:
    def incomplete(call_id: str) -> list[Any]:
        return message(text("Let me"), tool_use(call_id, "weather", pieces=["", '{"ci']))[:-3]

    provider.script(
        Reply([*incomplete("toolu_1"), error_event()]),
        Reply(message(tool_use("toolu_1", "weather", {"city": "Bern"}), stop_reason="tool_use")),
        Reply(incomplete("toolu_2"), then="reset"),
        Reply(message(text("21 degrees."), message_id="msg_2")),
    )
    chat = AgentChat(Agent(claude(), tools=[weather], max_tokens=100))
    response = await chat.response_message(make_turn(NEWEST_CLIENT_VERSION))
    kinds = [type(part) for part in response.parts if not isinstance(part, CustomPart)]
    assert kinds == [StepStartPart, ToolPart, StepStartPart, TextPart]
    assert tool_part(response, "toolu_1").output == {"celsius": 21}
    assert len(provider.requests) == 4


async def test_the_fallback_model_is_called(provider: FakeProvider, claude: MakeModel) -> None:
    provider.on(
        lambda request: Reply(
            [error_event()]
            if request.json["model"] == "claude-sonnet-5-5"
            else message(text("Hello."), model="claude-haiku-5-5")
        )
    )
    agent = Agent(claude(), fallback=[claude("claude-haiku-5-5")], max_tokens=100)
    chat = AgentChat(agent)
    chunks = await chat.respond(make_turn(DEFAULT_CLIENT_VERSION))
    assert reduce(chunks).parts[-1] == TextPart(text="Hello.", state="done")
    assert not any(isinstance(chunk, Error) for chunk in chunks)
    models = [request.json["model"] for request in provider.requests]
    assert models == ["claude-sonnet-5-5"] * 3 + ["claude-haiku-5-5"]
    assert chat.results[0].steps[-1].model == "claude-haiku-5-5"


class Place(BaseModel):
    name: str


async def test_structured_output_uses_the_provider_s_json_schema(
    provider: FakeProvider, claude: MakeModel
) -> None:
    provider.script(Reply(message(text('{"na', 'me": "Bern"}'))))
    chat = AgentChat(Agent(claude(), output=Place, max_tokens=100))
    await chat.respond(make_turn())
    output_format = provider.requests[0].json["output_config"]["format"]
    assert (output_format["type"], list(output_format["schema"]["properties"])) == (
        "json_schema",
        ["name"],
    )
    assert chat.results[0].output == Place(name="Bern")


@pytest.mark.parametrize("call_id", ["call_0", "", "nul\0", "x" * 300])
async def test_a_tool_call_id_may_come_again(
    provider: FakeProvider, claude: MakeModel, call_id: str
) -> None:
    calls = [tool_use(call_id, "weather", {"city": city}) for city in ("Bern", "Rome")]
    provider.script(
        Reply(message(*calls, stop_reason="tool_use", message_id="msg_1")),
        Reply(message(calls[0], stop_reason="tool_use", message_id="msg_2")),
        Reply(message(text("Warm."), message_id="msg_3")),
    )
    chat = AgentChat(Agent(claude(), tools=[weather]))
    response = await chat.response_message(make_turn())
    parts = [part for part in response.parts if isinstance(part, ToolPart)]
    assert [part.state for part in parts] == ["output-available"] * 3
    ids = [part.tool_call_id for part in parts]
    assert len(set(ids)) == 3
    assert all("\0" not in each and len(each) < 210 for each in ids)


@pytest.mark.parametrize(
    ("details", "reason"), [({"explanation": "It could do harm."}, "It could do harm."), (None, "")]
)
@pytest.mark.parametrize("content", [[], [text("I could")], [tool_use("toolu_1", "weather")]])
async def test_a_refused_turn_is_explained_and_not_sent_again(
    provider: FakeProvider,
    claude: MakeModel,
    content: list[Any],
    details: Any,
    reason: str,
) -> None:
    provider.script(
        Reply(message(*content, stop_reason="refusal", stop_details=details)),
        Reply(message(text("Hello."), message_id="msg_2")),
    )
    chat = AgentChat(Agent(claude(), tools=[weather]))
    turn = make_turn()
    refused = await chat.response_message(turn)
    text_parts = [part.text for part in refused.parts if isinstance(part, TextPart) and part.text]
    assert text_parts[-1].startswith("The model declined to respond to this.")
    assert reason in text_parts[-1]
    hello = UIMessage(id="u2", role="user", parts=[TextPart(text="Hello")])
    chunks = await chat.respond(replace(turn, messages=[*turn.messages, refused, hello]))
    assert chunks[-1] == Finish(finish_reason="stop")
    [only_message] = provider.requests[1].json["messages"]
    assert [block["text"] for block in only_message["content"]] == ["Hello"]


async def test_counts_and_names_that_no_store_could_keep_are_left_out(
    provider: FakeProvider, claude: MakeModel
) -> None:
    usage = {"input_tokens": 10**30, "output_tokens": -1, "cache_read_input_tokens": 2**53 - 1}
    provider.script(Reply(message(text("Hi."), usage=usage, model=f"m\0{'x' * 10**6}")))
    chat = AgentChat(Agent(claude()))
    await chat.respond(make_turn())
    [step] = chat.results[0].steps
    assert step.model == f"m{'x' * 199}"
    assert (step.usage.input, step.usage.cache_read) == (None, 2**53 - 1)
    assert step.usage.output == 1


async def test_a_container_is_used_only_in_its_own_chat(
    provider: FakeProvider, claude: MakeModel
) -> None:
    expires_at = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    container = {"id": "container_1", "expires_at": expires_at}
    provider.on(lambda _: Reply(message(text("Ran."), container=container)))
    chat, turn = AgentChat(Agent(claude())), make_turn()
    response = await chat.response_message(turn)
    hello = UIMessage(id="u2", role="user", parts=[TextPart(text="Hello")])
    second = replace(turn, messages=[*turn.messages, response, hello])
    forged = UIMessage(
        id=response.id,
        role="assistant",
        parts=response.parts,
        metadata={"usechat.anthropic": {"container": {**container, "id": "container_2"}}},
    )
    for other in (
        second,
        replace(second, user="eve"),
        replace(second, chat_id="another"),
        replace(second, messages=[*turn.messages, forged, hello]),
    ):
        await chat.respond(other)
    sent = [request.json.get("container") for request in provider.requests]
    assert sent == [None, "container_1", None, None, None]
