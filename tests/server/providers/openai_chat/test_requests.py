"""What a server receives: parameters, files, and histories of any provider."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel, RootModel
from ui_message_stream.messages import FilePart, TextPart, UIMessage
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server import Agent, ClientTool, ModelError, Turn
from usechat_server.anthropic import AnthropicOptions, web_search
from usechat_server.openai import OpenAIChat, OpenAIChatOptions
from usechat_server.providers.base import ModelCall
from usechat_server.providers.openai_chat.request.build import build_request

from tests.harness.fake_openai import FakeOpenAI
from tests.harness.fake_openai_rules import chat_request_errors
from tests.harness.fake_provider import Reply, http_error, message, text, tool_use
from tests.harness.media import data_url, pdf, png

PNG = {"type": "file", "mediaType": "image/png", "url": data_url(png(1, 1)), "filename": "a.png"}
AZURE = AsyncOpenAI(base_url="https://x.openai.azure.com", api_key="k")
STEP = {"type": "step-start"}


def user(*parts: Any, message_id: str = "u") -> UIMessage:
    full = [{"type": "text", "text": each} if isinstance(each, str) else each for each in parts]
    return UIMessage.from_object({"id": message_id, "role": "user", "parts": full})


def assistant(*parts: Any, **fields: Any) -> UIMessage:
    return UIMessage.from_object({"id": "a", "role": "assistant", "parts": list(parts), **fields})


def call(state: str = "output-available", **fields: Any) -> dict[str, Any]:
    part = {"type": "tool-weather", "toolCallId": "call_1", "state": state, "input": {"c": 1}}
    return {**part, **({"output": "sunny"} if state == "output-available" else {}), **fields}


def messages_of(*history: UIMessage, tools: Any = (), **fields: Any) -> list[dict[str, Any]]:
    request = build_request(ModelCall(history, tools=tools, **fields), model="m")
    assert chat_request_errors(request) == []
    messages: list[dict[str, Any]] = request["messages"]
    return messages


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as provider:
        provider.on(lambda _: Reply(message(text("Hi"))))
        monkeypatch.setenv("OPENAI_API_KEY", "theirs")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        yield provider


async def respond(agent: Agent, *history: UIMessage) -> list[Any]:
    """The chunks of a run, as an app's own code reads them."""
    turn = Turn(None, "c", DEFAULT_CLIENT_VERSION, list(history) or [user("Hi")], message_id="new")
    try:
        return [chunk async for chunk in agent.stream(turn)]
    finally:
        await agent.aclose()


# Parameters


async def test_the_options_are_the_parameters_of_the_api(provider: FakeOpenAI) -> None:
    class Answer(BaseModel):
        words: list[str]
        note: str = ""

    options = OpenAIChatOptions(
        reasoning_effort="low",
        temperature=0.5,
        stop=["END"],
        parallel_tool_calls=False,
        system_role="developer",
        extra_body={"seed": 7},
        extra_headers={"x-team": "a"},
    )
    provider.on(lambda _: Reply(message(text('{"words": []}'))))
    tool = ClientTool("clock", "The time.", {"type": "object"})
    agent = Agent(
        "openai-chat:gpt-x",
        system="Be brief.",
        options=options,
        tools=[tool],
        output=Answer,
        max_tokens=9,
    )
    await respond(agent)
    [request] = provider.requests
    schema = request.json["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"]) == ("Answer", True)
    assert schema["schema"]["required"] == ["words", "note"]
    assert {**request.json, "response_format": None} == {
        "model": "gpt-x",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "clock",
                    "description": "The time.",
                    "parameters": tool.input_schema,
                },
            }
        ],
        "reasoning_effort": "low",
        "temperature": 0.5,
        "stop": ["END"],
        "seed": 7,
        "parallel_tool_calls": False,
        "max_tokens": 9,
        "response_format": None,
    }
    assert request.headers["x-team"] == "a"


