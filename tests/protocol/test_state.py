"""The grammar: examples of what may follow what, and a comparison with the published client."""

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

from tests.protocol.arbitrary_chunks import arbitrary_chunks
from tests.protocol.reader import Reader
from tests.protocol.strategies import logs, messages

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
APPROVAL_REQUEST = {"type": "tool-approval-request", "toolCallId": "c", "approvalId": "a"}
APPROVAL_RESPONSE = {"type": "tool-approval-response", "approvalId": "a", "approved": True}
DATA = {"type": "data-x", "data": 1}
TRANSIENT = {**DATA, "transient": True}
METADATA = {"type": "message-metadata", "messageMetadata": {}}
RESET = {"type": "reset-step"}
ABORT = {"type": "abort"}
ERROR = {"type": "error", "errorText": "e"}
TEXT_STEP = [STEP, TEXT, TEXT_END, STEP_END]


def message_with_call(state: str = "output-available", **more: Any) -> UIMessage:
    """Return a message whose last step has the tool call `c`."""
    part = {"type": "tool-t", "toolCallId": "c", "state": state, "input": {}, **more}
    parts = [{"type": "step-start"}, {"type": "text", "text": "a"}, part]
    return UIMessage.from_object({"id": "m", "role": "assistant", "parts": parts})


def broken_rule(
    chunks: list[dict[str, Any]],
    message: UIMessage | None = None,
    client_version: ClientVersion = DEFAULT_CLIENT_VERSION,
) -> str | None:
    """Return the rule that the last chunk breaks; all before it must be legal."""
    stream = StreamState(message, client_version=client_version)
    for chunk in chunks[:-1]:
        stream.check(parse_chunk(chunk))
    try:
        stream.check(parse_chunk(chunks[-1]))
    except IllegalChunk as error:
        return error.rule.name
    return None


@pytest.mark.parametrize(
    "chunks",
    [
        [START, FINISH],
        [START, ERROR],
        [TRANSIENT, TRANSIENT, START, TRANSIENT, STEP, TRANSIENT, STEP_END, FINISH],
        [START, ABORT],
        [START, STEP, STEP_END, FINISH],
        [START, DATA, STEP, METADATA, STEP_END, DATA, FINISH],
        # Ids of text and of reasoning are independent, and can be used again.
        [START, STEP, TEXT, REASONING, DELTA, REASONING_END, DELTA, TEXT_END, TEXT, TEXT_END],
        [START, STEP, INPUT, INPUT_DELTA, AVAILABLE, OUTPUT, STEP_END, *TEXT_STEP, FINISH],
        # A client tool: the client answers.
        [START, STEP, AVAILABLE, STEP_END, FINISH],
        [START, STEP, AVAILABLE, PRELIMINARY, PRELIMINARY, OUTPUT],
        [START, STEP, AVAILABLE, APPROVAL_REQUEST, STEP_END, FINISH],
        [START, STEP, AVAILABLE, APPROVAL_REQUEST, APPROVAL_RESPONSE, OUTPUT],
        [START, STEP, AVAILABLE, APPROVAL_REQUEST, APPROVAL_RESPONSE, DENIED],
        # AI SDK 5 and 6 servers send an output after it; the oldest clients know nothing else.
        [START, STEP, INPUT, INPUT_ERROR, OUTPUT_ERROR],
        [START, STEP, INPUT, OUTPUT_ERROR, STEP_END],
        # Tool search: the result comes in the next step.
        [START, STEP, AVAILABLE, STEP_END, STEP, OUTPUT],
        [START, STEP, TEXT, INPUT, RESET, TEXT, INPUT, TEXT_END, AVAILABLE, STEP_END, FINISH],
        [START, STEP, AVAILABLE, STEP_END, ERROR],
    ],
)
def test_legal_streams(chunks: list[dict[str, Any]]) -> None:
    assert broken_rule(chunks) is None


