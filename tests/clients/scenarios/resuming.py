"""Runs that continue without their client: reload, a second tab, and stop."""

from __future__ import annotations

from typing import Any

from tests.clients.scenario import (
    STEP,
    Scenario,
    close_until,
    open_tab,
    reload,
    send,
    start,
    stop_on_server,
    text_part,
    tool_part,
    trigger_event,
    wait_for_event,
    wait_for_text,
)
from tests.clients.scenarios.replies import PARIS, SUNNY, cut_reply, reply, tool_call_reply
from tests.harness.fake_provider import text, tool_use

__all__ = ["RESUMING"]

WAIT = tool_call_reply(text("One moment."), tool_use("toolu_w", "wait"))
PROGRESS = {"type": "data-progress", "id": "progress", "data": {"done": 1}}
DONE = [
    STEP,
    text_part("One moment."),
    tool_part("wait", "toolu_w", "output-available", input={}, output="gone"),
    PROGRESS,
    STEP,
    text_part("Done"),
]


def resumable(**fields: Any) -> Scenario:
    return Scenario(app="resumable", **fields)


RESUMING = [
    resumable(
        name="reload while a tool runs",
        replies=[WAIT, reply(text("Done"))],
        actions=[
            start("Wait"),
            wait_for_text("progress"),
            reload,
            wait_for_text("progress"),
            trigger_event("go"),
            wait_for_text("Done"),
        ],
        requests=2,
        parts=DONE,
    ),
    resumable(
        name="a second tab",
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
        parts=DONE,
        same_in_all_tabs=True,
    ),
    resumable(
        name="a run that ended while the client was closed",
        replies=[WAIT, reply(text("Done"))],
        actions=[
            start("Wait"),
            wait_for_text("progress"),
            close_until(trigger_event("go"), wait_for_event("ended")),
        ],
        requests=2,
        parts=DONE,
    ),
    resumable(
        name="reload during a continuation",
        replies=[tool_call_reply(tool_use("toolu_1", "weather", PARIS)), WAIT, reply(text("Done"))],
        actions=[
            send("Wait"),
            {"startOutput": {"tool": "weather", "output": SUNNY}},
            wait_for_text("progress"),
            reload,
            wait_for_text("progress"),
            trigger_event("go"),
            wait_for_text("Done"),
        ],
        requests=3,
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            *DONE,
        ],
    ),
    resumable(
        name="stop on the server",
        replies=[WAIT, reply(text("Fine"))],
        actions=[
            start("Wait"),
            wait_for_text("progress"),
            stop_on_server,
            wait_for_event("cancelled"),
            send("Go on"),
        ],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
    ),
    resumable(
        name="stop on the server after a reload",
        replies=[cut_reply(text("Hel"), then="hang")],
        actions=[start("Hi"), wait_for_text("Hel"), reload, wait_for_text("Hel"), stop_on_server],
        requests=2,
        closed_requests=[0],
    ),
]
