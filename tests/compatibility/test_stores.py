"""Chats that an earlier release stored are opened, continued and answered."""

from __future__ import annotations

import pytest

from tests.compatibility.backend import (
    BackendClient,
    answer_all,
    assistant_blocks,
    backend,
    summary,
    tool_results,
    user_message,
)
from tests.compatibility.provider_blocks import CONTAINER, RESPONSE, USER_FILES
from tests.harness.common import JSON
from tests.harness.fake_provider import FakeProvider

FINISHED = [
    ["How warm is it in Bern?", "file", "file"],
    [
        "reasoning",
        "reasoning",
        "Let me look.",
        "weather: output-available",
        "reasoning",
        "web_search: output-available",
        "code_execution: output-available",
        "source-url",
        "Bern has 20 degrees.",
        "source-document",
    ],
    ["Really?"],
    ["Yes, really."],
]
RUNNING = [["Weather?"], ["reasoning", "weather: output-available", "It is 20"]]
APPROVAL = [["Send Bob 2.50"], ["I will send it.", "send: approval-requested"]]

#: What the user's chats show as soon as a server has opened the store.
CHATS = {
    "finished": FINISHED,
    "branched": [["Zähle"], ["Eins, again."]],
    "failed": [["Fail"], ["Half an"]],
    "stopped": [["Stop me"], ["Some words"]],
    "approval": APPROVAL,
    "approval-v5": [APPROVAL[0], [*APPROVAL[1], "data-usechat-approval"]],
    "approved": [
        ["Send Bob 1, and Eve 100"],
        ["send: output-available", "send: output-denied", "Sent to Bob only."],
    ],
    "client-tool": [["Where am I?"], ["Where are you?", "locate: input-available"]],
    "interrupted": [["Weather?"], ["weather: output-available", "It is 20"]],
    "written": [
        ["Show me"],
        [
            "data-progress",
            "reasoning",
            "Here is the picture.",
            "file",
            "source-url",
            "source-document",
            "find: output-available",
            "find: output-error",
            "That is all.",
            "",
        ],
    ],
    "cut": [["Talk"], ["Half a sentence"]],
    "running": RUNNING,
    "running-tool": [["Charge me"], ["Wait.", "charge: input-available"]],
}
OUTCOMES = {
    "finished": ["finished", "finished"],
    "branched": ["finished"] * 4,
    "failed": ["failed"],
    "stopped": ["aborted"],
    "approval": ["waiting"],
    "approved": ["waiting", "finished"],
    "interrupted": ["interrupted"],
    "cut": ["interrupted"],
    "running": ["interrupted"],
    "running-tool": ["interrupted"],
}
#: In the SQLite file only, see `test_redis`.
SHARED = "running-shared"


def listed(client: BackendClient) -> dict[str, JSON]:
    chats = client.request("GET", "/api/chats?limit=200")["chats"]
    return {chat["id"]: chat for chat in chats if chat["id"] != SHARED}


def respond(message: JSON, *, approved: bool) -> JSON:
    """Answer the pending call as a client does: with `addToolApprovalResponse`, or with
    `addToolOutput` where the client knows no approvals."""
    [call] = [part for part in message["parts"] if "toolCallId" in part]
    response: JSON = {"approved": approved} if approved else {"approved": False, "reason": "No!"}
    if call["state"] == "approval-requested":
        call["state"] = "approval-responded"
        call["approval"] |= response
    else:
        assert call["state"] == "input-available"
        call.update(state="output-available", output=response)
    return message


def test_every_chat_is_listed_and_loaded(provider: FakeProvider, store: str) -> None:
    with backend(provider, store=store) as ann:
        chats = listed(ann)
        assert chats.keys() == CHATS.keys()
        assert {chat["activeRunId"] for chat in chats.values()} == {None}
        assert chats["finished"]["title"] == "Wetter in Bern"
        assert chats["branched"]["title"] == "Zähle"
        for chat_id, expected in CHATS.items():
            messages = ann.messages(chat_id)
            assert [message["role"] for message in messages] == ["user", "assistant"] * (
                len(messages) // 2
            )
            assert list(map(summary, messages)) == expected, chat_id
            # Nothing looks as if it was still being written.
            states = {part.get("state") for message in messages for part in message["parts"]}
            assert not states & {"streaming", "input-streaming"}, chat_id
    assert ann.tool_runs == []
    assert provider.requests == []


