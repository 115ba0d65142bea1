"""The loop with Claude's backend and the real SDK, against a provider on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from pydantic import BaseModel
from ui_message_stream.chunks import Error, Finish
from ui_message_stream.messages import CustomPart, StepStartPart, TextPart, ToolPart
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION
from usechat_server.agent import Agent
from usechat_server.providers.anthropic import AnthropicModel
from usechat_server.tools import ClientTool, ToolError, tool

from tests.harness.fake_provider import FakeProvider, Reply
from tests.harness.fake_provider_events import error_event, message, text, thinking, tool_use
from tests.harness.turns import Scene, ask, changed, tool_part

Claude = Callable[..., AnthropicModel]

WHERE = ClientTool("where", "Where the page is.", {"type": "object"})


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
async def claude(provider: FakeProvider) -> AsyncIterator[Claude]:
    """Makes models that ask the provider."""
    async with AsyncAnthropic(base_url=provider.url, api_key="any", max_retries=0) as client:
        yield lambda name="claude-sonnet-5-5": AnthropicModel(name, client=client)


async def test_tools_of_one_step_and_the_answer_after_them(
    provider: FakeProvider, claude: Claude
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
    scene = Scene(Agent(claude(), tools=[weather], max_tokens=100))
    answer = await scene.answer(ask())
    assert answer[-1] == Finish(finish_reason="stop")

    _, second = (request.json for request in provider.requests)
    assistant, results = second["messages"][1:]
    assert [block["type"] for block in assistant["content"]] == ["thinking", "text"] + [
        "tool_use"
    ] * 4
    told = {block["tool_use_id"]: block for block in results["content"]}
    assert told["toolu_1"]["content"] == '{"celsius":21}'
    assert told["toolu_2"] | {"cache_control": None} == {
        "type": "tool_result",
        "tool_use_id": "toolu_2",
        "content": "There is no such city.",
        "is_error": True,
        "cache_control": None,
    }
    assert told["toolu_3"]["is_error"]
    assert "city" in told["toolu_3"]["content"]
    assert "wether" in told["toolu_4"]["content"]
    shown = reduce(answer)
    for call_id in ("toolu_2", "toolu_3", "toolu_4"):
        assert tool_part(shown, call_id).error_text == told[call_id]["content"]


async def test_a_call_of_the_page_goes_on_in_the_same_message(
    provider: FakeProvider, claude: Claude
) -> None:
    provider.script(
        Reply(message(tool_use("toolu_1", "where", {}), stop_reason="tool_use")),
        Reply(message(text("You are here."), message_id="msg_2")),
    )
    scene = Scene(Agent(claude(), tools=[WHERE], max_tokens=100))
    shown = await scene.message(ask())
    shown = changed(shown, "toolu_1", state="output-available", output="here")
    shown = await scene.message(ask(continued=shown))
    assert len(provider.requests) == 2
    assert provider.requests[1].json["messages"][-1]["content"][0]["content"] == "here"
    assert shown.parts[-1] == TextPart(text="You are here.", state="done")


async def test_a_call_that_breaks_off_inside_a_tools_input(
    provider: FakeProvider, claude: Claude
) -> None:
    def half(call_id: str) -> list[Any]:
        return message(text("Let me"), tool_use(call_id, "weather", pieces=["", '{"ci']))[:-3]

    provider.script(
        Reply([*half("toolu_1"), error_event()]),
        Reply(message(tool_use("toolu_1", "weather", {"city": "Bern"}), stop_reason="tool_use")),
        Reply(half("toolu_2"), then="reset"),
        Reply(message(text("21 degrees."), message_id="msg_2")),
    )
    scene = Scene(Agent(claude(), tools=[weather], max_tokens=100))
    shown = await scene.message(ask(NEWEST_CLIENT_VERSION))
    kinds = [type(part) for part in shown.parts if not isinstance(part, CustomPart)]
    assert kinds == [StepStartPart, ToolPart, StepStartPart, TextPart]
    assert tool_part(shown, "toolu_1").output == {"celsius": 21}
    assert len(provider.requests) == 4


async def test_another_model_takes_over(provider: FakeProvider, claude: Claude) -> None:
    provider.on(
        lambda request: Reply(
            [error_event()]
            if request.json["model"] == "claude-sonnet-5-5"
            else message(text("Hello."), model="claude-haiku-5-5")
        )
    )
    agent = Agent(claude(), fallback=[claude("claude-haiku-5-5")], max_tokens=100)
    scene = Scene(agent)
    answer = await scene.answer(ask(DEFAULT_CLIENT_VERSION))
    assert reduce(answer).parts[-1] == TextPart(text="Hello.", state="done")
    assert not any(isinstance(chunk, Error) for chunk in answer)
    models = [request.json["model"] for request in provider.requests]
    assert models == ["claude-sonnet-5-5"] * 3 + ["claude-haiku-5-5"]
    assert scene.answers[0].steps[-1].model == "claude-haiku-5-5"


class Place(BaseModel):
    name: str


async def test_the_shape_of_the_answer_is_the_providers_to_keep(
    provider: FakeProvider, claude: Claude
) -> None:
    provider.script(Reply(message(text('{"na', 'me": "Bern"}'))))
    scene = Scene(Agent(claude(), output=Place, max_tokens=100))
    await scene.answer(ask())
    asked = provider.requests[0].json["output_config"]["format"]
    assert (asked["type"], list(asked["schema"]["properties"])) == ("json_schema", ["name"])
    assert scene.answers[0].output == Place(name="Bern")
