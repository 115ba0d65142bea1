"""The grammar: what may follow what, by examples, and against what the client really throws on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk, parse_chunk
from ui_message_stream.grammar import EVERY_RELEASE, RULES
from ui_message_stream.messages import UIMessage
from ui_message_stream.reducer import ReduceError, Reducer
from ui_message_stream.state import IllegalChunk, StreamState
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ClientVersion

from tests.protocol.reader import Reader
from tests.protocol.strategies import logs, messages
from tests.protocol.wild import wild_chunks

START = {"type": "start", "messageId": "m"}
STEP = {"type": "start-step"}
STEP_END = {"type": "finish-step"}
FINISH = {"type": "finish"}
TEXT = {"type": "text-start", "id": "0"}
DELTA = {"type": "text-delta", "id": "0", "delta": "a"}
TEXT_END = {"type": "text-end", "id": "0"}
REASONING = {"type": "reasoning-start", "id": "0"}
REASONING_END = {"type": "reasoning-end", "id": "0"}
CALL = {"toolCallId": "c", "toolName": "t"}
INPUT = {"type": "tool-input-start", **CALL}
INPUT_DELTA = {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "{}"}
AVAILABLE = {"type": "tool-input-available", **CALL, "input": {}}
INPUT_ERROR = {"type": "tool-input-error", **CALL, "input": "{", "errorText": "e"}
OUTPUT = {"type": "tool-output-available", "toolCallId": "c", "output": None}
OUTPUT_ERROR = {"type": "tool-output-error", "toolCallId": "c", "errorText": "e"}
PRELIMINARY = {**OUTPUT, "preliminary": True}
DENIED = {"type": "tool-output-denied", "toolCallId": "c"}
ASK = {"type": "tool-approval-request", "toolCallId": "c", "approvalId": "a"}
ANSWER = {"type": "tool-approval-response", "approvalId": "a", "approved": True}
DATA = {"type": "data-x", "data": 1}
METADATA = {"type": "message-metadata", "messageMetadata": {}}
RESET = {"type": "reset-step"}
ABORT = {"type": "abort"}
ERROR = {"type": "error", "errorText": "e"}
WORDS = [STEP, TEXT, TEXT_END, STEP_END]


def continued(state: str = "output-available", **more: Any) -> UIMessage:
    """A message whose last step has the tool call `c`."""
    part = {"type": "tool-t", "toolCallId": "c", "state": state, "input": {}, **more}
    parts = [{"type": "step-start"}, {"type": "text", "text": "a"}, part]
    return UIMessage.from_object({"id": "m", "role": "assistant", "parts": parts})


def broken(
    chunks: list[dict[str, Any]],
    message: UIMessage | None = None,
    client_version: ClientVersion = DEFAULT_CLIENT_VERSION,
) -> str | None:
    """The rule that the last chunk breaks, all before it being legal."""
    grammar = StreamState(message, client_version=client_version)
    for chunk in chunks[:-1]:
        grammar.check(parse_chunk(chunk))
    try:
        grammar.check(parse_chunk(chunks[-1]))
    except IllegalChunk as error:
        return error.rule.name
    return None


@pytest.mark.parametrize(
    "chunks",
    [
        [START, FINISH],
        [START, ERROR],
        [START, ABORT],
        [START, STEP, STEP_END, FINISH],
        [START, DATA, STEP, METADATA, STEP_END, DATA, FINISH],
        # Text and reasoning have ids of their own, which can be used again.
        [START, STEP, TEXT, REASONING, DELTA, REASONING_END, DELTA, TEXT_END, TEXT, TEXT_END],
        [START, STEP, INPUT, INPUT_DELTA, AVAILABLE, OUTPUT, STEP_END, *WORDS, FINISH],
        # A client tool: the page answers.
        [START, STEP, AVAILABLE, STEP_END, FINISH],
        [START, STEP, AVAILABLE, PRELIMINARY, PRELIMINARY, OUTPUT],
        [START, STEP, AVAILABLE, ASK, STEP_END, FINISH],
        [START, STEP, AVAILABLE, ASK, ANSWER, OUTPUT],
        [START, STEP, AVAILABLE, ASK, ANSWER, DENIED],
        # AI SDK 5 and 6 servers let an output follow; for the oldest clients there is nothing else.
        [START, STEP, INPUT, INPUT_ERROR, OUTPUT_ERROR],
        [START, STEP, INPUT, OUTPUT_ERROR, STEP_END],
        # Tool search: the result comes in the next step.
        [START, STEP, AVAILABLE, STEP_END, STEP, OUTPUT],
        [START, STEP, TEXT, INPUT, RESET, TEXT, INPUT, TEXT_END, AVAILABLE, STEP_END, FINISH],
        [START, STEP, AVAILABLE, STEP_END, ERROR],
    ],
)
def test_legal(chunks: list[dict[str, Any]]) -> None:
    assert broken(chunks) is None


#: The rule that the last chunk breaks.
ILLEGAL: list[tuple[str, list[dict[str, Any]]]] = [
    ("start-first", [STEP]),
    ("start-first", [TEXT]),
    ("start-first", [ERROR]),
    ("start-once", [START, START]),
    ("start-once", [START, STEP, START]),
    ("in-step", [START, TEXT]),
    ("in-step", [START, AVAILABLE]),
    ("in-step", [START, STEP, STEP_END, {"type": "file", "url": "u", "mediaType": "m"}]),
    ("no-step", [START, STEP_END]),
    ("no-step", [START, RESET]),
    ("step-open", [START, STEP, STEP]),
    ("step-open", [START, STEP, FINISH]),
    ("part-open", [START, STEP, TEXT, STEP_END]),
    ("part-open", [START, STEP, REASONING, ABORT]),
    ("part-open", [START, STEP, INPUT, ERROR]),
    ("after-end", [START, FINISH, FINISH]),
    ("after-end", [START, ERROR, FINISH]),
    ("after-end", [START, ABORT, DATA]),
    ("block-unknown", [START, STEP, DELTA]),
    ("block-unknown", [START, STEP, TEXT, {**DELTA, "id": "1"}]),
    ("block-unknown", [START, STEP, TEXT, REASONING_END]),
    ("block-unknown", [START, STEP, TEXT, TEXT_END, DELTA]),
    ("block-unknown", [START, STEP, TEXT, RESET, DELTA]),
    ("block-twice", [START, STEP, TEXT, TEXT]),
    ("call-unknown", [START, STEP, OUTPUT]),
    ("call-unknown", [START, STEP, INPUT_DELTA]),
    ("call-unknown", [START, STEP, ASK]),
    ("call-unknown", [START, STEP, AVAILABLE, RESET, OUTPUT]),
    ("call-twice", [START, STEP, INPUT, INPUT]),
    ("call-twice", [START, STEP, AVAILABLE, STEP_END, STEP, INPUT]),
    ("call-changed", [START, STEP, INPUT, {**AVAILABLE, "dynamic": True}]),
    ("call-changed", [START, STEP, INPUT, {**AVAILABLE, "toolName": "other"}]),
    ("input-missing", [START, STEP, INPUT, OUTPUT]),
    ("input-missing", [START, STEP, INPUT, ASK]),
    ("input-done", [START, STEP, INPUT, AVAILABLE, INPUT_DELTA]),
    ("input-unstarted", [START, STEP, AVAILABLE, INPUT_DELTA]),
    ("output-done", [START, STEP, AVAILABLE, OUTPUT, OUTPUT]),
    ("output-done", [START, STEP, AVAILABLE, OUTPUT, PRELIMINARY]),
    ("output-done", [START, STEP, AVAILABLE, OUTPUT, ASK]),
    ("output-dynamic", [START, STEP, {**AVAILABLE, "dynamic": True}, OUTPUT]),
    ("output-dynamic", [START, STEP, AVAILABLE, {**OUTPUT_ERROR, "dynamic": True}]),
    ("approval-twice", [START, STEP, AVAILABLE, ASK, ASK]),
    ("approval-twice", [START, STEP, AVAILABLE, ASK, ANSWER, ANSWER]),
    ("approval-unknown", [START, STEP, AVAILABLE, ANSWER]),
    ("request-loop", [START, STEP, AVAILABLE, OUTPUT, STEP_END, FINISH]),
    ("request-loop", [START, STEP, AVAILABLE, OUTPUT, STEP_END, STEP, STEP_END, FINISH]),
    ("request-loop", [START, STEP, AVAILABLE, OUTPUT_ERROR, ABORT]),
    ("request-loop", [START, STEP, AVAILABLE, ASK, ANSWER, STEP_END, FINISH]),
]


@pytest.mark.parametrize(("rule", "chunks"), ILLEGAL)
def test_illegal(rule: str, chunks: list[dict[str, Any]]) -> None:
    assert broken(chunks) == rule


@pytest.mark.parametrize("dynamic", [None, True])
@pytest.mark.parametrize("output", [OUTPUT, OUTPUT_ERROR])
def test_ai_sdk_5_needs_the_flag_of_the_call_on_its_output(
    reader: Reader, output: dict[str, Any], dynamic: bool | None
) -> None:
    call = parse_chunk({**AVAILABLE, **({"dynamic": True} if dynamic else {})})
    before = [parse_chunk(START), parse_chunk(STEP), call]
    for release in ("5.0.0", "5.0.277", "6.0.0", "7.0.173"):
        for flag in (None, True):
            chunk = msgspec.structs.replace(parse_chunk(output), dynamic=flag)
            grammar = StreamState(client_version=ClientVersion.parse(release))
            for each in before:
                grammar.check(each)
            told = [rule.fatal for rule in grammar.broken_by(chunk)]
            throws = reader.read([*before, chunk], release=release)["error"] is not None
            assert told == (["5.x"] if throws else [])


@pytest.mark.parametrize("late", [DELTA, TEXT_END])
def test_older_clients_forget_what_their_step_left_open(
    reader: Reader, late: dict[str, Any]
) -> None:
    chunks = [parse_chunk(chunk) for chunk in (START, STEP, TEXT, STEP_END, STEP, late)]
    for release in ("5.0.0", "5.0.277", "6.0.326", "7.0.31", "7.0.173"):
        grammar = StreamState(client_version=ClientVersion.parse(release))
        for chunk in chunks[:-1]:
            grammar.advance(chunk)
        told = [rule.name for rule in grammar.broken_by(chunks[-1])]
        throws = reader.read(chunks, release=release)["error"] is not None
        assert told == (["block-left-open"] if throws else [])
        assert throws == (release != "7.0.173")


def test_every_rule_has_an_example() -> None:
    # A continuation's is below, and above what only follows from another one.
    assert {rule for rule, _ in ILLEGAL} | {"same-message", "block-left-open"} == set(RULES)


@pytest.mark.parametrize(
    ("state", "chunks", "rule"),
    [
        # Answers to open calls come before the first step.
        ("input-available", [START, OUTPUT], None),
        ("approval-responded", [START, PRELIMINARY, OUTPUT, *WORDS, FINISH], None),
        ("approval-responded", [START, DENIED], None),
        ("approval-requested", [START, ANSWER], None),
        # A stop cut its input. It can be answered, and needs no end.
        ("input-streaming", [START, OUTPUT_ERROR], None),
        ("input-streaming", [START, *WORDS, FINISH], None),
        ("output-available", [START, OUTPUT], "output-done"),
        ("output-available", [START, STEP, INPUT], "call-twice"),
        ("output-available", [{"type": "start"}], None),
        ("output-available", [{**START, "messageId": "other"}], "same-message"),
        # The page has all outputs and asked: without a step that shows it asks again.
        ("output-available", [START, FINISH], "request-loop"),
        ("output-available", [START, ABORT], "request-loop"),
        ("output-available", [START, STEP, STEP_END, FINISH], "request-loop"),
        ("output-available", [START, {**DATA, "transient": True}, FINISH], "request-loop"),
        ("output-available", [START, STEP, DATA, STEP_END, FINISH], None),
        ("output-available", [START, STEP, METADATA, STEP_END, FINISH], None),
        ("output-available", [START, STEP, STEP_END, {**FINISH, "messageMetadata": {}}], None),
        ("output-available", [START, *WORDS, FINISH], None),
        ("output-available", [START, ERROR], None),
        ("approval-responded", [START, FINISH], "request-loop"),
        ("approval-requested", [START, FINISH], None),
        ("input-available", [START, FINISH], None),
    ],
)
def test_a_continuation(state: str, chunks: list[dict[str, Any]], rule: str | None) -> None:
    assert broken(chunks, continued(state, approval={"id": "a"})) == rule


@pytest.mark.parametrize(
    ("client_version", "end", "rule"),
    [
        ("5.0.85", FINISH, "request-loop"),
        ("5.0.86", FINISH, None),
        ("5.0.30", ERROR, "request-loop"),
        ("5.0.31", ERROR, None),
    ],
)
def test_the_oldest_clients_loop_more_easily(
    client_version: str, end: dict[str, Any], rule: str | None
) -> None:
    # They count calls that the provider ran, and go on after an error.
    by_provider = end is FINISH
    message = continued(providerExecuted=by_provider)
    assert broken([START, end], message, ClientVersion.parse(client_version)) == rule


def test_an_error_names_the_state_the_chunk_and_the_rule() -> None:
    grammar = StreamState()
    grammar.check(c.Start())
    with pytest.raises(IllegalChunk) as raised:
        grammar.check(c.TextDelta(id="7", delta="secret"))
    assert str(raised.value) == (
        "text-delta '7' is illegal between steps: no such block is open (block-unknown)"
    )
    grammar.check(c.StartStep())


@given(logs(), messages(), st.data())
@settings(max_examples=50)
def test_legal_logs_and_continuations_are_legal(
    log: list[Chunk], message: UIMessage, data: st.DataObject
) -> None:
    for before, chunks in ((None, log), (message, data.draw(logs(message)))):
        grammar = StreamState(before, client_version=DEFAULT_CLIENT_VERSION)
        for chunk in chunks:
            grammar.check(chunk)


# Only the newest clients go on with an input that a stop cut: older ones throw, so the rule does.
@given(st.one_of(st.none(), messages(interrupted=False)), st.data())
@settings(max_examples=200)
def test_a_rule_is_fatal_exactly_where_the_client_throws(
    message: UIMessage | None, data: st.DataObject
) -> None:
    grammar, reducer = StreamState(message), Reducer(message)
    for chunk in data.draw(st.lists(wild_chunks(message), max_size=25)):
        if isinstance(chunk, (c.Finish, c.Abort, c.Error)):
            continue
        fatal = any(rule.fatal == EVERY_RELEASE for rule in grammar.broken_by(chunk))
        grammar.advance(chunk)
        try:
            reducer.feed(chunk)
        except ReduceError:
            assert fatal
            return
        assert not fatal


def test_what_a_client_version_is_not_sent_shows_no_step() -> None:
    # A page of AI SDK 6 does not see the step that only has a custom part: it would go on asking.
    said = [*CALLED, c.StartStep(), c.Custom(kind="anthropic.message_start"), c.FinishStep()]
    for client_version, would_continue in ((ClientVersion(6), True), (ClientVersion(7), False)):
        grammar = StreamState(client_version=client_version)
        for chunk in said:
            grammar.check(chunk)
        assert grammar.would_continue() is would_continue


CALLED: list[Chunk] = [
    c.Start(),
    c.StartStep(),
    c.ToolInputAvailable(tool_call_id="t", tool_name="n", input={}),
    c.ToolOutputAvailable(tool_call_id="t", output=1),
    c.FinishStep(),
]
