"""AnthropicOptions and provider tools → the request that the provider gets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, create_model
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server import Agent, ClientTool, Turn
from usechat_server.anthropic import (
    AnthropicModel,
    AnthropicOptions,
    advisor,
    code_execution,
    mcp_server,
    memory,
    tool_search,
    web_fetch,
    web_search,
)
from usechat_server.errors import ChatError
from usechat_server.tools import ProviderTool, Tool

from tests.harness.fake_provider import (
    FakeProvider,
    model_info,
)
from tests.server.providers.anthropic.agent_requests import (
    CLOCK,
    MODEL,
    read_response,
    response_message,
    sent_request,
)
from tests.server.providers.anthropic.messages import (
    text_part,
    user_message,
)


class City(BaseModel):
    name: str


class Scores(BaseModel):
    scores: dict[str, float]


class Outer(BaseModel):
    inner: list[Scores]


class Tree(BaseModel):
    children: list[Tree] = []


ADAPTIVE: Any = {"type": "adaptive"}


def own_breakpoints(*ttls: str, **options: Any) -> list[ClientTool]:
    """Return tools on which the app has set cache breakpoints."""
    return [
        ClientTool(
            f"own{number}",
            "",
            {"type": "object"},
            provider_options={
                "anthropic": {"cache_control": {"type": "ephemeral", "ttl": ttl}, **options}
            },
        )
        for number, ttl in enumerate(ttls)
    ]


@pytest.mark.parametrize(
    ("options", "sent", "beta"),
    [
        ({"thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}, None),
        (
            {"thinking": {"type": "adaptive", "display": "updates"}},
            {"thinking": {"type": "adaptive", "display": "updates"}},
            "thinking-display-updates-2026-08-18",
        ),
        ({"effort": "low"}, {"output_config": {"effort": "low"}}, None),
        (
            {"effort": "max", "output_format": {"type": "object"}, "task_budget": 50_000},
            {
                "output_config": {
                    "effort": "max",
                    "format": {"type": "json_schema", "schema": {"type": "object"}},
                    "task_budget": {"type": "tokens", "total": 50_000},
                }
            },
            "task-budgets-2026-03-13",
        ),
        (
            {"stop_sequences": ["END"], "temperature": 0.2, "top_p": 0.9, "top_k": 5},
            {"stop_sequences": ["END"], "temperature": 0.2, "top_p": 0.9, "top_k": 5},
            None,
        ),
        ({"service_tier": "standard_only"}, {"service_tier": "standard_only"}, None),
        ({"speed": "fast"}, {"speed": "fast"}, "fast-mode-2026-02-01"),
        ({"fallbacks": "default"}, {"fallbacks": "default"}, "server-side-fallback-2026-07-01"),
        (
            {"fallbacks": [{"model": "claude-haiku-5"}]},
            {"fallbacks": [{"model": "claude-haiku-5"}]},
            "server-side-fallback-2026-06-01",
        ),
        (
            {"context_management": {"edits": [{"type": "compact_20260112"}]}},
            {"context_management": {"edits": [{"type": "compact_20260112"}]}},
            "context-management-2025-06-27,compact-2026-01-12",
        ),
        ({"container": "container_1"}, {"container": "container_1"}, None),
        ({"betas": ["new-2027-01-01"]}, {}, "new-2027-01-01"),
        # Parameters that are not options: they override everything else.
        (
            {"effort": "low", "extra_body": {"output_config": {"effort": "tiny"}, "new": [1]}},
            {"output_config": {"effort": "tiny"}, "new": [1]},
            None,
        ),
    ],
)
def test_options_are_parameters_of_the_request(
    provider: FakeProvider, options: dict[str, Any], sent: dict[str, Any], beta: str | None
) -> None:
    plain = sent_request(provider, Agent(MODEL))
    request = sent_request(provider, Agent(MODEL, options=AnthropicOptions(**options)))
    assert {**request.json, "max_tokens": 0} == {**plain.json, "max_tokens": 0, **sent}
    assert request.headers.get("anthropic-beta") == beta


def test_extra_headers_are_sent(provider: FakeProvider) -> None:
    options = AnthropicOptions(extra_headers={"x-team": "blue"})
    model = AnthropicModel(MODEL, options)
    assert sent_request(provider, Agent(model)).headers["x-team"] == "blue"


def test_output_format_may_be_a_pydantic_model(provider: FakeProvider) -> None:
    request = sent_request(provider, Agent(MODEL, options=AnthropicOptions(output_format=City)))
    schema = request.json["output_config"]["format"]["schema"]
    assert schema["properties"]["name"]["type"] == "string"
    assert schema["required"] == ["name"]
    # The API accepts only objects without additional properties.
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("tool", "sent", "beta"),
    [
        (web_search(), {"type": "web_search_20250305", "name": "web_search"}, None),
        (
            web_search(
                max_uses=3,
                allowed_domains=["example.com/docs"],
                user_location={"type": "approximate", "city": "Paris"},
                version="20260318",
                extra={"response_inclusion": "excluded"},
            ),
            {
                "type": "web_search_20260318",
                "name": "web_search",
                "max_uses": 3,
                "allowed_domains": ["example.com/docs"],
                "user_location": {"type": "approximate", "city": "Paris"},
                "response_inclusion": "excluded",
            },
            None,
        ),
        (
            web_fetch(citations=True, max_content_tokens=1000),
            {
                "type": "web_fetch_20250910",
                "name": "web_fetch",
                "citations": {"enabled": True},
                "max_content_tokens": 1000,
            },
            None,
        ),
        (code_execution(), {"type": "code_execution_20250825", "name": "code_execution"}, None),
        (
            tool_search(algorithm="regex"),
            {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
            None,
        ),
        (
            advisor("claude-opus-5", max_uses=1),
            {
                "type": "advisor_20260301",
                "name": "advisor",
                "model": "claude-opus-5",
                "max_uses": 1,
            },
            "advisor-tool-2026-03-01",
        ),
        (memory(), {"type": "memory_20250818", "name": "memory"}, None),
        (
            ClientTool("late", "", {}, provider_options={"anthropic": {"defer_loading": True}}),
            {
                "name": "late",
                "description": "",
                "input_schema": {"type": "object"},
                "defer_loading": True,
            },
            None,
        ),
    ],
)
def test_tools_are_entries_of_the_request(
    provider: FakeProvider, tool: Tool, sent: dict[str, Any], beta: str | None
) -> None:
    request = sent_request(provider, Agent(MODEL, tools=[tool, CLOCK]))
    assert request.json["tools"][0] == sent
    assert request.json["tools"][1]["name"] == "clock"
    assert request.headers.get("anthropic-beta") == beta


def test_an_mcp_server_is_a_toolset_and_a_server(provider: FakeProvider) -> None:
    tools = [
        mcp_server(
            "echo",
            url="https://echo.example/mcp",
            authorization_token="secret",
            allowed_tools=["say"],
        ),
        mcp_server("all", url="https://all.example/mcp", defer_loading=True),
    ]
    request = sent_request(
        provider, Agent(MODEL, tools=tools, options=AnthropicOptions(cache=False))
    )
    assert request.json["mcp_servers"] == [
        {
            "type": "url",
            "name": "echo",
            "url": "https://echo.example/mcp",
            "authorization_token": "secret",
        },
        {"type": "url", "name": "all", "url": "https://all.example/mcp"},
    ]
    assert request.json["tools"] == [
        {
            "type": "mcp_toolset",
            "mcp_server_name": "echo",
            "default_config": {"enabled": False},
            "configs": {"say": {"enabled": True}},
        },
        {
            "type": "mcp_toolset",
            "mcp_server_name": "all",
            "default_config": {"defer_loading": True},
        },
    ]
    assert request.headers["anthropic-beta"] == "mcp-client-2025-11-20"


def test_skills_are_in_the_container(provider: FakeProvider) -> None:
    options = AnthropicOptions(
        skills=[{"type": "anthropic", "skill_id": "pptx"}], container="container_1"
    )
    request = sent_request(provider, Agent(MODEL, tools=[code_execution()], options=options))
    assert request.json["container"] == {
        "id": "container_1",
        "skills": [{"type": "anthropic", "skill_id": "pptx"}],
    }


@pytest.mark.parametrize(
    ("name", "create_invalid"),
    [
        ("effort", lambda: AnthropicOptions(effort="huge")),  # type: ignore[arg-type]
        ("thinking", lambda: AnthropicOptions(thinking={"type": "on"})),  # type: ignore[arg-type]
        ("budget", lambda: AnthropicOptions(thinking={"type": "enabled", "budget": 1})),  # type: ignore[arg-type]
        (
            "budget_tokens",
            lambda: AnthropicOptions(thinking={"type": "enabled", "budget_tokens": 10}),
        ),
        (
            "budget_tokens",
            lambda: Agent(
                MODEL,
                max_tokens=2000,
                options=AnthropicOptions(thinking={"type": "enabled", "budget_tokens": 2000}),
            ),
        ),
        (
            "max_tokens",
            lambda: Agent(
                MODEL,
                options=AnthropicOptions(thinking={"type": "enabled", "budget_tokens": 40_000}),
            ),
        ),
        ("temperature", lambda: AnthropicOptions(temperature=1.5)),
        ("stop_sequences", lambda: AnthropicOptions(stop_sequences="END")),
        ("citations", lambda: AnthropicOptions(citations=True, output_format=City)),
        ("stop_sequences", lambda: AnthropicOptions(stop_sequences=[" \n"])),
        ("temperature", lambda: AnthropicOptions(thinking=ADAPTIVE, temperature=0.5)),
        ("top_k", lambda: AnthropicOptions(thinking=ADAPTIVE, top_k=5)),
        ("top_p", lambda: AnthropicOptions(thinking=ADAPTIVE, top_p=0.5)),
        ("scores: expected an object with fixed keys", lambda: Agent(MODEL, output=Scores)),
        ("Scores.scores", lambda: Agent(MODEL, output=Outer)),
        ("output_format", lambda: Agent(MODEL, output=create_model("A", a=(Any, ...)))),
        ("Tree contains itself", lambda: Agent(MODEL, output=Tree)),
        (
            "the schema: expected an object with fixed keys",
            lambda: AnthropicOptions(
                output_format={"type": "object", "additionalProperties": {"type": "number"}}
            ),
        ),
        ("own1: cache_control for 1h", lambda: Agent(MODEL, tools=own_breakpoints("5m", "1h"))),
        ("own0: cache_control", lambda: Agent(MODEL, tools=own_breakpoints("10m"))),
        ("at most 4", lambda: Agent(MODEL, tools=own_breakpoints(*["5m"] * 5))),
        (
            "own0: cache_control requires",
            lambda: Agent(MODEL, tools=own_breakpoints("5m", defer_loading=True)),
        ),
        ("tempreture", lambda: AnthropicOptions(tempreture=1)),  # type: ignore[call-arg]
        ("max_uses", lambda: web_search(max_uses=0)),
        ("allowed_domains", lambda: web_search(allowed_domains=["https://example.com"])),
        ("blocked_domains", lambda: web_fetch(allowed_domains=["a.b"], blocked_domains=["c.d"])),
        ("url", lambda: mcp_server("echo", url="echo.example")),
        ("web_search", lambda: Agent(MODEL, tools=[web_search(), web_search(max_uses=1)])),
        ("web_search", lambda: Agent("demo", tools=[web_search()])),
        ("google_search", lambda: Agent(MODEL, tools=[ProviderTool("google_search", "google")])),
        (
            "skills",
            lambda: Agent(
                MODEL,
                options=AnthropicOptions(skills=[{"type": "anthropic", "skill_id": "pptx"}]),
            ),
        ),
        ("options", lambda: Agent("demo", options=AnthropicOptions())),
        ("options", lambda: Agent(AnthropicModel(MODEL), options=AnthropicOptions())),
    ],
)
def test_invalid_options_raise_an_error_that_names_them(
    name: str, create_invalid: Callable[[], object]
) -> None:
    with pytest.raises(ValueError, match=name):
        create_invalid()


def test_what_the_model_does_not_support_is_logged_by_name(
    provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    no, yes = {"supported": False}, {"supported": True}
    capabilities = {
        "effort": {**yes, "low": yes, "max": no},
        "thinking": {**yes, "types": {"adaptive": no, "enabled": yes}},
        "structured_outputs": yes,
        "server_tools": {**yes, "web_search": no},
    }
    provider.models = [{**model_info(MODEL), "capabilities": capabilities}]
    options = AnthropicOptions(thinking={"type": "adaptive"}, effort="max", output_format=City)
    agent = Agent(MODEL, max_tokens=50, tools=[web_search(), web_fetch()], options=options)
    turn = Turn(
        None, "c", DEFAULT_CLIENT_VERSION, [user_message(text_part("Hi"))], message_id="new"
    )

    async def call() -> None:
        await read_response(agent, turn)
        async with asyncio.timeout(20):
            while len(caplog.records) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await read_response(agent, turn)
        await agent.spec.model.aclose()

    with caplog.at_level("ERROR", "usechat.anthropic"):
        asyncio.run(call())
    messages_logged = [record.getMessage() for record in caplog.records]
    assert messages_logged == [
        f"{MODEL} does not support {name} according to the model list"
        for name in ("thinking adaptive", "effort max", "web_search")
    ]
    assert len(provider.model_requests) == 1


def test_the_token_of_an_mcp_server_is_in_no_error_or_repr() -> None:
    with pytest.raises(ValueError, match="url") as failure:
        mcp_server("x", authorization_token="SECRET")  # type: ignore[call-arg]
    assert "SECRET" not in str(failure.value)
    tool = mcp_server("x", url="https://x.example/mcp", authorization_token="SECRET")
    assert "SECRET" not in repr(tool)


def test_citations_option(provider: FakeProvider) -> None:
    note = {"type": "file", "mediaType": "text/plain", "url": "data:text/plain,Hello"}
    agent = Agent(MODEL, options=AnthropicOptions(citations=True))
    request = sent_request(provider, agent, user_message(text_part("Read"), note)).json
    [words, document] = request["messages"][0]["content"]
    assert "citations" not in words
    assert document["citations"] == {"enabled": True}
    assert "citations" not in str(
        sent_request(provider, Agent(MODEL), user_message(text_part("Read"), note)).json
    )


def test_a_client_may_request_citations(provider: FakeProvider) -> None:
    note = {"type": "file", "mediaType": "text/plain", "url": "data:text/plain,Hello"}
    cited = {**note, "providerMetadata": {"anthropic": {"citations": {"enabled": True}}}}
    request = sent_request(
        provider, Agent(MODEL), user_message(text_part("Read"), note, cited)
    ).json
    # The API refuses citations of only some documents.
    assert [b.get("citations") for b in request["messages"][0]["content"][1:]] == [
        {"enabled": True},
        {"enabled": True},
    ]
    shaped = Agent(MODEL, options=AnthropicOptions(output_format=City))
    assert "citations" not in str(
        sent_request(provider, shaped, user_message(text_part("Read"), cited)).json
    )


def test_a_file_that_only_code_can_read(provider: FakeProvider) -> None:
    table = {
        "type": "file",
        "mediaType": "application/vnd.ms-excel",
        "url": "",
        "providerReference": {"anthropic": "file_1"},
    }
    agent = Agent(MODEL, tools=[code_execution()], may_use_file=lambda turn, file_id: True)
    request = sent_request(provider, agent, user_message(text_part("Sum"), table)).json
    upload = request["messages"][0]["content"][1]
    assert upload["type"] == "container_upload"
    assert upload["file_id"] == "file_1"
    agent = Agent(MODEL, may_use_file=lambda turn, file_id: True)
    with pytest.raises(ChatError, match="cannot be read"):
        sent_request(provider, agent, user_message(text_part("Sum"), table))


def test_a_file_at_the_provider_is_used_only_with_permission(provider: FakeProvider) -> None:
    file = {"type": "file", "mediaType": "image/png", "url": "", "filename": "cat.png"}
    theirs = {**file, "providerReference": {"anthropic": "file_theirs"}}
    own = {**file, "providerReference": {"anthropic": "file_own"}}

    def is_own(turn: Turn, file_id: str) -> bool:
        return (turn.chat_id, file_id) == ("c", "file_own")

    with pytest.raises(ChatError, match=r"cat\.png cannot be used here"):
        sent_request(provider, Agent(MODEL), user_message(own))
    with pytest.raises(ChatError, match=r"cat\.png cannot be used here"):
        sent_request(provider, Agent(MODEL, may_use_file=is_own), user_message(theirs))
    request = sent_request(
        provider,
        Agent(MODEL, may_use_file=is_own),
        user_message(theirs, own),
        response_message(text_part("Cats.")),
        user_message(text_part("More"), message_id="u2"),
    ).json
    note, image, *_ = request["messages"][0]["content"]
    assert note["text"] == "(cat.png could not be read.)"
    assert image["source"] == {"type": "file", "file_id": "file_own"}
