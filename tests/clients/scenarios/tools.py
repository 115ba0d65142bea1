"""Client-side tools, and the continuations that their outputs start."""

from __future__ import annotations

from tests.clients.scenario import (
    ANY,
    SECRET,
    STEP,
    Scenario,
    add_tool_error,
    add_tool_output,
    model_turn,
    regenerate,
    send,
    stop,
    text_part,
    tool_part,
    user_turn,
    wait_for_text,
)
from tests.clients.scenarios.replies import (
    HALF,
    PARIS,
    SUNNY,
    USED,
    WEATHER,
    reply,
    tool_call_reply,
    tool_result,
)
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
        replies=[tool_call_reply(), reply(text("21 degrees"))],
        actions=[send("Weather?"), add_tool_output("weather", SUNNY)],
        requests=2,
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            STEP,
            text_part("21 degrees"),
        ],
        provider_turns=[
            [user_turn("Weather?")],
            [user_turn("Weather?"), model_turn(USED), user_turn(tool_result(SUNNY))],
        ],
        finish_reason="stop",
    ),
    Scenario(
        name="automatic client-side tool",
        replies=[
            tool_call_reply(text("Well."), WEATHER, text("Looking.")),
            reply(text("21 degrees")),
        ],
        actions=[send("Weather?")],
        client_tools={"weather": SUNNY},
        requests=2,
        parts=[
            STEP,
            text_part("Well."),
            tool_part("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            text_part("Looking."),
            STEP,
            text_part("21 degrees"),
        ],
    ),
    Scenario(
        name="tool that fails",
        since="5.0.92",
        replies=[tool_call_reply(), reply(text("Sorry"))],
        actions=[send("Weather?"), add_tool_error("weather", "No station")],
        requests=2,
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-error", errorText="No station"),
            STEP,
            text_part("Sorry"),
        ],
        provider_turns=[
            None,
            [
                user_turn("Weather?"),
                model_turn(USED),
                user_turn(tool_result("No station", is_error=True)),
            ],
        ],
    ),
    Scenario(
        name="regenerate a response with a tool",
        replies=[tool_call_reply(), reply(text("21 degrees")), reply(text("Warm"))],
        actions=[send("Weather?"), add_tool_output("weather", SUNNY), regenerate],
        requests=3,
        parts=[STEP, text_part("Warm")],
        provider_turns=[None, None, [user_turn("Weather?")]],
    ),
    Scenario(
        name="tool after thinking and text",
        replies=[
            tool_call_reply(thinking("Hm.", signature="c2ln"), text("One moment."), WEATHER),
            reply(text("21 degrees")),
        ],
        actions=[send("Weather?"), add_tool_output("weather", SUNNY)],
        requests=2,
        provider_turns=[
            None,
            [
                user_turn("Weather?"),
                model_turn(
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    "One moment.",
                    USED,
                ),
                user_turn(tool_result(SUNNY)),
            ],
        ],
    ),
    Scenario(
        name="parallel tools",
        replies=[
            tool_call_reply(WEATHER, tool_use("toolu_2", "weather", {"city": "Rome"})),
            reply(text("Warm")),
        ],
        actions=[send("Weather?"), add_tool_output("weather", SUNNY)],
        requests=2,
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            tool_part(
                "weather", "toolu_2", "output-available", input={"city": "Rome"}, output=SUNNY
            ),
            STEP,
            text_part("Warm"),
        ],
        provider_turns=[
            None,
            [
                user_turn("Weather?"),
                model_turn(USED, {**USED, "id": "toolu_2", "input": {"city": "Rome"}}),
                user_turn(tool_result(SUNNY), tool_result(SUNNY, "toolu_2")),
            ],
        ],
    ),
    Scenario(
        name="tool after tool",
        replies=[
            tool_call_reply(),
            tool_call_reply(tool_use("toolu_2", "weather", {"city": "Rome"})),
            reply(text("Warm")),
        ],
        actions=[
            send("Weather?"),
            add_tool_output("weather", SUNNY),
            add_tool_output("weather", SUNNY),
        ],
        requests=3,
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            STEP,
            tool_part(
                "weather", "toolu_2", "output-available", input={"city": "Rome"}, output=SUNNY
            ),
            STEP,
            text_part("Warm"),
        ],
    ),
    Scenario(
        name="empty continuation",
        replies=[tool_call_reply(), reply()],
        actions=[send("Weather?"), add_tool_output("weather", SUNNY)],
        requests=2,
    ),
    Scenario(
        name="continuation that fails",
        replies=[tool_call_reply(), http_error(400, "invalid_request_error", SECRET)],
        actions=[send("Weather?"), add_tool_output("weather", SUNNY)],
        requests=2,
        status="error",
    ),
    Scenario(
        name="continuation that is stopped",
        replies=[tool_call_reply(), Reply(message(thinking("Hm"))[:-4], then="hang")],
        actions=[
            send("Weather?"),
            {"startOutput": {"tool": "weather", "output": SUNNY}},
            wait_for_text("Hm"),
            stop,
        ],
        requests=2,
        closed_requests=[1],
    ),
    Scenario(
        name="null input and null output",
        replies=[tool_call_reply(tool_use("toolu_1", "weather")), reply(text("Done"))],
        actions=[send("Weather?"), add_tool_output("weather", None)],
        requests=2,
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-available", input={}, output=None),
            STEP,
            text_part("Done"),
        ],
        provider_turns=[
            None,
            [
                user_turn("Weather?"),
                model_turn({**USED, "input": {}}),
                user_turn(tool_result(None)),
            ],
        ],
    ),
    Scenario(
        name="tool input that is null",
        replies=[
            tool_call_reply(tool_use("toolu_1", "weather", pieces=["null"])),
            reply(text("Done")),
        ],
        actions=[send("Weather?"), send("Again")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Done")],
    ),
    Scenario(
        name="tool without an output",
        replies=[tool_call_reply(), reply(text("Fine"))],
        actions=[send("Weather?"), send("Never mind")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[
            None,
            [
                user_turn("Weather?"),
                model_turn(USED),
                user_turn(tool_result(ANY, is_error=True), "Never mind"),
            ],
        ],
    ),
    Scenario(
        name="incomplete tool input",
        replies=[
            Reply([*message(HALF)[:-3], error_event("invalid_request_error", SECRET)]),
            reply(text("Fine")),
        ],
        actions=[send("Weather?"), send("Again")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
    ),
    Scenario(
        name="tool input cut by max tokens",
        replies=[
            reply(HALF, stop_reason="max_tokens"),
            reply(text("Fine")),
        ],
        actions=[send("Weather?"), send("Again")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
    ),
    Scenario(
        name="tool input that is not JSON",
        replies=[
            tool_call_reply(tool_use("toolu_1", "weather", pieces=["{city: Paris}"])),
            reply(text("Fine")),
        ],
        actions=[send("Weather?")],
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-error", errorText=ANY),
            STEP,
            text_part("Fine"),
        ],
    ),
]