#: The rule that the last chunk breaks, and the chunks.
ILLEGAL: list[tuple[str, list[dict[str, Any]]]] = [
    ("start-first", [STEP]),
    ("start-first", [TEXT]),
    ("start-first", [ERROR]),
    ("start-first", [TRANSIENT, DATA]),
    ("start-once", [START, START]),
    ("start-once", [START, STEP, START]),
    ("start-once", [TRANSIENT, START, TRANSIENT, START]),
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
    ("call-unknown", [START, STEP, APPROVAL_REQUEST]),
    ("call-unknown", [START, STEP, AVAILABLE, RESET, OUTPUT]),
    ("call-twice", [START, STEP, INPUT, INPUT]),
    ("call-twice", [START, STEP, AVAILABLE, STEP_END, STEP, INPUT]),
    ("call-changed", [START, STEP, INPUT, {**AVAILABLE, "dynamic": True}]),
    ("call-changed", [START, STEP, INPUT, {**AVAILABLE, "toolName": "other"}]),
    ("input-missing", [START, STEP, INPUT, OUTPUT]),
    ("input-missing", [START, STEP, INPUT, APPROVAL_REQUEST]),
    ("input-done", [START, STEP, INPUT, AVAILABLE, INPUT_DELTA]),
    ("input-unstarted", [START, STEP, AVAILABLE, INPUT_DELTA]),
    ("output-done", [START, STEP, AVAILABLE, OUTPUT, OUTPUT]),
    ("output-done", [START, STEP, AVAILABLE, OUTPUT, PRELIMINARY]),
    ("output-done", [START, STEP, AVAILABLE, OUTPUT, APPROVAL_REQUEST]),
    ("output-dynamic", [START, STEP, {**AVAILABLE, "dynamic": True}, OUTPUT]),
    ("output-dynamic", [START, STEP, AVAILABLE, {**OUTPUT_ERROR, "dynamic": True}]),
    ("approval-twice", [START, STEP, AVAILABLE, APPROVAL_REQUEST, APPROVAL_REQUEST]),
    (
        "approval-twice",
        [START, STEP, AVAILABLE, APPROVAL_REQUEST, APPROVAL_RESPONSE, APPROVAL_RESPONSE],
    ),
    ("approval-unknown", [START, STEP, AVAILABLE, APPROVAL_RESPONSE]),
    ("request-loop", [START, STEP, AVAILABLE, OUTPUT, STEP_END, FINISH]),
    ("request-loop", [START, STEP, AVAILABLE, OUTPUT, STEP_END, STEP, STEP_END, FINISH]),
    ("request-loop", [START, STEP, AVAILABLE, OUTPUT_ERROR, ABORT]),
    (
        "request-loop",
        [START, STEP, AVAILABLE, APPROVAL_REQUEST, APPROVAL_RESPONSE, STEP_END, FINISH],
    ),
]


@pytest.mark.parametrize(("rule", "chunks"), ILLEGAL)
def test_illegal_streams(rule: str, chunks: list[dict[str, Any]]) -> None:
    assert broken_rule(chunks) == rule


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
            stream = StreamState(client_version=ClientVersion.parse(release))
            for each in before:
                stream.check(each)
            broken_rules = [rule.fatal for rule in stream.broken_by(chunk)]
            has_thrown = reader.read([*before, chunk], release=release)["error"] is not None
            assert broken_rules == (["5.x"] if has_thrown else [])


@pytest.mark.parametrize("late", [DELTA, TEXT_END])
def test_older_clients_forget_the_blocks_that_a_step_left_open(
    reader: Reader, late: dict[str, Any]
) -> None:
    chunks = [parse_chunk(chunk) for chunk in (START, STEP, TEXT, STEP_END, STEP, late)]
    for release in ("5.0.0", "5.0.277", "6.0.326", "7.0.31", "7.0.173"):
        stream = StreamState(client_version=ClientVersion.parse(release))
        for chunk in chunks[:-1]:
            stream.advance(chunk)
        broken_rules = [rule.name for rule in stream.broken_by(chunks[-1])]
        has_thrown = reader.read(chunks, release=release)["error"] is not None
        assert broken_rules == (["block-left-open"] if has_thrown else [])
        assert has_thrown == (release != "7.0.173")


