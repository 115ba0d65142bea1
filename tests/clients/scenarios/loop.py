"""Server-side tools: several steps in the response to one request."""

from __future__ import annotations

from tests.clients.scenario import (
    ANY,
    STEP,
    Scenario,
    add_tool_output,
    model_turn,
    send,
    start,
    stop,
    text_part,
    tool_part,
    trigger_event,
    user_turn,
    wait_for_event,
    wait_for_text,
)
from tests.clients.scenarios.replies import (
    PARIS,
    SUNNY,
    WEATHER,
    reply,
    tool_call_reply,
    tool_result,
)
from tests.harness.fake_provider import Reply, message, text, tool_use

__all__ = ["LOOP"]

FORECAST = tool_use("toolu_f", "forecast", PARIS)
USED_FORECAST = {"type": "tool_use", "id": "toolu_f", "name": "forecast", "input": PARIS}
MILD = {"city": "Paris", "degrees": 21}
FORECAST_DONE = tool_part("forecast", "toolu_f", "output-available", input=PARIS, output=MILD)
WAIT = tool_use("toolu_w", "wait")
PROGRESS = {"type": "data-progress", "id": "progress", "data": {"done": 0}}


def done(data: int) -> dict[str, object]:
    return {**PROGRESS, "data": {"done": data}}


