"""Calls that a person has to allow first."""

from __future__ import annotations

from typing import Any

from ui_message_stream.versions import DENIED_TEXT

from tests.clients.scenario import (
    ANY,
    STEP,
    Scenario,
    answer,
    approve,
    called,
    deny,
    happened,
    happens,
    said,
    seen,
    send,
    stop,
    user,
)
from tests.clients.scenarios.replies import PARIS, SUNNY, WEATHER, call, replied, result
from tests.harness.fake_provider import text, tool_use

__all__ = ["APPROVALS"]

TEN = {"amount": 10}


def transfer(call_id: str, amount: int = 10) -> Any:
    return tool_use(call_id, "transfer", {"amount": amount})


def sent(call_id: str, **fields: Any) -> Any:
    fields = {"input": TEN, "output": {"sent": 10}, **fields}
    return called("transfer", call_id, "output-available", approval=ANY, **fields)


def denied(call_id: str) -> Any:
    return called("transfer", call_id, "output-denied", input=TEN, approval=ANY)


def asking(**fields: Any) -> Scenario:
    return Scenario(app="asking", since="6.0.0", **fields)


def asking_page(**fields: Any) -> Scenario:
    """The same for pages that know no approvals: they answer a call with what the person says."""
    return Scenario(app="asking-page", until="6.0.0", **fields)


NATIVE = [
    asking(
        name="a call that is allowed",
        replies=[call(transfer("toolu_1")), replied(text("Sent"))],
        actions=[send("Pay"), approve()],
        requests=2,
        parts=[STEP, sent("toolu_1"), STEP, said("Sent")],
        asked=[None, [ANY, ANY, user(result({"sent": 10}))]],
        finish_reason="stop",
    ),
    asking(
        name="a call that is denied",
        replies=[call(transfer("toolu_1")), replied(text("As you like"))],
        actions=[send("Pay"), deny(reason="Too dear.")],
        requests=2,
        parts=[STEP, denied("toolu_1"), STEP, said("As you like")],
        asked=[None, [ANY, ANY, user(result("Too dear.", is_error=True))]],
    ),
    asking(
        name="two calls, allowed one after another",
        replies=[call(transfer("toolu_1"), transfer("toolu_2")), replied(text("Sent"))],
        actions=[send("Pay"), approve("toolu_2"), approve("toolu_1")],
        requests=2,
        parts=[STEP, sent("toolu_1"), sent("toolu_2"), STEP, said("Sent")],
    ),
    asking(
        name="one call allowed and one denied",
        replies=[call(transfer("toolu_1"), transfer("toolu_2")), replied(text("One sent"))],
        actions=[send("Pay"), approve("toolu_1"), deny("toolu_2")],
        requests=2,
        parts=[STEP, sent("toolu_1"), denied("toolu_2"), STEP, said("One sent")],
    ),
    asking(
        name="a call that is allowed beside one that just runs",
        replies=[
            call(tool_use("toolu_f", "forecast", PARIS), transfer("toolu_1")),
            replied(text("Sent")),
        ],
        actions=[send("Pay"), approve()],
        requests=2,
        parts=[
            STEP,
            called(
                "forecast",
                "toolu_f",
                "output-available",
                input=PARIS,
                output={"city": "Paris", "degrees": 21},
            ),
            sent("toolu_1"),
            STEP,
            said("Sent"),
        ],
    ),
    asking(
        name="a call to allow beside one for the page",
        replies=[call(WEATHER, transfer("toolu_2")), replied(text("Sent"))],
        actions=[send("Pay"), answer("weather", SUNNY), approve()],
        requests=2,
        parts=[
            STEP,
            called("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            sent("toolu_2"),
            STEP,
            said("Sent"),
        ],
    ),
    asking(
        name="a call to allow after another",
        replies=[call(transfer("toolu_1")), call(transfer("toolu_2")), replied(text("Sent"))],
        actions=[send("Pay"), approve(), approve()],
        requests=3,
        parts=[STEP, sent("toolu_1"), STEP, sent("toolu_2"), STEP, said("Sent")],
    ),
    asking(
        name="calls that the app decides itself",
        replies=[
            call(
                tool_use("toolu_1", "pay", {"amount": 1}),
                tool_use("toolu_2", "pay", {"amount": 5000}),
            ),
            replied(text("Half of it")),
        ],
        actions=[send("Pay")],
        asked=[
            None,
            [ANY, ANY, user(result({"paid": 1}), result(ANY, "toolu_2", is_error=True))],
        ],
    ),
    asking(
        name="a call that nobody decides",
        replies=[call(transfer("toolu_1")), replied(text("Fine"))],
        actions=[send("Pay"), send("Never mind")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
        asked=[None, [ANY, ANY, user(result(ANY, is_error=True), "Never mind")]],
    ),
    asking(
        name="stop while an allowed tool runs, then go on",
        replies=[call(tool_use("toolu_1", "wait_allowed")), replied(text("Fine"))],
        actions=[
            send("Wait"),
            {"decide": {"approved": True}},
            seen("progress"),
            stop,
            happened("cancelled"),
            send("Go on"),
        ],
        requests=3,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
    ),
    asking(
        name="an allowed tool that takes its time",
        replies=[call(tool_use("toolu_1", "wait_allowed")), replied(text("Done"))],
        actions=[
            send("Wait"),
            {"decide": {"approved": True}},
            seen("progress"),
            happens("go"),
            seen("Done"),
        ],
        requests=2,
    ),
]

BY_THE_PAGE = [
    asking_page(
        name="a call that the page allows",
        replies=[call(transfer("toolu_1")), replied(text("Sent"))],
        actions=[send("Pay"), answer("transfer", {"approved": True})],
        requests=2,
        asked=[None, [ANY, ANY, user(result({"sent": 10}))]],
        finish_reason="stop",
    ),
    asking_page(
        name="a call that the page denies",
        replies=[call(transfer("toolu_1")), replied(text("As you like"))],
        actions=[send("Pay"), answer("transfer", {"approved": False, "reason": "Too dear."})],
        requests=2,
        asked=[None, [ANY, ANY, user(result(f"{DENIED_TEXT} Too dear.", is_error=True))]],
    ),
    asking_page(
        name="two calls that the page allows",
        replies=[call(transfer("toolu_1"), transfer("toolu_2")), replied(text("Sent"))],
        actions=[send("Pay"), answer("transfer", {"approved": True})],
        requests=2,
        asked=[None, [ANY, ANY, user(result({"sent": 10}), result({"sent": 10}, "toolu_2"))]],
    ),
    asking_page(
        name="a call that the page never decides",
        replies=[call(transfer("toolu_1")), replied(text("Fine"))],
        actions=[send("Pay"), send("Never mind")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
    ),
]

APPROVALS = [*NATIVE, *BY_THE_PAGE]
