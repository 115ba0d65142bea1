"""Tool calls that require approval."""

from __future__ import annotations

from typing import Any

from ui_message_stream.versions import DENIED_TEXT

from tests.clients.scenario import (
    ANY,
    STEP,
    Scenario,
    add_tool_output,
    approve,
    deny,
    send,
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
from tests.harness.fake_provider import text, tool_use

__all__ = ["APPROVALS"]

TEN = {"amount": 10}


def transfer(call_id: str, amount: int = 10) -> Any:
    return tool_use(call_id, "transfer", {"amount": amount})


def sent(call_id: str, **fields: Any) -> Any:
    fields = {"input": TEN, "output": {"sent": 10}, **fields}
    return tool_part("transfer", call_id, "output-available", approval=ANY, **fields)


def denied_part(call_id: str) -> Any:
    return tool_part("transfer", call_id, "output-denied", input=TEN, approval=ANY)


def asking(**fields: Any) -> Scenario:
    return Scenario(app="asking", since="6.0.0", **fields)


def asking_client(**fields: Any) -> Scenario:
    """Return a scenario for clients without approvals: the decision is a tool output."""
    return Scenario(app="asking-client", until="6.0.0", **fields)


NATIVE = [
    asking(
        name="an approved call",
        replies=[tool_call_reply(transfer("toolu_1")), reply(text("Sent"))],
        actions=[send("Pay"), approve()],
        requests=2,
        parts=[STEP, sent("toolu_1"), STEP, text_part("Sent")],
        provider_turns=[None, [ANY, ANY, user_turn(tool_result({"sent": 10}))]],
        finish_reason="stop",
    ),
    asking(
        name="a denied call",
        replies=[tool_call_reply(transfer("toolu_1")), reply(text("As you like"))],
        actions=[send("Pay"), deny(reason="Too dear.")],
        requests=2,
        parts=[STEP, denied_part("toolu_1"), STEP, text_part("As you like")],
        provider_turns=[None, [ANY, ANY, user_turn(tool_result("Too dear.", is_error=True))]],
    ),
    asking(
        name="two calls, approved one after another",
        replies=[tool_call_reply(transfer("toolu_1"), transfer("toolu_2")), reply(text("Sent"))],
        actions=[send("Pay"), approve("toolu_2"), approve("toolu_1")],
        requests=2,
        parts=[STEP, sent("toolu_1"), sent("toolu_2"), STEP, text_part("Sent")],
    ),
    asking(
        name="one call approved and one denied",
        replies=[
            tool_call_reply(transfer("toolu_1"), transfer("toolu_2")),
            reply(text("One sent")),
        ],
        actions=[send("Pay"), approve("toolu_1"), deny("toolu_2")],
        requests=2,
        parts=[STEP, sent("toolu_1"), denied_part("toolu_2"), STEP, text_part("One sent")],
    ),
    asking(
        name="an approved call beside one that needs no approval",
        replies=[
            tool_call_reply(tool_use("toolu_f", "forecast", PARIS), transfer("toolu_1")),
            reply(text("Sent")),
        ],
        actions=[send("Pay"), approve()],
        requests=2,
        parts=[
            STEP,
            tool_part(
                "forecast",
                "toolu_f",
                "output-available",
                input=PARIS,
                output={"city": "Paris", "degrees": 21},
            ),
            sent("toolu_1"),
            STEP,
            text_part("Sent"),
        ],
    ),
    asking(
        name="an approval beside a client-side tool",
        replies=[tool_call_reply(WEATHER, transfer("toolu_2")), reply(text("Sent"))],
        actions=[send("Pay"), add_tool_output("weather", SUNNY), approve()],
        requests=2,
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            sent("toolu_2"),
            STEP,
            text_part("Sent"),
        ],
    ),
    asking(
        name="an approval after another",
        replies=[
            tool_call_reply(transfer("toolu_1")),
            tool_call_reply(transfer("toolu_2")),
            reply(text("Sent")),
        ],
        actions=[send("Pay"), approve(), approve()],
        requests=3,
        parts=[STEP, sent("toolu_1"), STEP, sent("toolu_2"), STEP, text_part("Sent")],
    ),
    asking(
        name="calls that the policy decides",
        replies=[
            tool_call_reply(
                tool_use("toolu_1", "pay", {"amount": 1}),
                tool_use("toolu_2", "pay", {"amount": 5000}),
            ),
            reply(text("Half of it")),
        ],
        actions=[send("Pay")],
        provider_turns=[
            None,
            [
                ANY,
                ANY,
                user_turn(tool_result({"paid": 1}), tool_result(ANY, "toolu_2", is_error=True)),
            ],
        ],
    ),
    asking(
        name="a call that is never decided",
        replies=[tool_call_reply(transfer("toolu_1")), reply(text("Fine"))],
        actions=[send("Pay"), send("Never mind")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[None, [ANY, ANY, user_turn(tool_result(ANY, is_error=True), "Never mind")]],
    ),
    asking(
        name="stop while an approved tool runs, then continue",
        replies=[tool_call_reply(tool_use("toolu_1", "wait_allowed")), reply(text("Fine"))],
        actions=[
            send("Wait"),
            {"decide": {"approved": True}},
            wait_for_text("progress"),
            stop,
            wait_for_event("cancelled"),
            send("Go on"),
        ],
        requests=3,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
    ),
    asking(
        name="a slow approved tool",
        replies=[tool_call_reply(tool_use("toolu_1", "wait_allowed")), reply(text("Done"))],
        actions=[
            send("Wait"),
            {"decide": {"approved": True}},
            wait_for_text("progress"),
            trigger_event("go"),
            wait_for_text("Done"),
        ],
        requests=2,
    ),
]

BY_THE_PAGE = [
    asking_client(
        name="an approval as a tool output",
        replies=[tool_call_reply(transfer("toolu_1")), reply(text("Sent"))],
        actions=[send("Pay"), add_tool_output("transfer", {"approved": True})],
        requests=2,
        provider_turns=[None, [ANY, ANY, user_turn(tool_result({"sent": 10}))]],
        finish_reason="stop",
    ),
    asking_client(
        name="a denial as a tool output",
        replies=[tool_call_reply(transfer("toolu_1")), reply(text("As you like"))],
        actions=[
            send("Pay"),
            add_tool_output("transfer", {"approved": False, "reason": "Too dear."}),
        ],
        requests=2,
        provider_turns=[
            None,
            [ANY, ANY, user_turn(tool_result(f"{DENIED_TEXT} Too dear.", is_error=True))],
        ],
    ),
    asking_client(
        name="two approvals as tool outputs",
        replies=[tool_call_reply(transfer("toolu_1"), transfer("toolu_2")), reply(text("Sent"))],
        actions=[send("Pay"), add_tool_output("transfer", {"approved": True})],
        requests=2,
        provider_turns=[
            None,
            [ANY, ANY, user_turn(tool_result({"sent": 10}), tool_result({"sent": 10}, "toolu_2"))],
        ],
    ),
    asking_client(
        name="a decision that the client never sends",
        replies=[tool_call_reply(transfer("toolu_1")), reply(text("Fine"))],
        actions=[send("Pay"), send("Never mind")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
    ),
]

APPROVALS = [*NATIVE, *BY_THE_PAGE]
