"""Tools that the server runs, step after step, in one answer to one request."""

from __future__ import annotations

from tests.clients.scenario import (
    ANY,
    STEP,
    Scenario,
    answer,
    called,
    happened,
    happens,
    model,
    said,
    seen,
    send,
    start,
    stop,
    user,
)
from tests.clients.scenarios.replies import PARIS, SUNNY, WEATHER, call, replied, result
from tests.harness.fake_provider import Reply, message, text, tool_use

__all__ = ["LOOP"]

FORECAST = tool_use("toolu_f", "forecast", PARIS)
USED_FORECAST = {"type": "tool_use", "id": "toolu_f", "name": "forecast", "input": PARIS}
MILD = {"city": "Paris", "degrees": 21}
FORECAST_DONE = called("forecast", "toolu_f", "output-available", input=PARIS, output=MILD)
WAIT = tool_use("toolu_w", "wait")
PROGRESS = {"type": "data-progress", "id": "progress", "data": {"done": 0}}


def done(data: int) -> dict[str, object]:
    return {**PROGRESS, "data": {"done": data}}


LOOP = [
    Scenario(
        name="tool of the server",
        app="loop",
        replies=[call(text("Let me see."), FORECAST), replied(text("21 degrees"))],
        actions=[send("Weather?")],
        parts=[STEP, said("Let me see."), FORECAST_DONE, STEP, said("21 degrees")],
        asked=[
            None,
            [user("Weather?"), model("Let me see.", USED_FORECAST), user(result(MILD, "toolu_f"))],
        ],
        finish_reason="stop",
    ),
    Scenario(
        name="tool of the server, then another turn",
        app="loop",
        replies=[call(FORECAST), replied(text("21 degrees")), replied(text("Sure"))],
        actions=[send("Weather?"), send("Sure?")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Sure")],
        asked=[
            None,
            None,
            [
                user("Weather?"),
                model(USED_FORECAST),
                user(result(MILD, "toolu_f")),
                model("21 degrees"),
                user("Sure?"),
            ],
        ],
    ),
    Scenario(
        name="parallel tools of the server, some of which fail",
        app="loop",
        replies=[
            call(
                FORECAST,
                tool_use("toolu_a", "archive", PARIS),
                tool_use("toolu_b", "broken", PARIS),
            ),
            replied(text("21 degrees")),
        ],
        actions=[send("Weather?")],
        parts=[
            STEP,
            FORECAST_DONE,
            called("archive", "toolu_a", "output-error", errorText="There is no archive of Paris."),
            called("broken", "toolu_b", "output-error", errorText=ANY),
            STEP,
            said("21 degrees"),
        ],
        asked=[
            None,
            [
                ANY,
                ANY,
                user(
                    result(MILD, "toolu_f"),
                    result("There is no archive of Paris.", "toolu_a", is_error=True),
                    result(ANY, "toolu_b", is_error=True),
                ),
            ],
        ],
    ),
    Scenario(
        name="bad input, repaired",
        app="loop",
        replies=[
            call(tool_use("toolu_1", "forecast", {"town": "Paris"})),
            call(FORECAST),
            replied(text("21 degrees")),
        ],
        actions=[send("Weather?")],
        parts=[
            STEP,
            called("forecast", "toolu_1", "output-error", errorText=ANY),
            STEP,
            FORECAST_DONE,
            STEP,
            said("21 degrees"),
        ],
    ),
    Scenario(
        name="a tool that nobody has",
        app="loop",
        replies=[
            call(tool_use("toolu_1", "teleport", {})),
            replied(text("Sorry")),
            replied(text("Fine")),
        ],
        actions=[send("Go!"), send("And now?")],
        requests=2,
        roles=["user", "assistant"] * 2,
    ),
    Scenario(
        name="preliminary outputs",
        app="loop",
        replies=[call(tool_use("toolu_c", "count", {"upto": 3})), replied(text("Three"))],
        actions=[send("Count")],
        parts=[
            STEP,
            called(
                "count", "toolu_c", "output-available", input={"upto": 3}, output={"counted": 3}
            ),
            STEP,
            said("Three"),
        ],
        asked=[None, [ANY, ANY, user(result({"counted": 3}, "toolu_c"))]],
    ),
    Scenario(
        name="dynamic tool of an MCP server",
        app="loop",
        replies=[call(tool_use("toolu_e", "echo", {"text": "hi"})), replied(text("It said hi"))],
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
            said("It said hi"),
        ],
    ),
    Scenario(
        name="step limit",
        app="limited",
        replies=[
            call(FORECAST),
            call(tool_use("toolu_g", "forecast", PARIS)),
        ],
        actions=[send("Weather?"), send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        status="error",  # of the second turn: no reply is left
    ),
    Scenario(
        name="step limit ends the page's requests",
        app="limited",
        replies=[call(FORECAST), call(tool_use("toolu_g", "forecast", PARIS))],
        actions=[send("Weather?")],
        parts=[STEP, FORECAST_DONE, STEP, {**FORECAST_DONE, "toolCallId": "toolu_g"}],
        finish_reason="length",
    ),
    Scenario(
        name="a tool of the server beside one of the page",
        app="loop",
        replies=[call(WEATHER, FORECAST), replied(text("21 degrees"))],
        actions=[send("Weather?"), answer("weather", SUNNY)],
        requests=2,
        parts=[
            STEP,
            called("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            FORECAST_DONE,
            STEP,
            said("21 degrees"),
        ],
        asked=[None, [ANY, ANY, user(result(SUNNY), result(MILD, "toolu_f"))]],
    ),
    Scenario(
        name="a tool of the server beside one that the page runs by itself",
        app="loop",
        replies=[call(FORECAST, WEATHER), replied(text("21 degrees"))],
        actions=[send("Weather?")],
        page_tools={"weather": SUNNY},
        requests=2,
    ),
    Scenario(
        name="a tool that shows its progress",
        app="loop",
        replies=[call(WAIT), replied(text("Done"))],
        actions=[start("Wait"), seen("progress"), happens("go"), seen("Done")],
        parts=[
            STEP,
            called("wait", "toolu_w", "output-available", input={}, output="gone"),
            done(1),
            STEP,
            said("Done"),
        ],
    ),
    Scenario(
        name="stop while a tool runs, then go on",
        app="loop",
        replies=[call(WAIT), replied(text("Fine"))],
        actions=[start("Wait"), seen("progress"), stop, happened("cancelled"), send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
        asked=[
            None,
            [
                user("Wait"),
                model({"type": "tool_use", "id": "toolu_w", "name": "wait", "input": {}}),
                user(result(ANY, "toolu_w", is_error=True), "Go on"),
            ],
        ],
    ),
    Scenario(
        name="stop after a tool",
        app="loop",
        replies=[call(FORECAST), Reply(message(text("Warm"))[:-3], then="hang")],
        actions=[start("Weather?"), seen("Warm"), stop],
        parts=[STEP, FORECAST_DONE, STEP, said("Warm", "streaming")],
        hung_up=[1],
    ),
]
