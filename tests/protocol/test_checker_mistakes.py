"""Mistakes of other projects' servers that a stream shows: the checker finds each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ui_message_stream.checker import check
from ui_message_stream.messages import UIMessage

START = {"type": "start", "messageId": "m"}
STEP = {"type": "start-step"}
STEP_END = {"type": "finish-step"}
FINISH = {"type": "finish", "finishReason": "stop"}
END = [STEP_END, FINISH, "[DONE]"]
TEXT = {"type": "text-start", "id": "0"}
DELTA = {"type": "text-delta", "id": "0", "delta": "a"}
TEXT_END = {"type": "text-end", "id": "0"}
TEXT_BLOCK = [TEXT, DELTA, TEXT_END]
CALL = {"toolCallId": "c", "toolName": "t"}
INPUT = {"type": "tool-input-start", **CALL}
AVAILABLE = {"type": "tool-input-available", **CALL, "input": {}}
OUTPUT = {"type": "tool-output-available", "toolCallId": "c", "output": 1}
REASONING = {"type": "reasoning-start", "id": "0"}
SIGNATURE = {
    "type": "reasoning-delta",
    "id": "0",
    "delta": "",
    "providerMetadata": {"anthropic": {"signature": "s"}},
}

#: A message to continue: the client has the output of its last tool call.
CONTINUED = UIMessage.from_object(
    {
        "id": "m",
        "role": "assistant",
        "parts": [
            {"type": "step-start"},
            {"type": "tool-t", "toolCallId": "c", "state": "output-available", "output": 1},
        ],
    }
)


def stream(*events: Any) -> str:
    """Return a stream that is correct except for these events in its step."""
    return body(START, STEP, *events, *END)


def body(*events: Any) -> str:
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return "".join(f"data: {text}\n\n" for text in texts)


def rules(body: str, message: UIMessage | None = None) -> set[str]:
    return {finding.rule for finding in check(body.encode(), message=message)}


def test_the_chunks_of_the_mistakes_are_correct_by_themselves() -> None:
    signed = [REASONING, SIGNATURE, {"type": "reasoning-end", "id": "0"}]
    client_tool = [INPUT, AVAILABLE]
    assert check(stream(*signed, *TEXT_BLOCK, *client_tool).encode()) == []
    assert check(stream(*TEXT_BLOCK).encode(), message=CONTINUED) == []


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        pytest.param(body(START, FINISH, "[DONE]"), "request-loop", id="no new step"),
        pytest.param(stream(), "request-loop", id="an invisible new step"),
        pytest.param(
            body({**START, "messageId": "n"}, STEP, *TEXT_BLOCK, *END),
            "same-message",
            id="a new id",
        ),
    ],
)
def test_a_mistake_in_a_continuation_is_found(events: str, rule: str) -> None:
    assert rules(events, CONTINUED) == {rule}


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        # Fields and types.
        (stream({**AVAILABLE, "usage": {"inputTokens": 1}}), "unknown-field"),
        (stream({"type": "usage", "inputTokens": 1}), "schema"),
        (body({**START, "messageId": None}, *END[1:]), "schema"),
        (stream({**TEXT, "providerMetadata": None}), "schema"),
        (stream({**INPUT, "title": None}, AVAILABLE), "schema"),
        (stream({"type": "tool-input-available", **CALL}), "schema"),
        (stream({"type": "tool-output-available", "toolCallId": "c"}), "schema"),
        (stream({"type": "data-weather"}), "schema"),
        (body(START, {**FINISH, "finishReason": "end_turn"}, "[DONE]"), "schema"),
        (body(START, {**FINISH, "finishReason": "tool_use"}, "[DONE]"), "schema"),
        (body(START, {**FINISH, "finishReason": "unknown"}, "[DONE]"), "unknown-reason"),
        (stream({**AVAILABLE, "input": {"__proto__": {}}}), "forbidden-key"),
        (stream('{"type": "data-score", "data": NaN}'), "json"),
        (stream('{"type": "data-score", "data": Infinity}'), "json"),
        # Blocks, calls and steps.
        (stream(TEXT, DELTA), "part-open"),
        (stream(TEXT, STEP_END, STEP, DELTA, TEXT_END), "block-left-open"),
        (
            stream({**AVAILABLE, "dynamic": True}, OUTPUT, STEP_END, STEP, *TEXT_BLOCK),
            "output-dynamic",
        ),
        (stream(DELTA), "block-unknown"),
        (stream(TEXT, TEXT, DELTA, TEXT_END), "block-twice"),
        (stream({**INPUT, "dynamic": True}, AVAILABLE), "call-changed"),
        (stream(AVAILABLE, STEP_END, STEP, AVAILABLE), "call-twice"),
        (body(START, STEP, *TEXT_BLOCK, STEP_END, START, STEP, *TEXT_BLOCK, *END), "start-once"),
        (body(START, *TEXT_BLOCK, FINISH, "[DONE]"), "in-step"),
        # No `start-step` between model calls, or a provider's tool without `providerExecuted`.
        (stream(AVAILABLE, OUTPUT, *TEXT_BLOCK), "request-loop"),
        # A reasoning signature that the client does not send back.
        (
            stream(
                REASONING,
                SIGNATURE,
                {"type": "reasoning-end", "id": "0", "providerMetadata": {"anthropic": {"x": 1}}},
            ),
            "metadata-lost",
        ),
        # Only the end of a stream.
        (body(DELTA, TEXT_END, *END), "start-first"),
        # Ends.
        (body(START, {"type": "error", "errorText": "e"}, FINISH, "[DONE]"), "after-end"),
        (body(START, FINISH, "[DONE]", {"type": "data-late", "data": 1}), "after-done"),
        ('{"error": {"message": "Overloaded"}}', "no-events"),
        (body(START, STEP, *TEXT_BLOCK), "no-finish"),
        (stream(*TEXT_BLOCK).removesuffix("\n"), "unfinished-event"),
        # Pings that are not comments.
        ("event: ping\n" + body({}) + stream(*TEXT_BLOCK), "schema"),
        (stream({"type": "ping"}), "schema"),
    ],
)
def test_a_mistake_is_found(events: str, rule: str) -> None:
    assert rule in rules(events)


def test_one_mistake_has_one_finding() -> None:
    # Findings name the cause, not its consequences.
    assert rules(stream(DELTA, *TEXT_BLOCK)) == {"block-unknown"}
    assert rules(stream(TEXT, DELTA)) == {"part-open"}
    assert rules('{"error": {"message": "Overloaded"}}') == {"no-events"}