def test_messages_keep_what_they_hold(provider: FakeProvider, store: str) -> None:
    with backend(provider, store=store) as ann:
        question, response, *_ = ann.messages("finished")
        written = ann.messages("written")[1]
    assert question["metadata"] == {"sentFrom": "Zürich 🚲"}
    assert [part.get("filename") for part in question["parts"]] == [None, "map.png", "plan.pdf"]
    assert response["metadata"]["usage"]["totalTokens"] == 410
    assert response["metadata"]["usechat.anthropic"]["container"]["id"] == CONTAINER
    [call] = [part for part in response["parts"] if part["type"] == "tool-weather"]
    assert (call["input"], call["output"]) == ({"city": "Bern"}, {"degrees": 20})
    [source] = [part for part in response["parts"] if part["type"] == "source-url"]
    assert (source["url"], source["title"]) == ("https://example.com/bern", "Bern")
    assert written["metadata"] == {"rating": 5}
    parts = {part.get("toolCallId") or part["type"]: part for part in written["parts"]}
    assert parts["data-progress"]["data"] == {"percent": 100}
    assert parts["file"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    assert parts["source-document"]["filename"] == "manual.pdf"
    assert parts["call_1"]["output"] == ["one", 2, None]
    assert parts["call_2"]["errorText"] == "Nothing was found."


def test_usage_is_served(provider: FakeProvider, store: str) -> None:
    with backend(provider, store=store) as ann:
        outcomes = {
            chat_id: [turn["outcome"] for turn in ann.turns(chat_id)] for chat_id in OUTCOMES
        }
        turns = ann.turns("finished")
        assert turns[0]["messageId"] == ann.messages("finished")[1]["id"]
    assert outcomes == OUTCOMES
    steps = [
        (
            step["model"],
            step["finishReason"],
            step["usage"]["inputTokens"],
            step["usage"]["inputTokenDetails"]["cacheReadTokens"],
            step["usage"]["outputTokens"],
        )
        for turn in turns
        for step in turn["steps"]
    ]
    assert steps == [
        ("claude-sonnet-5-5", "tool-calls", 170, 30, 20),
        ("claude-sonnet-5-5", "stop", 170, 30, 50),
        ("claude-sonnet-5-5", "stop", 170, 30, 20),
    ]


def test_branches_are_served_and_a_new_one_is_made(provider: FakeProvider, store: str) -> None:
    answer_all(provider, "Un.")
    with backend(provider, store=store) as ann:
        before = ann.messages("branched")
        body = {"trigger": "regenerate-message", "messageId": before[-1]["id"]}
        ann.post({"id": "branched", **body})
        branches = ann.request("GET", "/api/chat/branched/branches")["branches"]
        after = ann.messages("branched")
    question = before[0]["id"]
    assert [
        (one["number"], one["after"], [summary(message) for message in one["messages"]])
        for one in branches
    ] == [
        (1, None, [["Count"], ["One."], ["Go on"], ["Two."]]),
        (2, question, [["Eins."]]),
        (3, question, [["Eins, again."]]),
    ]
    assert list(map(summary, after)) == [["Zähle"], ["Un."]]


def test_every_chat_goes_on_with_a_new_message(provider: FakeProvider, store: str) -> None:
    answer_all(provider)
    with backend(provider, store=store) as ann:
        for chat_id, expected in CHATS.items():
            ann.send(chat_id, user_message("Can you go on?"))
            messages = ann.messages(chat_id)
            assert len(messages) == len(expected) + 2
            assert list(map(summary, messages[-2:])) == [["Can you go on?"], ["Of course."]]
            assert provider.requests[-1].last_text == "Can you go on?"
            assert ann.turns(chat_id)[-1]["outcome"] == "finished"
    assert len(provider.requests) == len(CHATS)
    assert ann.tool_runs == []


def test_the_provider_gets_its_blocks_back(provider: FakeProvider, store: str) -> None:
    answer_all(provider)
    with backend(provider, store=store) as ann:
        ann.send("finished", user_message("Thanks"))
    request = provider.request().json
    assert request["container"] == CONTAINER
    assert assistant_blocks(request) == [*RESPONSE, {"type": "text", "text": "Yes, really."}]
    assert [block["content"] for block in tool_results(request)] == ['{"degrees":20}']
    files = [block for block in request["messages"][0]["content"] if block["type"] != "text"]
    assert files == USER_FILES


def test_a_run_that_was_killed_is_interrupted(provider: FakeProvider, store: str) -> None:
    answer_all(provider)
    with backend(provider, store=store) as ann:
        ann.request("GET", "/api/chat/running/stream", status=204)
        ann.send("running", user_message("Go on"))
        ann.send("running-tool", user_message("Go on"))
    first, second = (request.json for request in provider.requests)
    kinds = [block["type"] for block in assistant_blocks(first)]
    assert kinds == ["thinking", "tool_use", "text"]
    assert assistant_blocks(first)[0]["signature"] == "c2lnbmVkLTE="
    assert assistant_blocks(first)[-1]["text"] == "It is 20"
    # Whether the customer was charged is unknown, so the call is not repeated.
    [result] = tool_results(second)
    assert result["is_error"] is True
    assert ann.tool_runs == []


@pytest.mark.parametrize("approved", [True, False], ids=["approved", "denied"])
@pytest.mark.parametrize(
    ("chat_id", "version"),
    [("approval", "7.0.173"), ("approval", "6.0.0"), ("approval-v5", "5.0.92"),
     ("approval-v5", "7.0.173")],
)  # fmt: skip
def test_a_pending_approval_is_answered(
    provider: FakeProvider, store: str, chat_id: str, version: str, approved: bool
) -> None:
    answer_all(provider)
    old = version.startswith("5.")
    options: JSON = {"approvals": "client-tool"} if chat_id == "approval-v5" else {}
    with backend(provider, store=store, **options) as client:
        ann = client.of_version(version)
        message = respond(ann.messages(chat_id)[-1], approved=approved)
        ann.send(chat_id, message, messageId=message["id"])
        after = ann.messages(chat_id)[-1]
        # It counts once.
        ann.request("POST", "/api/chat", {"id": chat_id, "message": message}, status=409)
    assert ann.tool_runs == ([("send", "Bob", 2.5)] if approved else [])
    state = "output-available" if approved else "output-error" if old else "output-denied"
    assert f"send: {state}" in summary(after)
    assert summary(after)[-1] == "Of course."
    assert len(provider.requests) == 1
    [result] = tool_results(provider.request().json)
    assert ("sent 2.5 to Bob" if approved else "No!") in result["content"]
    assert result.get("is_error", False) is not approved


def test_approvals_that_were_answered_are_told_to_the_provider(
    provider: FakeProvider, store: str
) -> None:
    answer_all(provider)
    with backend(provider, store=store) as ann:
        ann.send("approved", user_message("Why?"))
    results = tool_results(provider.request().json)
    assert [result["content"] for result in results] == ["sent 1 to Bob", "Not Eve."]


def test_the_output_of_a_client_tool_is_taken(provider: FakeProvider, store: str) -> None:
    answer_all(provider, "You are in Bern.")
    with backend(provider, store=store) as ann:
        message = ann.messages("client-tool")[-1]
        message["parts"][-1].update(state="output-available", output={"city": "Bern"})
        ann.send("client-tool", message, messageId=message["id"])
        after = ann.messages("client-tool")[-1]
    assert summary(after) == ["Where are you?", "locate: output-available", "You are in Bern."]
    [result] = tool_results(provider.request().json)
    assert result["content"] == '{"city":"Bern"}'


def test_chats_without_a_user(provider: FakeProvider, store: str) -> None:
    answer_all(provider)
    with backend(provider, store=store, user=None) as anyone:
        assert list(map(summary, anyone.messages("finished"))) == FINISHED
        assert list(map(summary, anyone.messages("running"))) == RUNNING
        assert [turn["outcome"] for turn in anyone.turns("running")] == ["interrupted"]
        anyone.request("GET", "/api/chat/branched", status=404)  # it is a user's
        anyone.send("running", user_message("Go on"))
        message = respond(anyone.messages("approval")[-1], approved=True)
        anyone.send("approval", message, messageId=message["id"])
        assert summary(anyone.messages("approval")[-1])[-1] == "Of course."
    assert anyone.tool_runs == [("send", "Bob", 2.5)]
