"""The checker of foreign streams: what it finds, where, and for which releases it is fatal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ui_message_stream.checker import Checker, Finding, check
from ui_message_stream.chunks import Chunk, ResetStep, ToolOutputDenied
from ui_message_stream.messages import UIMessage
from ui_message_stream.sse import DONE, comment, frame
from ui_message_stream.versions import (
    DEFAULT_CLIENT_VERSION,
    NEWEST_CLIENT_VERSION,
    ClientVersion,
    downgrade,
)

from tests.protocol.strategies import logs

START = {"type": "start", "messageId": "m"}
STEP = {"type": "start-step"}
STEP_END = {"type": "finish-step"}
FINISH = {"type": "finish"}
CALL = {"type": "tool-input-available", "toolCallId": "c", "toolName": "t", "input": {}}
OUTPUT = {"type": "tool-output-available", "toolCallId": "c", "output": 1}


def event(value: Any) -> bytes:
    return f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


def stream(*values: Any) -> bytes:
    """Return a correct stream with these events in its only step, from event 3 on."""
    return b"".join(map(event, [START, STEP, *values, STEP_END, FINISH, "[DONE]"]))


def problems(
    body: bytes, client_version: ClientVersion | None = None
) -> list[tuple[str, int, str | None]]:
    return [(finding.rule, finding.event, finding.fatal) for finding in check(body, client_version)]


@given(
    log=logs(),
    client_version=st.sampled_from(
        [ClientVersion(5), DEFAULT_CLIENT_VERSION, ClientVersion(6), NEWEST_CLIENT_VERSION]
    ),
)
@settings(max_examples=50)
def test_a_log_that_is_downgraded_for_the_client_version_has_no_problems(
    log: list[Chunk], client_version: ClientVersion
) -> None:
    # There is no older form of `reset-step`.
    assume(
        client_version == NEWEST_CLIENT_VERSION
        or not any(isinstance(chunk, ResetStep) for chunk in log)
    )
    # Without approvals, there are no denials.
    assume(
        client_version >= ClientVersion(6)
        or not any(isinstance(chunk, ToolOutputDenied) for chunk in log)
    )
    frames = [
        frame(chunk) for each in log if (chunk := downgrade(each, client_version)) is not None
    ]
    body = b"".join([comment("stream-open"), *frames, comment(), DONE])
    # The metadata of these blocks is arbitrary: later chunks do not repeat it.
    assert [f for f in check(body, client_version) if f.rule != "metadata-lost"] == []


@pytest.mark.parametrize(
    ("value", "rule", "fatal"),
    [
        ("", "json", "every release"),
        ("{", "json", "every release"),
        ('{"type":"data-x","data":NaN}', "json", "every release"),
        ("null", "schema", "every release"),
        ("[]", "schema", "every release"),
        ({"type": "ping"}, "schema", "every release"),
        ({"type": "file", "url": "u"}, "schema", "every release"),
        ({"type": "file", "url": 1, "mediaType": "m"}, "schema", "every release"),
        ({**CALL, "providerMetadata": None}, "schema", "every release"),
        ({**CALL, "providerMetadata": {"anthropic": 1}}, "schema", "every release"),
        ({**CALL, "input": [{"__proto__": 1}]}, "forbidden-key", "every release"),
        ({"type": "data-x", "data": {"constructor": {"prototype": 1}}}, "forbidden-key", ...),
        ({**CALL, "usage": {}}, "unknown-field", "5.x before 5.0.217, 6.x before 6.0.231, ..."),
        ({**CALL, "title": "T"}, "unknown-field", "5.x before 5.0.217"),
        ({"type": "data-x", "data": 1, "a": 1}, "unknown-field", ...),
        ({"type": "reasoning-file", "url": "u", "mediaType": "m"}, "unknown-type", "5.x, 6.x"),
        ({"type": "reset-step"}, "unknown-type", "5.x, 6.x, 7.x before 7.0.70"),
        ({"type": "text-end", "id": "0"}, "block-unknown", "every release"),
        (OUTPUT, "call-unknown", "every release"),
        (START, "start-once", None),
    ],
)
def test_a_single_problem(value: Any, rule: str, fatal: Any) -> None:
    [(name, event_number, releases)] = problems(stream(value))
    assert (name, event_number) == (rule, 3)
    if isinstance(fatal, str) and fatal.endswith("..."):
        assert releases is not None
        assert releases.startswith(fatal.removesuffix("..."))
    elif fatal is not ...:
        assert releases == fatal


@pytest.mark.parametrize(
    ("client_version", "fatal"),
    [
        ("5.0.0", "5.x before 5.0.92, 6.x, 7.x before 7.0.149"),
        ("6.0.0", "6.x, 7.x before 7.0.149"),
        ("7.0.0", "7.x before 7.0.149"),
        ("7.0.149", None),
    ],
)
def test_only_releases_from_the_client_version_on_count(
    client_version: str, fatal: str | None
) -> None:
    finish = {"type": "finish", "finishReason": "interrupted"}
    body = b"".join(map(event, [START, finish, "[DONE]"]))
    fatals = [finding.fatal for finding in check(body, ClientVersion.parse(client_version))]
    if client_version == "5.0.0":
        # The field itself is younger than the first release.
        assert fatals == ["5.x before 5.0.92", "5.x, 6.x, 7.x before 7.0.149"]
    else:
        assert fatals == ([fatal] if fatal else [])


@pytest.mark.parametrize(
    ("body", "rule", "event_number"),
    [
        (b"", "no-events", 0),
        (b'{"error":"overloaded"}', "no-events", 0),
        (b": keep-alive\n\n", "no-events", 0),
        (stream() + event({"type": "data-x", "data": 1}), "after-done", 6),
        (stream().removesuffix(b"\n"), "unfinished-event", 5),
        (stream().removesuffix(event("[DONE]")), "no-done", 0),
        (stream({"type": "data-x", "data": "a"}).replace(b'"a"', b'"\xff"'), "utf-8", 0),
        (stream().replace(b"\n", b"\r"), "bare-cr", 5),
        (b"".join(map(event, [START, STEP, STEP_END])), "no-finish", 0),
    ],
)
def test_problems_of_the_framing_and_the_end(body: bytes, rule: str, event_number: int) -> None:
    assert (rule, event_number, None) in problems(body)


def test_a_stream_of_transient_data_is_a_stream() -> None:
    transient = event({"type": "data-x", "data": 1, "transient": True})
    assert check(transient + stream()) == []
    assert problems(transient + event("[DONE]")) == [("no-finish", 0, None)]
    assert problems(event("[DONE]")) == [("no-events", 0, None)]


def test_any_framing_that_clients_read_is_accepted() -> None:
    body = stream({"type": "data-x", "data": "é"})
    crlf = b"\xef\xbb\xbf" + body.replace(b"\n", b"\r\n").replace(b"data: ", b"event: x\r\ndata:")
    assert check(crlf) == []


def test_an_end_after_which_a_client_repeats_the_request() -> None:
    assert problems(stream(CALL, OUTPUT)) == [("request-loop", 6, None)]
    cut = b"".join(map(event, [START, STEP, CALL, OUTPUT]))
    assert ("request-loop", 0, None) in problems(cut)
    part = {"type": "tool-t", "toolCallId": "c", "state": "output-available", "output": 1}
    message = UIMessage.from_object({"id": "m", "role": "assistant", "parts": [part]})
    empty = stream()
    assert check(empty) == []
    assert [finding.rule for finding in check(empty, message=message)] == ["request-loop"]


def test_each_problem_is_reported_once() -> None:
    body = b"".join(
        map(
            event,
            [
                {"type": "text-delta", "id": "0", "delta": "a"},
                {"type": "text-delta", "id": "0", "delta": "b"},
                {"type": "text-start", "id": "1"},
                {**CALL, "usage": 1},
                {**OUTPUT, "usage": 1},
                FINISH,
                {"type": "text-end", "id": "1"},
            ],
        )
    )
    assert [
        (rule, event_number) for rule, event_number, _ in problems(body, NEWEST_CLIENT_VERSION)
    ] == [
        ("block-unknown", 1),
        ("start-first", 1),
        ("step-open", 6),
        ("part-open", 6),
        ("request-loop", 6),
        ("after-end", 7),
        ("no-done", 0),
    ]


def test_the_text_of_a_finding() -> None:
    [finding] = check(stream({**CALL, "title": "T"}))
    assert str(finding) == (
        "event 3: tool-input-available: an unknown field `title` "
        "[unknown-field; fatal on 5.x before 5.0.217]"
    )
    assert str(Finding("no-done", "no end", 0)) == "response: no end [no-done; not fatal]"


@given(st.data())
@settings(max_examples=20)
def test_findings_do_not_depend_on_how_bytes_are_split_and_come_early(
    data: st.DataObject,
) -> None:
    body = stream({"type": "ping"}, {"type": "data-x", "data": "é"}, OUTPUT)
    cut = data.draw(st.integers(0, len(body)))
    checker = Checker()
    early = checker.feed(body[:cut])
    assert [*early, *checker.feed(body[cut:]), *checker.end()] == check(body)
    assert ("schema" in [finding.rule for finding in early]) == (
        cut >= body.index(b'data: {"type": "data')
    )
