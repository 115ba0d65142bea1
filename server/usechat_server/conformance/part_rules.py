"""The rules of texts, reasoning and tool calls, and of the end of a stream."""

from __future__ import annotations

from usechat_server.conformance.example_events import (
    AVAILABLE,
    BLOCK,
    DELTA,
    DONE,
    FINISH,
    INPUT,
    INPUT_DELTA,
    NEXT_STEP,
    OUTPUT,
    REQUEST,
    START,
    STEP,
    STEP_END,
    TEXT,
    TEXT_END,
    V7,
    in_step,
)
from usechat_server.conformance.rules import Row, StreamExample

__all__ = ["PART_RULES"]

PART_RULES: tuple[Row, ...] = (
    (
        "Blocks",
        "block-unknown",
        "A delta or an end MUST have the id of a text or reasoning that is open.",
        "The response ends with an error.",
        in_step(*BLOCK, {**DELTA, "id": "1"}),
    ),
    (
        "Blocks",
        "block-left-open",
        "A text or reasoning MUST NOT go on in the next step.",
        "The response ends with an error.",
        StreamExample.of(
            *(START, STEP, TEXT, STEP_END, STEP, DELTA, TEXT_END, STEP_END, FINISH, DONE)
        ),
    ),
    (
        "Blocks",
        "block-twice",
        "The id of an open text or reasoning MUST NOT be used for another one.",
        "The first part never ends.",
        in_step(TEXT, TEXT, DELTA, TEXT_END),
    ),
    (
        "Blocks",
        "metadata-lost",
        "`providerMetadata` of a later chunk of a block MUST repeat what the earlier ones had, as "
        "it replaces it.",
        "The client does not send it back: a model provider refuses reasoning without its "
        "signature.",
        in_step(
            {"type": "reasoning-start", "id": "0"},
            {
                "type": "reasoning-delta",
                "id": "0",
                "delta": "Hm.",
                "providerMetadata": {"anthropic": {"signature": "s"}},
            },
            {"type": "reasoning-end", "id": "0", "providerMetadata": {"anthropic": {}}},
        ),
    ),
    (
        "Tool calls",
        "call-unknown",
        "A tool's input delta, output, denial or approval request MUST have the id of a tool call "
        "of the message.",
        "The response ends with an error.",
        in_step(*BLOCK, OUTPUT),
    ),
    (
        "Tool calls",
        "call-twice",
        "The id of a tool call MUST be unique in the message. Only the complete input of a call "
        "that the user has decided on may come again, before the next step begins.",
        "The older call is overwritten, or shown twice.",
        StreamExample.of(
            *(START, STEP, AVAILABLE, OUTPUT, STEP_END, STEP, AVAILABLE, OUTPUT),
            *(*NEXT_STEP, STEP_END, FINISH, DONE),
        ),
    ),
    (
        "Tool calls",
        "call-changed",
        "A tool call MUST keep its name and its `dynamic` flag from `tool-input-start` to its "
        "complete input.",
        "The call is shown twice, once without end.",
        in_step(INPUT, {**AVAILABLE, "toolName": "forecast"}, OUTPUT, *NEXT_STEP),
    ),
    (
        "Tool calls",
        "input-missing",
        "The complete input of a tool call MUST come before its output and its approval request.",
        "The call is shown, and stored, without its input.",
        in_step(INPUT, OUTPUT, *NEXT_STEP),
    ),
    (
        "Tool calls",
        "input-unstarted",
        "`tool-input-start` MUST come before the deltas of a tool's input.",
        "The response ends with an error.",
        in_step(AVAILABLE, INPUT_DELTA),
    ),
    (
        "Tool calls",
        "input-done",
        "A delta MUST NOT follow the complete input of a tool call.",
        "The call goes back to its streaming state.",
        in_step(INPUT, AVAILABLE, INPUT_DELTA),
    ),
    (
        "Tool calls",
        "output-done",
        "A tool call MUST NOT get a second output, except after preliminary ones.",
        "The first output is overwritten.",
        in_step(AVAILABLE, OUTPUT, OUTPUT, *NEXT_STEP),
    ),
    (
        "Tool calls",
        "output-dynamic",
        "An output MUST have the `dynamic` flag of its tool call.",
        "The response ends with an error.",
        in_step({**AVAILABLE, "dynamic": True}, OUTPUT, *NEXT_STEP),
    ),
    (
        "Tool calls",
        "approval-twice",
        "A tool call MUST NOT have a second approval request, and the id of a request MUST be "
        "unique in the message.",
        "The decision goes to the wrong request.",
        in_step(AVAILABLE, REQUEST, {**REQUEST, "approvalId": "b"}, client_version=V7),
    ),
    (
        "Tool calls",
        "approval-unknown",
        "`tool-approval-response` MUST have the id of an approval request of the message.",
        "The response ends with an error.",
        in_step(
            *BLOCK,
            {"type": "tool-approval-response", "approvalId": "a", "approved": True},
            client_version=V7,
        ),
    ),
    (
        "End",
        "no-finish",
        "A stream MUST end with `finish`, `abort` or `error`, however it came to an end.",
        "An answer that was cut looks complete.",
        StreamExample.of(START, STEP, *BLOCK, STEP_END),
    ),
    (
        "End",
        "request-loop",
        "A stream MUST NOT end with a step in which every tool call has its output, unless it "
        "ends with `error`. A step with a text, which may be empty, has to follow.",
        "A client that continues automatically sends the same request again, forever.",
        StreamExample.of(START, STEP, AVAILABLE, OUTPUT, STEP_END, FINISH, DONE),
    ),
    (
        "End",
        "no-done",
        "`[DONE]` SHOULD be the last event.",
        "None in the clients; other tools take the stream for cut.",
        StreamExample.of(START, STEP, *BLOCK, STEP_END, FINISH),
    ),
    (
        "End",
        "after-done",
        "An event SHOULD NOT follow `[DONE]`.",
        "Clients read it, other tools do not.",
        StreamExample.of(START, STEP, *BLOCK, STEP_END, FINISH, DONE, DONE),
    ),
)
