"""Unmodified pages, with a store and its default settings: clients that leave a run and go on."""

from __future__ import annotations

from typing import Any

from tests.clients.scenario import (
    ANY,
    STEP,
    Scenario,
    approve,
    deny,
    edit,
    lose_connection,
    model_turn,
    open_tab,
    send,
    send_no_message,
    start,
    start_regenerating,
    stop,
    text_part,
    tool_part,
    trigger_event,
    user_turn,
    wait_for_text,
)
from tests.clients.scenarios.replies import PARIS, cut_reply, reply, tool_call_reply, tool_result
from tests.clients.scenarios.stopping import stop_and_go_on
from tests.harness.fake_provider import text, tool_use

__all__ = ["LEAVING"]

WAIT = tool_call_reply(tool_use("toolu_w", "wait"))
TRANSFERS = tool_call_reply(
    tool_use("toolu_1", "transfer", {"amount": 5}), tool_use("toolu_2", "weather", PARIS)
)
CONTINUE = {"type": "text", "text": "Go on"}


def stored(**fields: Any) -> Scenario:
    return Scenario(app="stored", unmodified=True, **fields)


LEAVING = [
    stop_and_go_on("stop, then send, with a store", app="stored", unmodified=True),
    stored(
        name="stop while a tool runs, then send",
        replies=[WAIT, reply(text("Fine"))],
        actions=[start("Wait"), wait_for_text("progress"), stop, send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[
            None,
            [
                user_turn("Wait"),
                model_turn({"type": "tool_use", "id": "toolu_w", "name": "wait", "input": ANY}),
                user_turn(
                    tool_result(ANY, "toolu_w", is_error=True), {"type": "text", "text": "Go on"}
                ),
            ],
        ],
    ),
    stored(
        name="stop, then edit the question",
        replies=[cut_reply(text("Hel"), then="hang"), reply(text("Fine"))],
        actions=[start("Hi"), wait_for_text("Hel"), stop, edit(0, "Hello")],
        requests=2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[None, [user_turn("Hello")]],
        closed_requests=[0],
    ),
    stored(
        name="regenerate after a lost connection",
        replies=[WAIT, reply(text("Done"))],
        actions=[
            start("Wait"),
            wait_for_text("progress"),
            lose_connection,
            start_regenerating,
            wait_for_text("progress"),
            trigger_event("go"),
            wait_for_text("Done"),
        ],
        requests=2,
        parts=[
            STEP,
            tool_part("wait", "toolu_w", "output-available", input={}, output="gone"),
            {"type": "data-progress", "id": "progress", "data": {"done": 1}},
            STEP,
            text_part("Done"),
        ],
    ),
    stored(
        name="deny in an older message",
        since="6.0.0",
        replies=[TRANSFERS, reply(text("Fine"))],
        actions=[
            send("Pay"),
            deny("toolu_1", reason="Too much."),
            send("Go on"),
        ],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[
            None,
            [
                user_turn("Pay"),
                model_turn(
                    {"type": "tool_use", "id": "toolu_1", "name": "transfer", "input": ANY},
                    {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": PARIS},
                ),
                user_turn(
                    tool_result("Too much.", "toolu_1", is_error=True),
                    tool_result(ANY, "toolu_2", is_error=True),
                    CONTINUE,
                ),
            ],
        ],
    ),
    stored(
        name="approve in an older message",
        since="7.0.173",
        replies=[
            tool_call_reply(tool_use("toolu_1", "transfer", {"amount": 5})),
            reply(text("Fine")),
            reply(text("Sent")),
        ],
        actions=[send("Pay"), send("Wait"), approve("toolu_1"), send_no_message],
        requests=3,
        roles=["user", "assistant"] * 2,
        provider_turns=[
            None,
            None,
            [
                user_turn("Pay"),
                model_turn({"type": "tool_use", "id": "toolu_1", "name": "transfer", "input": ANY}),
                user_turn(tool_result({"sent": 5}, "toolu_1")),
            ],
        ],
    ),
    stored(
        name="two tabs with a store",
        replies=[WAIT, reply(text("Done"))],
        actions=[
            start("Wait"),
            wait_for_text("progress"),
            open_tab,
            wait_for_text("progress"),
            trigger_event("go"),
            wait_for_text("Done"),
        ],
        requests=2,
        same_in_all_tabs=True,
    ),
]
