"""`replay_chunks` rebuilds a message: for `reduce`, and for every published client at its client
version."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream import messages as m
from ui_message_stream.messages import UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.replay import replay_chunks
from ui_message_stream.schema import UNSET
from ui_message_stream.state import StreamState
from ui_message_stream.versions import (
    DEFAULT_CLIENT_VERSION,
    NEWEST_CLIENT_VERSION,
    ClientVersion,
    downgrade,
)
from ui_message_stream.writer import TRUNCATED_INPUT

from tests.protocol.reader import Reader
from tests.protocol.strategies import FOREIGN, logs, messages

RELEASES = ["5.0.0", "5.0.92", "5.0.216", "6.0.0", "6.0.230", "7.0.0", "7.0.31", "7.0.173"]


def as_replayed(message: UIMessage) -> dict[str, Any]:
    """Return the message without what chunks cannot express: see the docstring of `replay`."""
    parts: list[m.Part] = []
    for index, part in enumerate(map(copy, message.parts)):
        if isinstance(part, m.UnknownPart):
            continue
        if not isinstance(part, m.DataPart):
            part.extra = None
        if isinstance(part, (m.TextPart, m.ReasoningPart)):
            part.state = "done"
        if isinstance(part, m.ReasoningPart) and part.id is None:
            part.id = str(index)
        if isinstance(part, m.FilePart):
            part.filename = part.provider_reference = None
        if isinstance(part, m.ToolPart):
            _normalize_call(part)
        outside = (m.StepStartPart, m.DataPart, m.SteeringMessagePart)
        if not (isinstance(part, outside) or any(isinstance(p, m.StepStartPart) for p in parts)):
            parts.append(m.StepStartPart())
        parts.append(part)
    metadata = UNSET if message.metadata is None else message.metadata
    return UIMessage(id=message.id, role="assistant", metadata=metadata, parts=parts).to_object()


def _normalize_call(part: m.ToolPart) -> None:
    if part.state == "input-streaming":
        part.state = "output-error"
        part.error_text = TRUNCATED_INPUT
        part.input = part.input if part.raw_input is UNSET else part.raw_input
    elif part.state == "output-error" and part.input is UNSET:
        part.input = part.raw_input
    elif part.state in ("output-available", "output-error"):
        part.provider_executed = bool(part.provider_executed)
    if part.approval is None and part.state.startswith("approval-"):
        part.state = "input-available"
    part.raw_input = UNSET
    part.input_encoding = None
    if part.input is UNSET:
        part.input = None


@given(message=messages())
@settings(max_examples=100)
def test_reduce_is_the_inverse(message: UIMessage) -> None:
    assert reduce(replay_chunks(message, NEWEST_CLIENT_VERSION)).to_object() == as_replayed(message)


def test_a_foreign_message_loses_only_what_chunks_cannot_express() -> None:
    assert reduce(replay_chunks(FOREIGN, NEWEST_CLIENT_VERSION)).to_object() == as_replayed(FOREIGN)


@given(message=messages(), data=st.data())
@settings(max_examples=60)
def test_the_chunks_are_legal_and_so_is_a_continuation_after_them(
    message: UIMessage, data: st.DataObject
) -> None:
    stream = StreamState()
    for chunk in [*replay_chunks(message, NEWEST_CLIENT_VERSION), *data.draw(logs(message))[1:]]:
        stream.check(chunk)


def test_a_foreign_message_becomes_legal() -> None:
    stream = StreamState()
    for chunk in replay_chunks(FOREIGN, NEWEST_CLIENT_VERSION):
        stream.check(chunk)
    assert stream.state == "between steps"


@pytest.mark.parametrize("release", RELEASES)
@given(message=messages())
@settings(max_examples=15)
def test_every_release_reads_a_message_replayed_for_it(
    reader: Reader, release: str, message: UIMessage
) -> None:
    client_version = ClientVersion.parse(release)
    chunks = replay_chunks(message, client_version)
    assert all(downgrade(chunk, client_version) is chunk for chunk in chunks)
    result = reader.read(chunks, release=release)
    assert result["error"] is None
    texts = [p["text"] for p in result["message"]["parts"] if p["type"] == "text"]
    assert texts == [part.text for part in message.parts if isinstance(part, m.TextPart)]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("is_named", [True, False])
def test_a_replay_does_not_run_client_tools_again(
    reader: Reader, release: str, *, is_named: bool
) -> None:
    named = min(ClientVersion.parse(release), DEFAULT_CLIENT_VERSION)
    silent = ClientVersion(5).with_chunk_types("tool-approval-request", "tool-output-denied")
    call = {"type": "tool-locate", "input": {"exact": True}}
    message = UIMessage.from_object(
        {
            "id": "m",
            "role": "assistant",
            "parts": [
                {"type": "step-start"},
                {**call, "toolCallId": "answered", "state": "output-available", "output": None},
                {**call, "toolCallId": "failed", "state": "output-error", "errorText": "denied"},
                {**call, "toolCallId": "denied", "state": "output-denied"},
                {**call, "toolCallId": "open", "state": "input-available"},
            ],
        }
    )
    result = reader.read(replay_chunks(message, named if is_named else silent), None, release)
    # 5.0.0 needs a wrong `providerExecuted` in the final part.
    assert result["toolCalls"] == ["open"] or (is_named and release == "5.0.0")
    states = [(p["toolCallId"], p["state"]) for p in result["message"]["parts"][1:]]
    assert states == [
        ("answered", "output-available"),
        ("failed", "output-error"),
        ("denied", "output-error"),
        ("open", "input-available"),
    ]
    executed = any(part.get("providerExecuted") for part in result["message"]["parts"])
    assert executed == (release == "5.0.0" and not is_named)
