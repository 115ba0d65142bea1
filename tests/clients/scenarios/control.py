"""Stop, regenerate, edit and resume."""

from __future__ import annotations

from typing import Any

from tests.clients.scenario import (
    ANY,
    STEP,
    Scenario,
    edit,
    model_turn,
    regenerate,
    resume,
    send,
    start,
    stop,
    text_part,
    tool_part,
    user_turn,
    wait_for_text,
)
from tests.clients.scenarios.replies import HALF, USED, cut_reply, reply, tool_result
from tests.clients.scenarios.stopping import stop_and_go_on
from tests.harness.fake_provider import text, thinking

__all__ = ["CONTROL"]

#: A history that other releases and other servers have written.
HISTORY: list[dict[str, Any]] = [
    {"id": "q", "role": "user", "parts": [{"type": "text", "text": "Weather?"}]},
    {
        "id": "a",
        "role": "assistant",
        "metadata": {"model": "another", "cost": None},
        "parts": [
            STEP,
            {"type": "reasoning", "text": "Unsigned", "state": "streaming"},
            {"type": "custom", "kind": "other.start"},
            text_part("One moment."),
            tool_part(
                "weather", "toolu_1", "output-error", rawInput='{"city": "Pa', errorText="Cut"
            ),
            tool_part("weather", "toolu_2", "input-streaming", input={"city": "Ro"}),
            {"type": "data-map", "id": "m", "data": {"zoom": 3}},
            {"type": "hologram", "depth": 3},
            STEP,
            {"type": "source-url", "sourceId": "s", "url": "https://example.com"},
            text_part("It is warm."),
            STEP,
            text_part(""),
        ],
    },
]

CONTROL = [
    stop_and_go_on("stop, then continue"),
    Scenario(
        name="stop keeps the received text",
        replies=[cut_reply(text("Hel"), then="hang")],
        actions=[start("Hi"), wait_for_text("Hel"), stop],
        statuses=["ready", "submitted", "streaming", "ready"],
        parts=[STEP, text_part("Hel", "streaming")],
        closed_requests=[0],
    ),
    Scenario(
        name="stop while thinking, then continue",
        replies=[
            cut_reply(thinking("Hm", signature=None), then="hang"),
            reply(text("Fine")),
        ],
        actions=[start("Hi"), wait_for_text("Hm"), stop, send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        closed_requests=[0],
    ),
    Scenario(
        name="stop within a tool input, then continue",
        replies=[
            cut_reply(HALF, then="hang"),
            reply(text("Fine")),
        ],
        actions=[start("Weather?"), wait_for_text("toolu_1"), stop, send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        closed_requests=[0],
    ),
    Scenario(
        name="regenerate",
        replies=[reply(text("One")), reply(text("Two"))],
        actions=[send("Hi"), regenerate],
        requests=2,
        parts=[STEP, text_part("Two")],
        provider_turns=[[user_turn("Hi")], [user_turn("Hi")]],
    ),
    Scenario(
        name="regenerate while a response is streamed",
        replies=[cut_reply(text("One"), then="hang"), reply(text("Two"))],
        actions=[start("Hi"), wait_for_text("One"), stop, regenerate],
        requests=2,
        parts=[STEP, text_part("Two")],
        provider_turns=[[user_turn("Hi")], [user_turn("Hi")]],
        closed_requests=[0],
    ),
    Scenario(
        name="history of another server",
        replies=[reply(text("Fine"))],
        messages=HISTORY,
        actions=[send("And now?")],
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[
            [
                user_turn("Weather?"),
                model_turn(
                    "One moment.",
                    {**USED, "input": ANY},
                    {**USED, "id": "toolu_2", "input": ANY},
                ),
                user_turn(
                    tool_result("Cut", is_error=True), tool_result(ANY, "toolu_2", is_error=True)
                ),
                model_turn("It is warm."),
                user_turn("And now?"),
            ]
        ],
    ),
    Scenario(
        name="edit",
        replies=[reply(text("One")), reply(text("Two")), reply(text("Three"))],
        actions=[send("A"), send("B"), edit(0, "C")],
        requests=3,
        parts=[STEP, text_part("Three")],
        provider_turns=[None, None, [user_turn("C")]],
    ),
    Scenario(
        name="resume",
        # 5.0.0 waits forever when there is nothing to resume.
        since="5.0.92",
        actions=[resume],
        roles=[],
        provider_turns=[],
    ),
]
