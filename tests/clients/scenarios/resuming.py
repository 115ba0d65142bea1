"""Answers that go on without their page: reload, a second tab, and the stop lines."""

from __future__ import annotations

from typing import Any

from tests.clients.scenario import (
    STEP,
    Scenario,
    away,
    called,
    halt,
    happened,
    happens,
    reload,
    said,
    seen,
    send,
    start,
    tab,
)
from tests.clients.scenarios.replies import PARIS, SUNNY, call, cut, replied
from tests.harness.fake_provider import text, tool_use

__all__ = ["RESUMING"]

WAIT = call(text("One moment."), tool_use("toolu_w", "wait"))
PROGRESS = {"type": "data-progress", "id": "progress", "data": {"done": 1}}
DONE = [
    STEP,
    said("One moment."),
    called("wait", "toolu_w", "output-available", input={}, output="gone"),
    PROGRESS,
    STEP,
    said("Done"),
]


def resumable(**fields: Any) -> Scenario:
    return Scenario(app="resumable", **fields)


RESUMING = [
    resumable(
        name="reload while a tool runs",
        replies=[WAIT, replied(text("Done"))],
        actions=[
            start("Wait"),
            seen("progress"),
            reload,
            seen("progress"),
            happens("go"),
            seen("Done"),
        ],
        requests=2,
        parts=DONE,
    ),
    resumable(
        name="a second tab",
        replies=[WAIT, replied(text("Done"))],
        actions=[
            start("Wait"),
            seen("progress"),
            tab,
            seen("progress"),
            happens("go"),
            seen("Done"),
        ],
        requests=2,
        parts=DONE,
        same_in_all_tabs=True,
    ),
    resumable(
        name="an answer that ended while the page was away",
        replies=[WAIT, replied(text("Done"))],
        actions=[
            start("Wait"),
            seen("progress"),
            away(happens("go"), happened("ended")),
        ],
        requests=2,
        parts=DONE,
    ),
    resumable(
        name="reload during a continuation",
        replies=[call(tool_use("toolu_1", "weather", PARIS)), WAIT, replied(text("Done"))],
        actions=[
            send("Wait"),
            {"startAnswer": {"tool": "weather", "output": SUNNY}},
            seen("progress"),
            reload,
            seen("progress"),
            happens("go"),
            seen("Done"),
        ],
        requests=3,
        parts=[
            STEP,
            called("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            *DONE,
        ],
    ),
    resumable(
        name="stop lines",
        replies=[WAIT, replied(text("Fine"))],
        actions=[start("Wait"), seen("progress"), halt, happened("cancelled"), send("Go on")],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, said("Fine")],
    ),
    resumable(
        name="stop lines after a reload",
        replies=[cut(text("Hel"), then="hang")],
        actions=[start("Hi"), seen("Hel"), reload, seen("Hel"), halt],
        requests=2,
        hung_up=[0],
    ),
]