def test_a_schema_that_cannot_be_strict_is_sent_as_it_is() -> None:
    class Free(BaseModel):
        values: dict[str, int]

    body = OpenAIChatOptions(output_format=Free).body()
    schema = body["response_format"]["json_schema"]
    assert (schema["strict"], schema["schema"]) == (False, Free.model_json_schema())
    json_object = OpenAIChatOptions(output_format="json_object").body()
    assert json_object["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("arguments", "name", "provider"),
    [
        ({"api_key": "k"}, "max_completion_tokens", "openai"),
        ({"base_url": "http://localhost:1/v1"}, "max_tokens", "localhost"),
        ({"client": AZURE}, "max_completion_tokens", "azure.ai.openai"),
        (
            {
                "options": OpenAIChatOptions(max_tokens_name="max_completion_tokens"),
                "base_url": "https://api.groq.com/openai/v1",
            },
            "max_completion_tokens",
            "api.groq.com",
        ),
    ],
)
def test_the_most_tokens_have_the_name_that_the_server_knows(
    arguments: Any, name: str, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    model = OpenAIChat("m", **arguments)
    assert model.provider == provider
    request = model.stream(ModelCall([user("Hi")], max_tokens=5)).request
    assert request["extra_body"][name] == 5


async def test_what_is_for_openai_is_sent_to_no_other_server(
    provider: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{provider.url}/v1"
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "theirs-admin")
    monkeypatch.setenv("OPENAI_ORG_ID", "theirs-org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "theirs-project")
    custom = "X-Gateway: theirs-too\nauthorization : Bearer theirs-custom\nopenai-project: theirs-2"
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", custom)
    options = OpenAIChatOptions(extra_headers={"OpenAI-Project": "own-project"})
    for model in (
        OpenAIChat("m"),
        OpenAIChat("m", base_url=url),
        OpenAIChat("m", base_url=url, api_key="own"),
        OpenAIChat("m", options, base_url=url),
    ):
        assert model.missing_credentials() is None
        await respond(Agent(model))
    sent = [request.headers for request in provider.requests]
    assert (sent[0]["openai-organization"], sent[0]["x-gateway"]) == ("theirs-org", "theirs-too")
    assert [each["authorization"][7:] for each in sent[1:]] == ["none", "own", "none"]
    assert not any("theirs" in str(each) for each in sent[1:])
    assert sent[-1]["openai-project"] == "own-project"


async def test_without_a_key_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = OpenAIChat("m")
    assert model.missing_credentials() == "set OPENAI_API_KEY"
    with pytest.raises(ModelError, match="OPENAI_API_KEY") as failure:
        await respond(Agent(model))
    assert failure.value.kind == "auth"


@pytest.mark.parametrize(
    ("create", "text"),
    [
        (lambda: Agent("openai-chat:"), "model: expected 'anthropic:…', 'openai-chat:…'"),
        (
            lambda: Agent("openai-chat:m", options=AnthropicOptions()),
            "options: expected OpenAIChatOptions",
        ),
        (
            lambda: Agent("openai-chat:m", tools=[web_search()]),
            "tools: web_search is a tool of anthropic",
        ),
        (
            lambda: Agent("openai-chat:m", tools=[ClientTool("x" * 65, "", {"type": "object"})]),
            "at most 64 characters",
        ),
        (lambda: OpenAIChat("m", base_url="http://a", client=AsyncOpenAI(api_key="k")), "client:"),
    ],
)
def test_what_cannot_work_is_an_error_at_start(create: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        create()


class Leaf(BaseModel):
    values: dict[str, int]


class Branch(BaseModel):
    branches: list[Branch]


#: An output, and whether OpenAI accepts its root.
OUTPUTS: list[tuple[Any, bool]] = [
    (Leaf, True),
    (Branch, True),
    (RootModel[Branch], True),
    (RootModel[list[Branch]], False),
    (RootModel[Leaf | Branch], False),
    (RootModel[str], False),
]


@pytest.mark.parametrize(("output", "is_accepted"), OUTPUTS)
@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://x.openai.azure.com"])
def test_openai_requires_an_object_at_the_root(output: Any, url: str, *, is_accepted: bool) -> None:
    client = AsyncOpenAI(base_url=url, api_key="k")
    set_up = [
        partial(Agent, "openai-chat:m", client=client, output=output),
        partial(
            Agent, "openai-chat:m", client=client, options=OpenAIChatOptions(output_format=output)
        ),
    ]
    for create in set_up:
        if is_accepted:
            create()
        else:
            with pytest.raises(ValueError, match="output: OpenAI requires"):
                create()
    # Other servers know what they accept.
    Agent(OpenAIChat("m", base_url="http://localhost:1/v1"), output=output)


def test_the_missing_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['openai'] = None\n"
        "from usechat_server import Agent\n"
        "Agent('openai-chat:m')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'usechat-server[openai]'" in done.stderr


# The messages


def test_files_are_what_their_content_says() -> None:
    wrong = {**PNG, "mediaType": "image/jpeg"}
    document = {"type": "file", "mediaType": "application/pdf", "url": data_url(pdf())}
    csv = {"type": "file", "mediaType": "x/y", "url": "data:,a%2Cb", "filename": "a.csv"}
    link = {"type": "file", "mediaType": "image/*", "url": "https://example.com/cat.png"}
    [sent] = messages_of(user("See", wrong, document, csv, link))
    assert sent["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": data_url(png(1, 1), "image/png")}},
        {
            "type": "file",
            "file": {"filename": "document.pdf", "file_data": data_url(pdf(), "application/pdf")},
        },
        {"type": "text", "text": "a.csv:\n\na,b"},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
    ]


def test_the_files_of_a_result_follow_in_a_message_of_the_user() -> None:
    def draw(_: Any) -> Any:
        return [TextPart(text="Done."), FilePart(media_type="image/png", url=PNG["url"])]

    tool = ClientTool("weather", "", {"type": "object"}, to_model_output=draw)
    history = [user("Draw"), assistant(STEP, call(), STEP, call(toolCallId="call_2"))]
    sent = messages_of(*history, user("Thanks"), tools=[tool])
    kinds = [message["role"] for message in sent]
    assert kinds == ["user", "assistant", "tool", "user", "assistant", "tool", "user"]
    assert sent[2]["content"].startswith("Done.\n\n(The files")
    assert [part["type"] for part in sent[3]["content"]] == ["text", "image_url"]
    assert [part["type"] for part in sent[6]["content"]] == ["text", "image_url", "text"]


@pytest.mark.parametrize(
    ("part", "result"),
    [
        (call(), "sunny"),
        (call(output={"a": 1}), '{"a":1}'),
        (call("output-error", errorText="No city."), '{"error":"No city."}'),
        (call("output-denied"), "The user denied this call."),
        (call("input-available"), "The call was interrupted and has no result."),
        (call("approval-requested"), "The call was not run: it was not approved."),
    ],
)
def test_every_call_has_a_result(part: dict[str, Any], result: str) -> None:
    _, called, sent, _ = messages_of(user("Hi"), assistant(STEP, part), user("?"))
    assert called["content"] is None
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == {"c": 1}
    assert (sent["tool_call_id"], sent["content"]) == ("call_1", result)


def test_ids_and_names_are_made_fit() -> None:
    parts = [call(toolCallId="x" * 60), call(toolCallId="x" * 70), call(type="tool-bü/ro")]
    _, called, *results, _ = messages_of(user("Hi"), assistant(*parts), user("?"))
    ids = [each["id"] for each in called["tool_calls"]]
    assert ids == ["x" * 40, f"{'x' * 38}_2", "call_1"]
    assert [each["tool_call_id"] for each in results] == ids
    assert called["tool_calls"][2]["function"]["name"] == "b__ro"


def test_a_history_of_claude_goes_on() -> None:
    signed = {"anthropic": {"signature": "c2ln"}}
    search = {"type": "tool-web_search", "toolCallId": "srvtoolu_1", "providerExecuted": True}
    response = assistant(
        STEP,
        {"type": "reasoning", "text": "Hm.", "providerMetadata": signed},
        {**search, "state": "output-available", "input": {"query": "x"}, "output": []},
        {"type": "text", "text": "Found."},
        metadata={"usechat.anthropic": {"turns": {}}},
    )
    _, sent, _ = messages_of(user("Hi"), response, user("?"))
    assert sent == {"role": "assistant", "content": "Found."}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_goes_back_under_its_own_name_only(field: str) -> None:
    own = {"openaiChat": {"field": field}}
    part = {"type": "reasoning", "text": "Hm.", "providerMetadata": own}
    _, sent, _ = messages_of(user("Hi"), assistant(STEP, part, call()), user("?"))[:3]
    if field == "thinking":
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
        assert sent["content"] == [thinking]
    else:
        assert sent[field] == "Hm."


def test_roles_alternate_and_the_user_has_the_last_word() -> None:
    greeting = assistant({"type": "text", "text": "Hello!"})
    response = assistant(STEP, {"type": "text", "text": "A"}, STEP, {"type": "text", "text": "B"})
    sent = messages_of(greeting, user("One"), user("Two"), response, system="Be brief.")
    assert [(each["role"], each["content"]) for each in sent] == [
        ("system", "Be brief."),
        ("user", "(The conversation begins with the assistant.)"),
        ("assistant", "Hello!"),
        ("user", "One\n\nTwo"),
        ("assistant", "A\n\nB"),
        ("user", "Continue."),
    ]


# Across providers


async def test_a_fallback_of_another_provider_goes_on(
    provider: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("anthropic._base_client.DEFAULT_MAX_RETRIES", 0)
    agent = Agent(
        "claude-x", options=AnthropicOptions(), fallback=["openai-chat:gpt-x"], max_tokens=5
    )
    [claude, gpt] = [agent.spec.model, *agent.spec.fallback]
    assert (type(claude).__name__, type(gpt).__name__) == ("AnthropicModel", "OpenAIChat")
    chunks = await respond(agent)
    assert "Hi" in [getattr(chunk, "delta", None) for chunk in chunks]
    assert provider.requests[0].json["model"] == "gpt-x"


async def test_a_run_with_tools_goes_on_after_the_call(provider: FakeOpenAI) -> None:
    def clock() -> str:
        return "noon"

    calls = Reply(message(tool_use("call_1", "clock", {}), stop_reason="end_turn"))
    provider.script(calls)
    await respond(Agent("openai-chat:m", tools=[clock]))
    [_, request] = provider.requests
    assert [each["role"] for each in request.json["messages"]] == ["user", "assistant", "tool"]
    assert request.json["messages"][2]["content"] == "noon"


async def test_a_conversation_that_is_too_long_is_shortened(provider: FakeOpenAI) -> None:
    limit = "This model's maximum context length is 1000 tokens. However, you requested 9000 tokens"

    def reply(request: Any) -> Reply:
        if len(request.body) > 4000:
            return http_error(400, "invalid_request_error", f"{limit} (8000 in the messages).")
        return Reply(message(text("Hi")))

    provider.on(reply)
    history = [user("x" * 9000), assistant(STEP, call(output="y" * 9000)), user("And now?")]
    chunks = await respond(Agent("openai-chat:m"), *history)
    assert "Hi" in [getattr(chunk, "delta", None) for chunk in chunks]
    messages = provider.requests[-1].json["messages"]
    assert "left out" in messages[0]["content"]
    assert "And now?" in messages[-1]["content"]


EXTRA = {"type": "extra_forbidden", "loc": ["body", "stream_options"]}


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (422, json.dumps({"object": "error", "message": {"detail": [EXTRA]}})),
        (400, '{"error": {"message": "Unrecognized request argument supplied: stream_options"}}'),
        (400, """{"error": "property 'stream_options' is unsupported"}"""),
        (400, '{"error": "stream_options.include_usage: Extra inputs are not permitted"}'),
    ],
)
async def test_a_server_that_does_not_count_tokens_is_not_asked_again(
    provider: FakeOpenAI, status: int, refusal: str
) -> None:
    def reply(request: Any) -> Reply:
        if "stream_options" in request.json:
            headers = {"content-type": "application/json"}
            return Reply(refusal.encode(), status=status, headers=headers)
        return Reply(message(text("Hi")))

    provider.on(reply)
    agent = Agent("openai-chat:m")
    for _ in range(2):
        chunks = await respond(agent)
        assert "Hi" in [getattr(chunk, "delta", None) for chunk in chunks]
    assert len(provider.requests) == 3


