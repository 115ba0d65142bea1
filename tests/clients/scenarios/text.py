"""Responses of text, and the history that the next request contains."""

from __future__ import annotations

import base64

from tests.clients.scenario import (
    STEP,
    Scenario,
    model_turn,
    reasoning_part,
    send,
    text_part,
    user_turn,
)
from tests.clients.scenarios.replies import escaped_event, file, reply
from tests.harness.fake_provider import Reply, block, message, redacted_thinking, text, thinking

__all__ = ["TEXT"]

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n%%EOF\n"
LONG = [f"{number} green bottles, " for number in range(1000)]

TEXT = [
    Scenario(
        name="text",
        replies=[reply(text("Hel", "lo"))],
        actions=[send("Hi")],
        statuses=["ready", "submitted", "streaming", "ready"],
        parts=[STEP, text_part("Hello")],
        provider_turns=[[user_turn("Hi")]],
        finish_reason="stop",
    ),
    Scenario(
        name="two turns",
        replies=[reply(text("Hello")), reply(text("Fine"))],
        actions=[send("Hi"), send("How are you?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[
            [user_turn("Hi")],
            [user_turn("Hi"), model_turn("Hello"), user_turn("How are you?")],
        ],
    ),
    Scenario(
        name="thinking",
        replies=[
            reply(thinking("Let ", "me see.", signature="c2ln"), text("Hello")),
            reply(text("Fine")),
        ],
        actions=[send("Hi"), send("Sure?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[
            None,
            [
                user_turn("Hi"),
                model_turn(
                    {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}, "Hello"
                ),
                user_turn("Sure?"),
            ],
        ],
    ),
    Scenario(
        name="thinking is streamed",
        replies=[reply(thinking("Let ", "me see.", signature="c2ln"), text("Hello"))],
        actions=[send("Hi")],
        parts=[STEP, reasoning_part("Let me see.", {"signature": "c2ln"}), text_part("Hello")],
    ),
    Scenario(
        name="redacted thinking",
        replies=[reply(redacted_thinking("aGlkZGVu"), text("Hello")), reply(text("Fine"))],
        actions=[send("Hi"), send("Sure?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        provider_turns=[
            None,
            [
                user_turn("Hi"),
                model_turn({"type": "redacted_thinking", "data": "aGlkZGVu"}, "Hello"),
                user_turn("Sure?"),
            ],
        ],
    ),
    Scenario(
        name="very long response",
        replies=[reply(text(*LONG))],
        actions=[send("Sing")],
        parts=[STEP, text_part("".join(LONG))],
    ),
    Scenario(
        name="one byte at a time",
        replies=[Reply(message(text("Grüße, ", "世界", " 👋🏽")), chunk_bytes=1)],
        actions=[send("Hallö 👋")],
        parts=[STEP, text_part("Grüße, 世界 👋🏽")],
        provider_turns=[[user_turn("Hallö 👋")]],
    ),
    Scenario(
        name="emoji cut in half",
        replies=[
            reply(
                escaped_event(
                    {
                        "type": "content_block_start",
                        "index": 0,
                        "content_block": {"type": "text", "text": ""},
                    }
                ),
                *(
                    escaped_event(
                        {
                            "type": "content_block_delta",
                            "index": 0,
                            "delta": {"type": "text_delta", "text": piece},
                        }
                    )
                    for piece in ("Hi \ud83d", "\ude00 and half: \ud83d", "!")
                ),
                escaped_event({"type": "content_block_stop", "index": 0}),
            )
        ],
        actions=[send("Smile \ud83d")],
        parts=[STEP, text_part("Hi 😀 and half: \ufffd!")],
        provider_turns=[[user_turn("Smile \ufffd")]],
    ),
    Scenario(
        name="max tokens",
        replies=[reply(text("Hel"), stop_reason="max_tokens")],
        actions=[send("Hi")],
        parts=[STEP, text_part("Hel")],
        finish_reason="length",
    ),
    Scenario(
        name="refusal",
        replies=[reply(stop_reason="refusal")],
        actions=[send("Hi")],
        finish_reason="content-filter",
    ),
    Scenario(
        name="empty response, then another",
        replies=[reply(), reply(text("Hello"))],
        actions=[send("Hi"), send("Hm?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Hello")],
    ),
    Scenario(
        name="unknown blocks and events",
        replies=[
            reply(
                {"type": "weather_report", "index": 0},
                block({"type": "hologram", "data": "x"}, {"type": "hologram_delta", "data": "y"}),
                text("Hello"),
            )
        ],
        actions=[send("Hi")],
        parts=[STEP, text_part("Hello")],
        finish_reason="stop",
    ),
    Scenario(
        name="files",
        replies=[reply(text("Nice"))],
        actions=[
            send(
                "Look",
                files=[
                    file("dot.png", "image/png", PNG),
                    file("paper.pdf", "application/pdf", PDF),
                    file("table.csv", "text/csv", b"a,b\n1,2\n"),
                ],
            )
        ],
        parts=[STEP, text_part("Nice")],
        provider_turns=[
            [
                user_turn(
                    {
                        "type": "image",
                        "source": {
                            "type": "base64",
                            "media_type": "image/png",
                            "data": base64.b64encode(PNG).decode(),
                        },
                    },
                    {
                        "type": "document",
                        "title": "paper.pdf",
                        "source": {
                            "type": "base64",
                            "media_type": "application/pdf",
                            "data": base64.b64encode(PDF).decode(),
                        },
                    },
                    {
                        "type": "document",
                        "title": "table.csv",
                        "source": {
                            "type": "text",
                            "media_type": "text/plain",
                            "data": "a,b\n1,2\n",
                        },
                    },
                    "Look",
                )
            ]
        ],
    ),
]
