"""Lifecycle events: what the format can hold of a message, in a legal order, over HTTP too."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream.chunks import Abort, Error
from ui_message_stream.messages import ReasoningPart, TextPart, ToolPart
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import downgrade
from usechat_server import Agent, Settings, create_app
from usechat_server.doors.ndjson import NDJSON, LifecycleEvents
from usechat_server.run_log.log import Log
from usechat_server.run_log.position import parse_cursor

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, user
from tests.harness.log_strategies import Entries, entries, read, reads

ACCEPT = {"accept": "application/x-ndjson"}
ENDS = ("turn.completed", "turn.waiting", "turn.failed", "turn.cancelled")

Events = list[dict[str, Any]]


def events_of(body: bytes | str) -> Events:
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def data_of(events: Events, kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["type"] == kind]


@given(logged=entries(), reads=reads)
async def test_events_hold_the_message(logged: Entries, reads: list[bool]) -> None:
    events = events_of(await read(LifecycleEvents(), logged, reads))
    chunks = [downgrade(each, NDJSON) for entry in logged for each in entry]
    message = reduce([chunk for chunk in chunks if chunk is not None])
    last = logged[-1][-1]

    text = "".join(part.text for part in message.parts if isinstance(part, TextPart))
    assert "".join(each["messageDelta"] for each in data_of(events, "message.appended")) == text
    if not isinstance(last, Error):
        assert "".join(each["message"] for each in data_of(events, "message.completed")) == text
    reasoning = [part.text for part in message.parts if isinstance(part, ReasoningPart)]
    completed = data_of(events, "reasoning.completed")
    assert sorted(each["reasoning"] for each in completed) == sorted(reasoning)

    requested = [call for each in data_of(events, "actions.requested") for call in each["actions"]]
    results = {each["result"]["callId"]: each for each in data_of(events, "action.result")}
    awaited = [each["requests"][0]["action"] for each in data_of(events, "input.requested")]
    calls = [part for part in message.parts if isinstance(part, ToolPart)]
    inputs = {part.tool_call_id: part.input for part in calls if part.state != "input-streaming"}
    assert {call["callId"]: call["input"] for call in requested} == inputs
    for part in calls:
        result = results.get(part.tool_call_id)
        if part.state == "output-available":
            assert result is not None
            assert (result["status"], result["result"]["output"]) == ("completed", part.output)
        elif part.state == "output-denied":
            assert result is not None
            assert result["status"] == "rejected"
        elif part.state == "approval-requested":
            assert part.tool_call_id in [action["callId"] for action in awaited]

    kinds = [event["type"] for event in events]
    assert kinds[0] == "turn.started"
    [end] = [kind for kind in kinds if kind in ENDS]
    is_open = any(part.state in OPEN for part in calls)
    if isinstance(last, Error):
        assert end == "turn.failed"
    elif isinstance(last, Abort):
        assert end == "turn.cancelled"
    else:
        assert end == ("turn.waiting" if is_open else "turn.completed")
    assert kinds[-1] == ("turn.waiting" if end == "turn.waiting" else "session.waiting")
    closed = kinds.count("step.completed") + kinds.count("step.failed")
    assert kinds.count("step.started") == closed
    ids = [event["meta"]["id"] for event in events]
    assert len(set(ids)) == len(ids)


OPEN = ("input-available", "approval-requested", "approval-responded")


def folded(events: Events) -> Events:
    """Return events without `meta`, with consecutive deltas as one."""
    result: Events = []
    for event in events:
        kind, data = event["type"], dict(event["data"])
        delta = next((name for name in data if name.endswith("Delta")), None)
        last = result[-1] if result else None
        same = last is not None and last["type"] == kind
        if delta and last and same and last["data"].get("callId") == data.get("callId"):
            last["data"][delta] += data[delta]
        else:
            result.append({"type": kind, "data": data})
    return result


@given(logged=entries(), place=st.integers(0, 30))
async def test_a_reader_after_an_event_gets_exactly_the_rest(logged: Entries, place: int) -> None:
    log = Log()
    log.id = "run"
    for entry in logged:
        log.append(entry)
    log.end()

    async def read_after(cursor: str | None) -> Events:
        after = None if cursor is None else parse_cursor(cursor, "run")
        reader, data = log.reader(LifecycleEvents(), after=after), b""
        while (piece := await reader.read()) is not None:
            data += piece
        return events_of(data)

    events = await read_after(None)
    place %= len(events)
    cursor = events[place]["meta"]["id"].removeprefix("evt_")
    if parse_cursor(cursor, "run") is None:  # between two events of one chunk
        assert folded(await read_after(cursor)) == folded(events)
    else:
        rest = await read_after(cursor)
        assert folded([*events[: place + 1], *rest]) == folded(events)


@pytest.mark.parametrize("path", ["/api/chat", "/api/chat?keepalive=off"])
def test_the_chat_speaks_ndjson_to_those_who_accept_it(path: str) -> None:
    model, ended = ScriptedModel(hold=True), threading.Event()
    settings = Settings(keep_alive=0.01, resume=60)
    app = create_app(Agent(model), settings=settings, on_finish=lambda _: ended.set())
    with (
        LiveServer(app) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
    ):
        body = {"id": "c1", "messages": [user("Hello")]}
        with client.stream("POST", path, json=body, headers=ACCEPT) as response:
            assert response.headers["content-type"] == "application/x-ndjson; charset=utf-8"
            pieces, received = response.iter_text(), ""
            while not received.endswith("\n\n\n"):  # blank lines are heartbeats
                received += next(pieces)
            resumed = client.send(
                client.build_request("GET", "/api/chat/c1/stream", headers=ACCEPT), stream=True
            )
            reached = {"last-event-id": events_of(received)[-1]["meta"]["id"]}
            later = client.send(
                client.build_request("GET", "/api/chat/c1/stream", headers={**ACCEPT, **reached}),
                stream=True,
            )
            model.release()
            received += "".join(pieces)
            events, again = events_of(received), events_of(resumed.read())
            rest = events_of(later.read())
        assert [event["type"] for event in folded(events)] == [
            "turn.started",
            "step.started",
            "message.appended",
            "message.completed",
            "step.completed",
            "turn.completed",
            "session.waiting",
        ]
        assert data_of(events, "message.completed")[0]["message"] == "Hello there"
        assert data_of(events, "message.completed")[0]["finishReason"] == "stop"
        assert folded(again) == folded(events)
        assert [event["type"] for event in folded(rest)] == [
            event["type"] for event in folded(events)[3:]
        ]
        assert ended.wait(DEADLINE)
        assert server.request("GET", "/api/chat/c1/stream", headers=ACCEPT).status_code == 204