LOOP = [
    Scenario(
        name="server-side tool",
        app="loop",
        replies=[tool_call_reply(text("Let me see."), FORECAST), reply(text("21 degrees"))],
        actions=[send("Weather?")],
        parts=[STEP, text_part("Let me see."), FORECAST_DONE, STEP, text_part("21 degrees")],
        provider_turns=[
            None,
            [
                user_turn("Weather?"),
                model_turn("Let me see.", USED_FORECAST),
                user_turn(tool_result(MILD, "toolu_f")),
            ],
        ],
        finish_reason="stop",
    ),
    Scenario(
        name="server-side tool, then another turn",
        app="loop",
        replies=[tool_call_reply(FORECAST), reply(text("21 degrees")), reply(text("Sure"))],
        actions=[send("Weather?"), send("Sure?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Sure")],
        provider_turns=[
            None,
            None,
            [
                user_turn("Weather?"),
                model_turn(USED_FORECAST),
                user_turn(tool_result(MILD, "toolu_f")),
                model_turn("21 degrees"),
                user_turn("Sure?"),
            ],
        ],
    ),
    Scenario(
        name="parallel server-side tools, some of which fail",
        app="loop",
        replies=[
            tool_call_reply(
                FORECAST,
                tool_use("toolu_a", "archive", PARIS),
                tool_use("toolu_b", "broken", PARIS),
            ),
            reply(text("21 degrees")),
        ],
        actions=[send("Weather?")],
        parts=[
            STEP,
            FORECAST_DONE,
            tool_part(
                "archive", "toolu_a", "output-error", errorText="There is no archive of Paris."
            ),
            tool_part("broken", "toolu_b", "output-error", errorText=ANY),
            STEP,
            text_part("21 degrees"),
        ],
        provider_turns=[
            None,
            [
                ANY,
                ANY,
                user_turn(
                    tool_result(MILD, "toolu_f"),
                    tool_result("There is no archive of Paris.", "toolu_a", is_error=True),
                    tool_result(ANY, "toolu_b", is_error=True),
                ),
            ],
        ],
    ),
    Scenario(
        name="invalid input, then a valid one",
        app="loop",
        replies=[
            tool_call_reply(tool_use("toolu_1", "forecast", {"town": "Paris"})),
            tool_call_reply(FORECAST),
            reply(text("21 degrees")),
        ],
        actions=[send("Weather?")],
        parts=[
            STEP,
            tool_part("forecast", "toolu_1", "output-error", errorText=ANY),
            STEP,
            FORECAST_DONE,
            STEP,
            text_part("21 degrees"),
        ],
    ),
    Scenario(
        name="an unknown tool",
        app="loop",
        replies=[
            tool_call_reply(tool_use("toolu_1", "teleport", {})),
            reply(text("Sorry")),
            reply(text("Fine")),
        ],
        actions=[send("Go!"), send("And now?")],
        requests=2,
        roles=["user", "assistant"] * 2,
    ),
    Scenario(
        name="preliminary outputs",
        app="loop",
        replies=[tool_call_reply(tool_use("toolu_c", "count", {"upto": 3})), reply(text("Three"))],
        actions=[send("Count")],
        parts=[
            STEP,
            tool_part(
                "count", "toolu_c", "output-available", input={"upto": 3}, output={"counted": 3}
            ),
            STEP,
            text_part("Three"),
        ],
        provider_turns=[None, [ANY, ANY, user_turn(tool_result({"counted": 3}, "toolu_c"))]],
    ),
    Scenario(
        name="dynamic tool of an MCP server",
        app="loop",
        replies=[
            tool_call_reply(tool_use("toolu_e", "echo", {"text": "hi"})),
            reply(text("It said hi")),
        ],
        actions=[send("Echo")],
        parts=[
            STEP,
            {
                "type": "dynamic-tool",
                "toolName": "echo",
                "toolCallId": "toolu_e",
                "state": "output-available",
                "input": {"text": "hi"},
                "output": ANY,
            },
            STEP,
            text_part("It said hi"),
        ],
    ),
    Scenario(
        name="step limit",
        app="limited",
        replies=[
            tool_call_reply(FORECAST),
            tool_call_reply(tool_use("toolu_g", "forecast", PARIS)),
        ],
        actions=[send("Weather?"), send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        status="error",  # of the second turn, for which there is no reply
    ),
    Scenario(
        name="step limit ends the automatic requests",
        app="limited",
        replies=[
            tool_call_reply(FORECAST),
            tool_call_reply(tool_use("toolu_g", "forecast", PARIS)),
        ],
        actions=[send("Weather?")],
        parts=[STEP, FORECAST_DONE, STEP, {**FORECAST_DONE, "toolCallId": "toolu_g"}],
        finish_reason="length",
    ),
    Scenario(
        name="a server-side tool beside a client-side one",
        app="loop",
        replies=[tool_call_reply(WEATHER, FORECAST), reply(text("21 degrees"))],
        actions=[send("Weather?"), add_tool_output("weather", SUNNY)],
        requests=2,
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            FORECAST_DONE,
            STEP,
            text_part("21 degrees"),
        ],
        provider_turns=[
            None,
            [ANY, ANY, user_turn(tool_result(SUNNY), tool_result(MILD, "toolu_f"))],
        ],
    ),
    Scenario(
        name="a server-side tool beside an automatic client-side one",
        app="loop",
        replies=[tool_call_reply(FORECAST, WEATHER), reply(text("21 degrees"))],
        actions=[send("Weather?")],
        client_tools={"weather": SUNNY},
        requests=2,
    ),
    Scenario(
        name="a tool with progress data",
        app="loop",
        replies=[tool_call_reply(WAIT), reply(text("Done"))],
        actions=[
            start("Wait"),
            wait_for_text("progress"),
            trigger_event("go"),
            wait_for_text("Done"),
        ],
        parts=[
            STEP,
            tool_part("wait", "toolu_w", "output-available", input={}, output="gone"),
            done(1),
            STEP,
            text_part("Done"),
        ],
    ),
    Scenario(
        name="stop while a tool runs, then continue",
        app="loop",
        replies=[tool_call_reply(WAIT), reply(text("Fine"))],
        actions=[
            start("Wait"),
            wait_for_text("progress"),
            stop,
            wait_for_event("cancelled"),
            send("Go on"),
        ],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[
            None,
            [
                user_turn("Wait"),
                model_turn({"type": "tool_use", "id": "toolu_w", "name": "wait", "input": {}}),
                user_turn(tool_result(ANY, "toolu_w", is_error=True), "Go on"),
            ],
        ],
    ),
    Scenario(
        name="stop after a tool",
        app="loop",
        replies=[tool_call_reply(FORECAST), Reply(message(text("Warm"))[:-3], then="hang")],
        actions=[start("Weather?"), wait_for_text("Warm"), stop],
        parts=[STEP, FORECAST_DONE, STEP, text_part("Warm", "streaming")],
        closed_requests=[1],
    ),
]
