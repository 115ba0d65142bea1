"""Stop, regenerate, edit and resume."""

from __future__ import annotations

from typing import Any

from tests.clients.scenario import (
    ANY,
    STEP,
    Scenario,
    called,
    edit,
    model,
    regenerate,
    resume,
    said,
    seen,
    send,
    start,
    stop,
    user,
)
from tests.clients.scenarios.replies import HALF, USED, cut, replied, result
from tests.harness.fake_provider import text, thinking

__all__ = ["CONTROL"]

#: What other releases and other servers leave in a page.
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
            said("One moment."),
            called("weather", "toolu_1", "output-error", rawInput='{"city": "Pa', errorText="Cut"),
            called("weather", "toolu_2", "input-streaming", input={"city": "Ro"}),
            {"type": "data-map", "id": "m", "data": {"zoom": 3}},
            {"type": "hologram", "depth": 3},
            STEP,
            {"type": "source-url", "sourceId": "s", "url": "https://example.com"},
            said("It is warm."),
            STEP,
            said(""),
        ],
    },
]

CONTROL = [
    Scenario(
        name="stop, then go on",
        replies=[cut(text("Hel"), then="hang"), replied(text("Fine"))],
        actions=[start("Hi"), seen("Hel"), stop, send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
        asked=[None, [user("Hi"), model("Hel"), user("Go on")]],
        hung_up=[0],
    ),
    Scenario(
        name="stop keeps what was shown",
        replies=[cut(text("Hel"), then="hang")],
        actions=[start("Hi"), seen("Hel"), stop],
        statuses=["ready", "submitted", "streaming", "ready"],
        parts=[STEP, said("Hel", "streaming")],
        hung_up=[0],
    ),
    Scenario(
        name="stop while thinking, then go on",
        replies=[
            cut(thinking("Hm", signature=None), then="hang"),
            replied(text("Fine")),
        ],
        actions=[start("Hi"), seen("Hm"), stop, send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
        hung_up=[0],
    ),
    Scenario(
        name="stop within a tool input, then go on",
        replies=[
            cut(HALF, then="hang"),
            replied(text("Fine")),
        ],
        actions=[start("Weather?"), seen("toolu_1"), stop, send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
        hung_up=[0],
    ),
    Scenario(
        name="regenerate",
        replies=[replied(text("One")), replied(text("Two"))],
        actions=[send("Hi"), regenerate],
        requests=2,
        parts=[STEP, said("Two")],
        asked=[[user("Hi")], [user("Hi")]],
    ),
    Scenario(
        name="regenerate while an answer is open",
        replies=[cut(text("One"), then="hang"), replied(text("Two"))],
        actions=[start("Hi"), seen("One"), stop, regenerate],
        requests=2,
        parts=[STEP, said("Two")],
        asked=[[user("Hi")], [user("Hi")]],
        hung_up=[0],
    ),
    Scenario(
        name="history from elsewhere",
        replies=[replied(text("Fine"))],
        messages=HISTORY,
        actions=[send("And now?")],
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
        asked=[
            [
                user("Weather?"),
                model(
                    "One moment.",
                    {**USED, "input": ANY},
                    {**USED, "id": "toolu_2", "input": ANY},
                ),
                user(result("Cut", is_error=True), result(ANY, "toolu_2", is_error=True)),
                model("It is warm."),
                user("And now?"),
            ]
        ],
    ),
    Scenario(
        name="edit",
        replies=[replied(text("One")), replied(text("Two")), replied(text("Three"))],
        actions=[send("A"), send("B"), edit(0, "C")],
        requests=3,
        parts=[STEP, said("Three")],
        asked=[None, None, [user("C")]],
    ),
    Scenario(
        name="resume",
        # 5.0.0 itself waits for ever when there is nothing to resume.
        since="5.0.92",
        actions=[resume],
        roles=[],
        asked=[],
    ),
]
