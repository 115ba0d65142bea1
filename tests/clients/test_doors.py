"""The doors with the published clients that they are for, over sockets, against the running server:
TextStreamChatTransport, useCompletion and useObject."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.conversation import NEWEST, Conversation, Conversations, Target
from tests.clients.scenario import (
    STEP,
    Scenario,
    regenerate,
    reload,
    resume,
    send,
    start,
    stop,
    text_part,
    trigger_event,
    wait_for_text,
)
from tests.clients.scenarios.replies import PARIS, cut_reply, reply, tool_call_reply
from tests.harness.fake_provider import (
    Block,
    FakeProvider,
    Pause,
    Reply,
    message,
    text,
    thinking,
    tool_use,
)
from tests.harness.node import CLIENTS, NodeProcess
from tests.harness.serving import serve

RECIPE = '{"name": "Ofenschlupfer", "steps": ["slice", "bake"]}'


@pytest.fixture(scope="module")
def conversations() -> Iterator[Conversations]:
    with FakeProvider() as provider:
        environment = {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": "any"}
        with (
            serve("tests.clients.doors_backend:app", "usechat", env=environment) as served,
            NodeProcess(CLIENTS / "driver" / "main.mjs") as node,
        ):
            yield Conversations(node, provider, served.url)


def cut_after(*blocks: Block) -> Reply:
    """Return a reply that is cut within its last block, once it is released."""
    return Reply([*message(*blocks)[:-3], Pause()], then="reset")


def release_cut(conversations: Conversations, conversation: Conversation) -> None:
    """Release the reply that is cut, when its text is shown."""
    conversations.wait_for_event("shown", conversation)
    conversations.provider.release()


def text_chat(**fields: Any) -> Scenario:
    return Scenario(app="doors", transport="TextStreamChatTransport", route="text", **fields)


HELLO = reply(text("Hello"))
#: It is cut when the client has seen its text, so that the model cannot be called again.
CUT = cut_after(text("Hello"))
UNTIL_STOPPED = cut_reply(text("Hello"), then="hang")

TEXT_CHATS = [
    text_chat(
        name="text",
        replies=[HELLO, reply(text("Again"))],
        actions=[send("Hi"), send("And?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Again")],
    ),
    text_chat(
        name="a tool between two texts",
        replies=[
            tool_call_reply(text("Let me see. "), tool_use("toolu_1", "forecast", PARIS)),
            reply(thinking("Hm"), text("21 degrees.")),
        ],
        actions=[send("Hi")],
        parts=[STEP, text_part("Let me see. 21 degrees.")],
    ),
    text_chat(
        name="broken off",
        replies=[CUT],
        actions=[start("Hi"), wait_for_text("Hello"), trigger_event("shown")],
        status="error",
        parts=[STEP, text_part("Hello", "streaming")],
    ),
    text_chat(
        name="stop",
        replies=[UNTIL_STOPPED],
        actions=[start("Hi"), wait_for_text("Hello"), stop],
        parts=[STEP, text_part("Hello", "streaming")],
        closed_requests=[0],
    ),
    text_chat(
        name="reload",
        replies=[UNTIL_STOPPED],
        actions=[start("Hi"), wait_for_text("Hello"), reload],
        requests=2,
        roles=["user"],
        closed_requests=[0],
    ),
    text_chat(
        name="resume after the end",
        replies=[HELLO],
        actions=[send("Hi"), resume],
        requests=2,
        parts=[STEP, text_part("Hello")],
    ),
    text_chat(
        name="regenerate",
        replies=[HELLO, reply(text("Hello again"))],
        actions=[send("Hi"), regenerate],
        requests=2,
        parts=[STEP, text_part("Hello again")],
    ),
]


@pytest.mark.parametrize("release", NEWEST)
def test_text(conversations: Conversations, release: str) -> None:
    target = Target(release, None)
    started = [(scenario, conversations.start(scenario, target)) for scenario in TEXT_CHATS]
    for scenario, conversation in started:
        if scenario.status == "error":
            release_cut(conversations, conversation)
        transcript = conversation.transcript()
        messages, name = transcript["messages"], scenario.name
        assert transcript["status"] == scenario.status, (name, transcript["error"])
        assert len(transcript["requests"]) == scenario.requests, name
        assert [message["role"] for message in messages] == list(scenario.roles), name
        if scenario.parts is not None:
            assert messages[-1]["parts"] == list(scenario.parts), name
        for index in scenario.closed_requests:
            assert conversation.provider_requests[index].closed.wait(20), name


@pytest.mark.parametrize("release", NEWEST)
@pytest.mark.parametrize("protocol", ["data", "text"])
def test_use_completion(conversations: Conversations, release: str, protocol: str) -> None:
    def ask(*replies: Reply, **options: Any) -> Any:
        path = f"doors/api/completion?protocol={protocol}"
        return conversations.ask(
            path, "Hi", *replies, hook="completion", release=release, protocol=protocol, **options
        )

    two_steps = ask(
        tool_call_reply(text("Let me see."), tool_use("toolu_1", "forecast", PARIS)),
        reply(thinking("Hm"), text("It is "), text("21 degrees.")),
    )
    stopped = ask(UNTIL_STOPPED, stopAt="Hello")
    cut = ask(CUT, tellAt="Hello")

    result = two_steps.transcript()
    assert result["value"] == "Let me see.\n\nIt is \n\n21 degrees."
    assert result["error"] is None
    assert [finish[1] for finish in result["finishes"]] == [result["value"]]
    assert len(result["requests"]) == 1

    assert stopped.transcript()["value"] == "Hello"
    assert stopped.transcript()["error"] is None
    assert stopped.provider_requests[0].closed.wait(20)

    release_cut(conversations, cut)
    failed = cut.transcript()
    assert failed["value"] == "Hello"
    assert failed["error"] is not None
    if protocol == "data":
        assert failed["error"]["message"].startswith("The connection to the model was lost")
    assert len(failed["requests"]) == 1


@pytest.mark.parametrize("release", NEWEST)
def test_use_object(conversations: Conversations, release: str) -> None:
    def ask(*replies: Reply, app: str = "recipes", schema: str = "recipe", **options: Any) -> Any:
        path = f"{app}/api/object"
        return conversations.ask(
            path, "Bread", *replies, hook="object", release=release, schema=schema, **options
        )

    whole = ask(
        tool_call_reply(text("Let me see."), tool_use("toolu_1", "forecast", PARIS)),
        reply(thinking("Hm"), text(RECIPE[:20], RECIPE[20:])),
        wrap="topic",
    )
    array = ask(reply(text('[{"city": "Rome"}]')), app="cities", schema="cities")
    stopped = ask(cut_reply(text(RECIPE[:-10]), then="hang"), stopAt="slice")
    cut = ask(cut_after(text(RECIPE[:-10])), tellAt="slice")

    result = whole.transcript()
    assert result["error"] is None
    assert result["value"] == {"name": "Ofenschlupfer", "steps": ["slice", "bake"]}
    [[finish]] = result["finishes"]
    assert finish["object"] == result["value"]
    assert finish.get("error") is None
    assert len(result["requests"]) == 1
    question = whole.turns()[0][0]["content"]
    assert question == [{"type": "text", "text": '{"topic":"Bread"}'}]

    assert array.transcript()["value"] == [{"city": "Rome"}]
    assert array.transcript()["error"] is None
    assert array.turns()[0][0]["content"] == [{"type": "text", "text": "Bread"}]

    assert stopped.transcript()["value"] == {"name": "Ofenschlupfer", "steps": ["slice"]}
    assert stopped.provider_requests[0].closed.wait(20)

    release_cut(conversations, cut)
    assert cut.transcript()["error"] is not None
    assert cut.transcript()["value"] == {"name": "Ofenschlupfer", "steps": ["slice"]}