@pytest.mark.parametrize("before", [[], [TRANSIENT], [DATA, DATA], [STEP, TEXT, DELTA, TEXT_END]])
def test_a_start_after_what_a_client_shows_has_the_message_twice(
    reader: Reader, before: list[dict[str, Any]]
) -> None:
    chunks = [parse_chunk(chunk) for chunk in (*before, START, *TEXT_STEP, FINISH)]
    stream = StreamState()
    for chunk in chunks[: len(before)]:
        stream.advance(chunk)
    broken_rules = [rule.name for rule in stream.broken_by(chunks[len(before)])]
    for release in ("5.0.0", "5.0.277", "6.0.326", "7.0.173"):
        count = reader.read(chunks, release=release)["count"]
        assert broken_rules == (["start-once"] if count == 2 else [])
        assert count == (2 if before not in ([], [TRANSIENT]) else 1)


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("is_late", [False, True])
def test_the_input_of_a_call_that_was_decided_on_may_be_repeated_in_its_step(
    reader: Reader, approved: bool, is_late: bool
) -> None:
    message = message_with_call("approval-responded", approval={"id": "a", "approved": approved})
    first = [START, STEP] if is_late else [START]
    values = [*first, AVAILABLE, OUTPUT, *([STEP_END] if is_late else []), *TEXT_STEP, FINISH]
    chunks = [parse_chunk(chunk) for chunk in values]
    stream = StreamState(message)
    broken_rules = []
    for chunk in chunks:
        broken_rules += [rule.name for rule in stream.broken_by(chunk)]
        stream.advance(chunk)
    assert broken_rules == (["call-twice"] if is_late else [])
    for release in ("6.0.326", "7.0.173"):
        response = reader.read(chunks, message, release)
        parts = [part for part in response["message"]["parts"] if part["type"] == "tool-t"]
        assert (response["error"], len(parts)) == (None, 2 if is_late else 1)
        assert parts[-1]["state"] == "output-available"


def test_every_rule_has_an_example() -> None:
    # These two have examples in other tests.
    assert {rule for rule, _ in ILLEGAL} | {"same-message", "block-left-open"} == set(RULES)


@pytest.mark.parametrize(
    ("state", "chunks", "rule"),
    [
        # Outputs of open calls come before the first step.
        ("input-available", [START, OUTPUT], None),
        ("approval-responded", [START, PRELIMINARY, OUTPUT, *TEXT_STEP, FINISH], None),
        ("approval-responded", [START, DENIED], None),
        ("approval-responded", [START, AVAILABLE, OUTPUT, *TEXT_STEP, FINISH], None),
        ("approval-responded", [START, AVAILABLE, AVAILABLE], "call-twice"),
        ("approval-responded", [START, {**AVAILABLE, "toolName": "other"}], "call-changed"),
        ("approval-responded", [START, {**AVAILABLE, "dynamic": True}], "call-changed"),
        ("approval-responded", [START, INPUT], "call-twice"),
        ("approval-requested", [START, AVAILABLE], "call-twice"),
        ("input-available", [START, AVAILABLE], "call-twice"),
        ("approval-requested", [START, APPROVAL_RESPONSE], None),
        # A stop cut the input. The call can be answered, and needs no end.
        ("input-streaming", [START, OUTPUT_ERROR], None),
        ("input-streaming", [START, *TEXT_STEP, FINISH], None),
        # The client added the output, such as the user's consent: the tool's own replaces it, once.
        ("output-available", [START, OUTPUT], None),
        ("output-available", [START, PRELIMINARY, OUTPUT], None),
        ("output-error", [START, OUTPUT], None),
        ("output-available", [START, OUTPUT, OUTPUT], "output-done"),
        ("output-denied", [START, OUTPUT], "output-done"),
        ("output-available", [START, APPROVAL_REQUEST], "output-done"),
        ("output-available", [START, STEP, INPUT], "call-twice"),
        ("output-available", [{"type": "start"}], None),
        ("output-available", [{**START, "messageId": "other"}], "same-message"),
        # The client has all outputs and sent a request: without a visible step, it repeats it.
        ("output-available", [START, FINISH], "request-loop"),
        ("output-available", [START, ABORT], "request-loop"),
        ("output-available", [START, STEP, STEP_END, FINISH], "request-loop"),
        ("output-available", [START, TRANSIENT, FINISH], "request-loop"),
        ("output-available", [START, STEP, DATA, STEP_END, FINISH], None),
        ("output-available", [START, STEP, METADATA, STEP_END, FINISH], None),
        ("output-available", [START, STEP, STEP_END, {**FINISH, "messageMetadata": {}}], None),
        ("output-available", [START, *TEXT_STEP, FINISH], None),
        ("output-available", [START, ERROR], None),
        ("approval-responded", [START, FINISH], "request-loop"),
        ("approval-requested", [START, FINISH], None),
        ("input-available", [START, FINISH], None),
    ],
)
def test_continuations(state: str, chunks: list[dict[str, Any]], rule: str | None) -> None:
    assert broken_rule(chunks, message_with_call(state, approval={"id": "a"})) == rule