@pytest.mark.parametrize("says_why", [True, False])
async def test_a_server_that_refuses_something_else_is_asked_for_tokens_again(
    provider: FakeOpenAI, *, says_why: bool
) -> None:
    def reply(request: Any) -> Reply:
        if "Hi" not in request.body.decode():
            return Reply(message(text("Hi")))
        # Some servers send the request back, in which a user may have written anything.
        note = "stream_options is unsupported" if says_why else "extra_forbidden"
        echo = {"input": request.json, "type": "missing", "note": note}
        headers = {"content-type": "application/json"}
        return Reply(json.dumps({"detail": [echo]}).encode(), status=422, headers=headers)

    provider.on(reply)
    agent = Agent("openai-chat:m")
    with pytest.raises(ModelError):
        await respond(agent, user("Hi"))
    await respond(agent, user("Hello"))
    *refused, last = provider.requests
    assert "stream_options" in last.json
    assert all("stream_options" in each.json for each in refused) or says_why


async def test_ids_of_calls_that_a_server_refuses_are_replaced(provider: FakeOpenAI) -> None:
    def reply(request: Any) -> Reply:
        calls = [each for m in request.json["messages"] for each in m.get("tool_calls", ())]
        if any(len(each["id"]) != 9 or not each["id"].isalnum() for each in calls):
            return http_error(400, "", "Tool call id was toolu_1 but must be a-z, A-Z, 0-9, of 9.")
        return Reply(message(text("Hi")))

    provider.on(reply)
    history = [user("Hi", PNG), assistant(STEP, call(), STEP, call(toolCallId="b")), user("And?")]
    chunks = await respond(Agent("openai-chat:m"), *history)
    assert "Hi" in [getattr(chunk, "delta", None) for chunk in chunks]
    assert len(provider.requests) == 2
    assert "image_url" in str(provider.requests[-1].json)


def test_models_of_one_agent_work_in_several_event_loops(provider: FakeOpenAI) -> None:
    agent = Agent("openai-chat:m")
    for _ in range(2):
        assert asyncio.run(respond(agent))
