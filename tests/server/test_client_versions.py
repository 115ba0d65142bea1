"""Which release a client is taken for, by what its requests show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ui_message_stream.chunks import Custom
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion
from usechat_server import Agent, ChatApp, StreamWriter, Turn, create_app
from usechat_server.client_version import history_client_version, user_agent_client_version
from usechat_server.settings import Settings

from tests.harness.approval_client import ChatClient, PlanModel, approval_tools
from tests.harness.common import JSON
from tests.harness.live import LiveServer, ScriptedModel, chunks, text, user

APPROVED = {"id": "a", "approved": True}


def tool_part(state: str, **fields: Any) -> JSON:
    part = {"type": "tool-pay", "toolCallId": "t", "state": state, "input": {}}
    return {**part, **({"output": 1} if state == "output-available" else {}), **fields}


@pytest.mark.parametrize(
    ("part", "release"),
    [
        ({"type": "text", "text": "Hi"}, None),
        ({"type": "data-usechat-approval", "id": "t", "data": {"approvalId": "a"}}, None),
        (tool_part("output-available", title="Pay"), None),
        (tool_part("approval-requested", approval={"id": "a"}), "6"),
        (tool_part("approval-responded", approval=APPROVED), "6"),
        (tool_part("output-available", approval=APPROVED), "6"),
        (tool_part("output-denied"), "6"),
        (tool_part("output-available", approval={**APPROVED, "isAutomatic": True}), "7"),
        ({"type": "custom", "kind": "anthropic.fallback"}, "7"),
        ({"type": "custom", "kind": "acme.note"}, None),
        ({"type": "reasoning-file", "url": "data:,", "mediaType": "text/plain"}, "7"),
        ({"type": "text", "text": "Hi", "citations": []}, "7.0.138"),
        ({"type": "steering-message", "id": "s", "parts": []}, "7.0.163"),
    ],
)
def test_a_part_tells_the_first_release_that_has_it(part: JSON, release: str | None) -> None:
    hello = {"type": "text", "text": "Hello"}
    expected = None if release is None else ClientVersion.parse(release)
    for role, release_of_role in (("assistant", expected), ("user", None)):
        messages = [
            UIMessage.from_object({"id": "m", "role": role, "parts": parts})
            for parts in ([hello], [hello, part, hello], [hello])
        ]
        assert history_client_version(messages) == release_of_role


@pytest.mark.parametrize(
    ("user_agent", "release"),
    [
        ("ai-sdk/5.0.60 runtime/node.js/22", "5.0.60"),
        ("Mozilla/5.0 (Macintosh) Gecko Firefox/146.0 ai-sdk/6.0.1", "6.0.1"),
        ("", None),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/143.0.0.0 Safari/537.36", None),
        ("ai-sdk/6.0.0-beta.128 runtime/browser", None),
        ("ai-sdk/provider-utils/3.0.1", None),
        ("my-ai-sdk/6.0.1", None),
        ("ai-sdk/4.3.1", None),
        ("ai-sdk/99.0.0", None),
        ("ai-sdk/" + "9" * 5000 + ".0.0", None),
    ],
)
def test_a_user_agent_names_the_release(user_agent: str, release: str | None) -> None:
    expected = None if release is None else ClientVersion.parse(release)
    assert user_agent_client_version(user_agent) == expected


NEW_HISTORY = [
    user("Hello"),
    {"id": "a", "role": "assistant", "parts": [{"type": "custom", "kind": "anthropic.note"}]},
]


@pytest.mark.parametrize(
    ("setting", "headers", "history", "types"),
    [
        (None, {}, [], set()),
        (None, {}, NEW_HISTORY, {"custom", "finishReason"}),
        (None, {"user-agent": "ai-sdk/7.0.1"}, [], {"custom", "finishReason"}),
        (None, {"user-agent": "ai-sdk/5.0.92"}, NEW_HISTORY, {"finishReason"}),
        (None, {"x-usechat-client": "5.0.92"}, NEW_HISTORY, {"finishReason"}),
        ("6", {"user-agent": "ai-sdk/7.0.1"}, NEW_HISTORY, {"finishReason"}),
        ("7", {"user-agent": "ai-sdk/5.0.1"}, [], {"custom", "finishReason"}),
        ("7", {"x-usechat-client": "6"}, [], {"finishReason"}),
    ],
)
@pytest.mark.parametrize("has_store", [False, True])
def test_what_is_declared_counts_before_signs(
    tmp_path: Any,
    setting: str | None,
    headers: Mapping[str, str],
    history: list[JSON],
    types: set[str],
    *,
    has_store: bool,
) -> None:
    app = create_app(
        Agent(ScriptedModel([Custom(kind="acme.note")], *text("Hello"))),
        settings=Settings(client_version=ClientVersion.parse(setting) if setting else None),
        store=f"sqlite:///{tmp_path}/chats.db" if has_store else None,
    )
    with LiveServer(app) as server:
        response = server.chat(*history, user("Hi", id="u2"), headers=headers)
    sent = chunks(response.text)
    newer = {"custom", "finishReason"}
    assert newer & ({chunk["type"] for chunk in sent} | set(sent[-1])) == types


def per_turn(agent: Agent) -> ChatApp:
    return create_app(agent=lambda turn: agent)


def in_handler(agent: Agent) -> ChatApp:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        await writer.merge(agent.stream(turn))

    return create_app(handler=handler)


MAKERS: list[Callable[[Agent], ChatApp]] = [create_app, per_turn, in_handler]
PAY = ("send", {"to": "Ann", "amount": 2})


@pytest.mark.parametrize("make_app", MAKERS)
def test_a_silent_client_is_asked_for_approval_however_the_agent_is_served(
    make_app: Callable[[Agent], ChatApp], caplog: pytest.LogCaptureFixture
) -> None:
    executed: list[Any] = []
    app = make_app(Agent(PlanModel(), tools=approval_tools(executed)))
    with caplog.at_level("INFO", "usechat.app"), LiveServer(app) as server:
        client = ChatClient(server, client_version="")
        client.send()
        assert client.messages[-1]["parts"][-1]["text"] == "Done."
        for approved in (False, True):
            client.send(PAY)
            client.decide("send", approved)
            client.send_continuation()
            assert len(executed) == approved
            state = client.tool_part("send")["state"]
            assert state == ("output-available" if approved else "output-denied")
            assert client.messages[-1]["parts"][-1]["text"] == "Done."
        # It is not refused for what it may never get.
        old = server.chat(user("Hi"), headers={"user-agent": "ai-sdk/5.0.60 runtime/browser"})
        assert chunks(old.text)[-1]["type"] == "finish"
    if make_app is not in_handler:
        assert sum("require AI SDK 6" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("make_app", MAKERS)
def test_a_silent_client_decides_by_tool_output_if_the_agent_says_so(
    make_app: Callable[[Agent], ChatApp],
) -> None:
    executed: list[Any] = []
    agent = Agent(PlanModel(), tools=approval_tools(executed), approvals="client-tool")
    with LiveServer(make_app(agent)) as server:
        client = ChatClient(server, client_version="")
        for approved in (False, True):
            client.send(PAY)
            assert "approval" not in json.dumps(client.tool_part("send"))
            client.add_output("send", {"approved": approved})
            client.send_continuation()
            assert len(executed) == approved
            state = client.tool_part("send")["state"]
            assert state == ("output-available" if approved else "output-error")
