"""Answers of text: what comes through, and what the next request says of it."""

from __future__ import annotations

import base64

from tests.clients.scenario import STEP, Scenario, model, said, send, thought, user
from tests.clients.scenarios.replies import file, raw, replied
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
        replies=[replied(text("Hel", "lo"))],
        actions=[send("Hi")],
        statuses=["ready", "submitted", "streaming", "ready"],
        parts=[STEP, said("Hello")],
        asked=[[user("Hi")]],
        finish_reason="stop",
    ),
    Scenario(
        name="two turns",
        replies=[replied(text("Hello")), replied(text("Fine"))],
        actions=[send("Hi"), send("How are you?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
        asked=[[user("Hi")], [user("Hi"), model("Hello"), user("How are you?")]],
    ),
    Scenario(
        name="thinking",
        replies=[
            replied(thinking("Let ", "me see.", signature="c2ln"), text("Hello")),
            replied(text("Fine")),
        ],
        actions=[send("Hi"), send("Sure?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
        asked=[
            None,
            [
                user("Hi"),
                model(
                    {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}, "Hello"
                ),
                user("Sure?"),
            ],
        ],
    ),
    Scenario(
        name="thinking is shown",
        replies=[replied(thinking("Let ", "me see.", signature="c2ln"), text("Hello"))],
        actions=[send("Hi")],
        parts=[STEP, thought("Let me see.", {"signature": "c2ln"}), said("Hello")],
    ),
    Scenario(
        name="redacted thinking",
        replies=[replied(redacted_thinking("aGlkZGVu"), text("Hello")), replied(text("Fine"))],
        actions=[send("Hi"), send("Sure?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        asked=[
            None,
            [
                user("Hi"),
                model({"type": "redacted_thinking", "data": "aGlkZGVu"}, "Hello"),
                user("Sure?"),
            ],
        ],
    ),
    Scenario(
        name="very long answer",
        replies=[replied(text(*LONG))],
        actions=[send("Sing")],
        parts=[STEP, said("".join(LONG))],
    ),
    Scenario(
        name="one byte at a time",
        replies=[Reply(message(text("Grüße, ", "世界", " 👋🏽")), chunk_bytes=1)],
        actions=[send("Hallö 👋")],
        parts=[STEP, said("Grüße, 世界 👋🏽")],
        asked=[[user("Hallö 👋")]],
    ),
    Scenario(
        name="emoji cut in half",
        replies=[
            replied(
                raw(
                    {
                        "type": "content_block_start",
                        "index": 0,
                        "content_block": {"type": "text", "text": ""},
                    }
                ),
                *(
                    raw(
                        {
                            "type": "content_block_delta",
                            "index": 0,
                            "delta": {"type": "text_delta", "text": piece},
                        }
                    )
                    for piece in ("Hi \ud83d", "\ude00 and half: \ud83d", "!")
                ),
                raw({"type": "content_block_stop", "index": 0}),
            )
        ],
        actions=[send("Smile \ud83d")],
        parts=[STEP, said("Hi 😀 and half: \ufffd!")],
        asked=[[user("Smile \ufffd")]],
    ),
    Scenario(
        name="max tokens",
        replies=[replied(text("Hel"), stop_reason="max_tokens")],
        actions=[send("Hi")],
        parts=[STEP, said("Hel")],
        finish_reason="length",
    ),
    Scenario(
        name="refusal",
        replies=[replied(stop_reason="refusal")],
        actions=[send("Hi")],
        finish_reason="content-filter",
    ),
    Scenario(
        name="empty answer, then another",
        replies=[replied(), replied(text("Hello"))],
        actions=[send("Hi"), send("Hm?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Hello")],
    ),
    Scenario(
        name="unknown blocks and events",
        replies=[
            replied(
                {"type": "weather_report", "index": 0},
                block({"type": "hologram", "data": "x"}, {"type": "hologram_delta", "data": "y"}),
                text("Hello"),
            )
        ],
        actions=[send("Hi")],
        parts=[STEP, said("Hello")],
        finish_reason="stop",
    ),
    Scenario(
        name="files",
        replies=[replied(text("Nice"))],
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
        parts=[STEP, said("Nice")],
        asked=[
            [
                user(
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
