"""Tools that the page runs, and the continuations that their outputs start."""

from __future__ import annotations

from tests.clients.scenario import (
    ANY,
    SECRET,
    STEP,
    Scenario,
    answer,
    called,
    fail,
    model,
    regenerate,
    said,
    seen,
    send,
    stop,
    user,
)
from tests.clients.scenarios.replies import HALF, PARIS, SUNNY, USED, WEATHER, call, replied, result
from tests.harness.fake_provider import (
    Reply,
    error_event,
    http_error,
    message,
    text,
    thinking,
    tool_use,
)

__all__ = ["TOOLS"]


TOOLS = [
    Scenario(
        name="tool",
        replies=[call(), replied(text("21 degrees"))],
        actions=[send("Weather?"), answer("weather", SUNNY)],
        requests=2,
        parts=[
            STEP,
            called("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            STEP,
            said("21 degrees"),
        ],
        asked=[[user("Weather?")], [user("Weather?"), model(USED), user(result(SUNNY))]],
        finish_reason="stop",
    ),
    Scenario(
        name="tool that the page runs by itself",
        replies=[call(text("Well."), WEATHER, text("Looking.")), replied(text("21 degrees"))],
        actions=[send("Weather?")],
        page_tools={"weather": SUNNY},
        requests=2,
        parts=[
            STEP,
            said("Well."),
            called("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            said("Looking."),
            STEP,
            said("21 degrees"),
        ],
    ),
    Scenario(
        name="tool that fails",
        since="5.0.92",
        replies=[call(), replied(text("Sorry"))],
        actions=[send("Weather?"), fail("weather", "No station")],
        requests=2,
        parts=[
            STEP,
            called("weather", "toolu_1", "output-error", errorText="No station"),
            STEP,
            said("Sorry"),
        ],
        asked=[
            None,
            [user("Weather?"), model(USED), user(result("No station", is_error=True))],
        ],
    ),
    Scenario(
        name="regenerate an answer with a tool",
        replies=[call(), replied(text("21 degrees")), replied(text("Warm"))],
        actions=[send("Weather?"), answer("weather", SUNNY), regenerate],
        requests=3,
        parts=[STEP, said("Warm")],
        asked=[None, None, [user("Weather?")]],
    ),
    Scenario(
        name="tool after thinking and text",
        replies=[
            call(thinking("Hm.", signature="c2ln"), text("One moment."), WEATHER),
            replied(text("21 degrees")),
        ],
        actions=[send("Weather?"), answer("weather", SUNNY)],
        requests=2,
        asked=[
            None,
            [
                user("Weather?"),
                model(
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    "One moment.",
                    USED,
                ),
                user(result(SUNNY)),
            ],
        ],
    ),
    Scenario(
        name="parallel tools",
        replies=[
            call(WEATHER, tool_use("toolu_2", "weather", {"city": "Rome"})),
            replied(text("Warm")),
        ],
        actions=[send("Weather?"), answer("weather", SUNNY)],
        requests=2,
        parts=[
            STEP,
            called("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            called("weather", "toolu_2", "output-available", input={"city": "Rome"}, output=SUNNY),
            STEP,
            said("Warm"),
        ],
        asked=[
            None,
            [
                user("Weather?"),
                model(USED, {**USED, "id": "toolu_2", "input": {"city": "Rome"}}),
                user(result(SUNNY), result(SUNNY, "toolu_2")),
            ],
        ],
    ),
    Scenario(
        name="tool after tool",
        replies=[
            call(),
            call(tool_use("toolu_2", "weather", {"city": "Rome"})),
            replied(text("Warm")),
        ],
        actions=[send("Weather?"), answer("weather", SUNNY), answer("weather", SUNNY)],
        requests=3,
        parts=[
            STEP,
            called("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            STEP,
            called("weather", "toolu_2", "output-available", input={"city": "Rome"}, output=SUNNY),
            STEP,
            said("Warm"),
        ],
    ),
    Scenario(
        name="empty continuation",
        replies=[call(), replied()],
        actions=[send("Weather?"), answer("weather", SUNNY)],
        requests=2,
    ),
    Scenario(
        name="continuation that fails",
        replies=[call(), http_error(400, "invalid_request_error", SECRET)],
        actions=[send("Weather?"), answer("weather", SUNNY)],
        requests=2,
        status="error",
    ),
    Scenario(
        name="continuation that is stopped",
        replies=[call(), Reply(message(thinking("Hm"))[:-4], then="hang")],
        actions=[
            send("Weather?"),
            {"startAnswer": {"tool": "weather", "output": SUNNY}},
            seen("Hm"),
            stop,
        ],
        requests=2,
        hung_up=[1],
    ),
    Scenario(
        name="null input and null output",
        replies=[call(tool_use("toolu_1", "weather")), replied(text("Done"))],
        actions=[send("Weather?"), answer("weather", None)],
        requests=2,
        parts=[
            STEP,
            called("weather", "toolu_1", "output-available", input={}, output=None),
            STEP,
            said("Done"),
        ],
        asked=[None, [user("Weather?"), model({**USED, "input": {}}), user(result(None))]],
    ),
    Scenario(
        name="tool input that is null",
        replies=[call(tool_use("toolu_1", "weather", pieces=["null"])), replied(text("Done"))],
        actions=[send("Weather?"), send("Again")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Done")],
    ),
    Scenario(
        name="tool that is never answered",
        replies=[call(), replied(text("Fine"))],
        actions=[send("Weather?"), send("Never mind")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
        asked=[
            None,
            [user("Weather?"), model(USED), user(result(ANY, is_error=True), "Never mind")],
        ],
    ),
    Scenario(
        name="half a tool input",
        replies=[
            Reply([*message(HALF)[:-3], error_event("invalid_request_error", SECRET)]),
            replied(text("Fine")),
        ],
        actions=[send("Weather?"), send("Again")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
    ),
    Scenario(
        name="tool input cut by max tokens",
        replies=[
            replied(HALF, stop_reason="max_tokens"),
            replied(text("Fine")),
        ],
        actions=[send("Weather?"), send("Again")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
    ),
    Scenario(
        name="tool input that is not JSON",
        replies=[
            call(tool_use("toolu_1", "weather", pieces=["{city: Paris}"])),
            replied(text("Fine")),
        ],
        actions=[send("Weather?")],
        parts=[
            STEP,
            called("weather", "toolu_1", "output-error", errorText=ANY),
            STEP,
            said("Fine"),
        ],
    ),
]
