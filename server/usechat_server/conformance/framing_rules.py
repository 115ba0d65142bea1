"""The rules of a stream's framing, its chunks and their order."""

from __future__ import annotations

from usechat_server.conformance.example_events import (
    AVAILABLE,
    BLOCK,
    CONTINUED,
    DELTA,
    DONE,
    FINISH,
    NEXT_STEP,
    OUTPUT,
    START,
    STEP,
    STEP_END,
    TEXT,
    WHOLE,
    in_step,
    with_bytes,
)
from usechat_server.conformance.rules import Row, StreamExample

__all__ = ["FRAMING_RULES"]

FRAMING_RULES: tuple[Row, ...] = (
    (
        "Framing",
        "utf-8",
        "A backend MUST encode the stream in UTF-8.",
        "Every other byte is shown as U+FFFD.",
        with_bytes("Hello", b"H\xe9llo"),
    ),
    (
        "Framing",
        "json",
        "The data of every event MUST be one JSON value, or `[DONE]`. `NaN`, `Infinity` and an "
        "empty text are not JSON. A keep-alive MUST be a comment, a line that begins with a colon.",
        "The response ends with an error.",
        in_step('{"type":"data-score","data":NaN}', *BLOCK),
    ),
    (
        "Framing",
        "forbidden-key",
        "A JSON value MUST NOT have the key `__proto__`, or `constructor` with `prototype` in it, "
        "at any depth, even in the output of a tool.",
        "The client's parser takes it for an attack: the response ends with an error.",
        in_step({"type": "data-form", "data": {"__proto__": 1}}, *BLOCK),
    ),
    (
        "Framing",
        "unfinished-event",
        "A blank line MUST follow every event, also the last one.",
        "The last event is lost.",
        StreamExample(WHOLE[:-1]),
    ),
    (
        "Framing",
        "bare-cr",
        "The last line of a stream MUST NOT end in a CR without an LF.",
        "Clients of AI SDK 7 lose the last event.",
        StreamExample(WHOLE[:-2] + b"\r\r"),
    ),
    (
        "Framing",
        "no-events",
        "A response with status 200 MUST be a stream of events. An error that is known before the "
        "stream begins MUST have a status of 400 or more.",
        "The client shows nothing, and no error.",
        StreamExample(b'{"error": {"message": "Overloaded"}}'),
    ),
    (
        "Chunks",
        "schema",
        "Every chunk MUST be an object with a type and fields of the tables above. A field that "
        "is not optional MUST be present, even if its value is null; an optional one without a "
        "value MUST be left out, not null.",
        "The response ends with an error.",
        in_step(AVAILABLE, {"type": "tool-output-available", "toolCallId": "c"}, *NEXT_STEP),
    ),
    (
        "Chunks",
        "unknown-type",
        "A backend MUST NOT send a chunk type to a client whose release does not know it.",
        "The response ends with an error.",
        in_step({"type": "custom", "kind": "example.note"}, *BLOCK),
    ),
    (
        "Chunks",
        "unknown-field",
        "A backend MUST NOT send a field to a client whose release does not know it, unless the "
        "release ignores unknown fields.",
        "The response ends with an error.",
        in_step({**AVAILABLE, "title": "Weather"}, OUTPUT, *NEXT_STEP),
    ),
    (
        "Chunks",
        "unknown-reason",
        "The finish reason MUST be one that the client's release knows: those of a model "
        "provider, such as `end_turn`, are not.",
        "The response ends with an error.",
        StreamExample.of(
            START, STEP, *BLOCK, STEP_END, {**FINISH, "finishReason": "interrupted"}, DONE
        ),
    ),
    (
        "Order",
        "start-first",
        "`start` SHOULD come first, except for transient `data-NAME` chunks.",
        "Without one, the client makes up an id that the backend does not know, and a resumed "
        "message is shown twice.",
        StreamExample.of(STEP, *BLOCK, STEP_END, FINISH, DONE),
    ),
    (
        "Order",
        "start-once",
        "A response MUST NOT have a second `start`, however many steps it has, nor one that "
        "comes after other chunks than transient data.",
        "With another id, the message is shown twice.",
        StreamExample.of(
            START, STEP, *BLOCK, STEP_END, START, STEP, *BLOCK, STEP_END, FINISH, DONE
        ),
    ),
    (
        "Order",
        "same-message",
        "The response to outputs of tools or to approvals MUST have the `messageId` of the "
        "message that it continues, or none.",
        "The message is shown twice.",
        StreamExample.of(
            {**START, "messageId": "n"},
            STEP,
            *BLOCK,
            STEP_END,
            FINISH,
            DONE,
            message=CONTINUED,
        ),
    ),
    (
        "Order",
        "in-step",
        "Text, reasoning, tool inputs, sources and files SHOULD come between `start-step` and "
        "`finish-step`, one step for each call of the model.",
        "Steps become one in the history, and a client that continues automatically looks at all "
        "of them.",
        StreamExample.of(START, *BLOCK, STEP_END, FINISH, DONE),
    ),
    (
        "Order",
        "no-step",
        "`finish-step` and `reset-step` SHOULD come in a step.",
        "A client that knows `reset-step` removes the wrong parts.",
        StreamExample.of(START, STEP, *BLOCK, STEP_END, STEP_END, FINISH, DONE),
    ),
    (
        "Order",
        "step-open",
        "`finish-step` SHOULD come before the next `start-step` and before `finish`.",
        "None in the clients of today.",
        StreamExample.of(START, STEP, *BLOCK, FINISH, DONE),
    ),
    (
        "Order",
        "part-open",
        "Every text, reasoning and tool input MUST end before its step does, also if the model "
        "failed.",
        "The part stays in its streaming state, with a cursor that never stops.",
        in_step(TEXT, DELTA),
    ),
    (
        "Order",
        "after-end",
        "A chunk SHOULD NOT follow `finish`, `abort` or `error`; only `[DONE]` does.",
        "After `error` it is not read; after the others it is.",
        StreamExample.of(
            START,
            STEP,
            *BLOCK,
            STEP_END,
            {"type": "error", "errorText": "Failed."},
            FINISH,
            DONE,
        ),
    ),
)