@pytest.mark.parametrize(
    ("client_version", "end", "rule"),
    [
        ("5.0.85", FINISH, "request-loop"),
        ("5.0.86", FINISH, None),
        ("5.0.30", ERROR, "request-loop"),
        ("5.0.31", ERROR, None),
    ],
)
def test_the_oldest_clients_repeat_requests_in_more_cases(
    client_version: str, end: dict[str, Any], rule: str | None
) -> None:
    # They count calls that the provider executed, and continue after an error.
    message = message_with_call(providerExecuted=end is FINISH)
    assert broken_rule([START, end], message, ClientVersion.parse(client_version)) == rule


def test_an_error_names_the_state_the_chunk_and_the_rule() -> None:
    stream = StreamState()
    stream.check(c.Start())
    with pytest.raises(IllegalChunk) as raised:
        stream.check(c.TextDelta(id="7", delta="secret"))
    assert str(raised.value) == (
        "text-delta '7' is illegal between steps: no such block is open (block-unknown)"
    )
    stream.check(c.StartStep())


@given(logs(), messages(), st.data())
@settings(max_examples=50)
def test_legal_logs_and_continuations_are_legal(
    log: list[Chunk], message: UIMessage, data: st.DataObject
) -> None:
    for before, chunks in ((None, log), (message, data.draw(logs(message)))):
        stream = StreamState(before, client_version=DEFAULT_CLIENT_VERSION)
        for chunk in chunks:
            stream.check(chunk)


# Only the newest clients continue an input that a stop cut. Older ones throw, and so the rule is
# fatal: such messages are excluded.
@given(st.one_of(st.none(), messages(interrupted=False)), st.data())
@settings(max_examples=200)
def test_a_rule_is_fatal_exactly_where_the_client_throws(
    message: UIMessage | None, data: st.DataObject
) -> None:
    stream, reducer = StreamState(message), Reducer(message)
    for chunk in data.draw(st.lists(arbitrary_chunks(message), max_size=25)):
        if isinstance(chunk, (c.Finish, c.Abort, c.Error)):
            continue
        fatal = any(rule.fatal == EVERY_RELEASE for rule in stream.broken_by(chunk))
        stream.advance(chunk)
        try:
            reducer.feed(chunk)
        except ReduceError:
            assert fatal
            return
        assert not fatal


def test_a_chunk_that_is_not_sent_makes_no_step_visible() -> None:
    # AI SDK 6 does not show the step with only a custom part, and would repeat the request.
    chunks = [
        *ANSWERED_CALL,
        c.StartStep(),
        c.Custom(kind="anthropic.message_start"),
        c.FinishStep(),
    ]
    for client_version, would_continue in ((ClientVersion(6), True), (ClientVersion(7), False)):
        stream = StreamState(client_version=client_version)
        for chunk in chunks:
            stream.check(chunk)
        assert stream.would_continue() is would_continue


ANSWERED_CALL: list[Chunk] = [
    c.Start(),
    c.StartStep(),
    c.ToolInputAvailable(tool_call_id="t", tool_name="n", input={}),
    c.ToolOutputAvailable(tool_call_id="t", output=1),
    c.FinishStep(),
]
