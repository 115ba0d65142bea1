"""The writer: its output is legal and complete, and no client repeats a request after it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk
from ui_message_stream.json_codec import has_surrogate, replace_surrogates
from ui_message_stream.messages import UIMessage
from ui_message_stream.sse import frame
from ui_message_stream.state import IllegalChunk, StreamState
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ClientVersion, downgrade
from ui_message_stream.writer import TRUNCATED_INPUT, Writer

from tests.protocol.arbitrary_chunks import arbitrary_chunks
from tests.protocol.reader import Reader
from tests.protocol.strategies import messages

RELEASES = ["5.0.0", "5.0.92", "5.0.216", "6.0.0", "6.0.230", "7.0.0", "7.0.31", "7.0.173"]
EMPTY_STEP = ["start-step", "text-start", "text-end", "finish-step"]
ENDS: list[Chunk] = [c.Finish(finish_reason="stop"), c.Abort(), c.Error(error_text="e")]

maybe_messages = st.one_of(st.none(), messages(interrupted=False), messages())


def types(chunks: list[Chunk]) -> list[str]:
    return [chunk.type for chunk in chunks]


def write_all(writer: Writer, *chunks: Chunk) -> list[Chunk]:
    return [written for chunk in chunks for written in writer.write(chunk)]


def downgrade_all(chunks: list[Chunk], release: str) -> list[Chunk]:
    client_version = ClientVersion.parse(release)
    downgraded = (downgrade(chunk, client_version) for chunk in chunks)
    return [chunk for chunk in downgraded if chunk is not None]


def call(tool_call_id: str = "c", **more: Any) -> c.ToolInputAvailable:
    return c.ToolInputAvailable(tool_call_id=tool_call_id, tool_name="t", input={}, **more)


def output(tool_call_id: str = "c", **more: Any) -> c.ToolOutputAvailable:
    return c.ToolOutputAvailable(tool_call_id=tool_call_id, output=1, **more)


def arbitrary_log(
    data: st.DataObject, message: UIMessage | None, client_version: ClientVersion
) -> tuple[list[Chunk], list[Chunk]]:
    """Write arbitrary chunks and an end; return those that were accepted, and what to send."""
    writer = Writer(message_id="new", message=message, client_version=client_version)
    accepted, sent = [], []
    for chunk in [*data.draw(st.lists(arbitrary_chunks(message), max_size=25)), *ENDS]:
        if writer.ended or (isinstance(chunk, tuple(map(type, ENDS))) and data.draw(st.booleans())):
            continue
        try:
            sent += writer.write(chunk)
        except IllegalChunk:
            continue
        accepted.append(chunk)
    if not writer.ended:
        sent += writer.finish()
    return accepted, sent


@given(maybe_messages, st.sampled_from([ClientVersion(5), DEFAULT_CLIENT_VERSION]), st.data())
@settings(max_examples=150)
def test_any_output_is_legal_and_complete(
    message: UIMessage | None, client_version: ClientVersion, data: st.DataObject
) -> None:
    accepted, sent = arbitrary_log(data, message, client_version)

    stream = StreamState(message, client_version=client_version)
    for chunk in sent:
        stream.check(chunk)
    assert stream.state == "after the end"
    assert isinstance(sent[0], c.Start)
    # No accepted chunk is lost or out of order, and added chunks have no text.
    for block in ("0", "1"):
        for kind in (c.TextDelta, c.ReasoningDelta):
            assert _text(sent, kind, block) == _text(accepted, kind, block)
    whole = (*(c.TextDelta, c.ReasoningDelta, c.ToolInputDelta), *map(type, ENDS), c.Start)
    expected = [chunk for chunk in accepted if not isinstance(chunk, whole)]
    remaining = map(_without_flag, sent)
    assert all(_without_flag(chunk) in remaining for chunk in expected)


def _without_flag(chunk: Chunk) -> Chunk:
    """Return an output without `dynamic`, which the writer corrects."""
    if isinstance(chunk, (c.ToolOutputAvailable, c.ToolOutputError)):
        return msgspec.structs.replace(chunk, dynamic=None)
    return chunk


def _text(chunks: list[Chunk], kind: Any, block: str) -> str:
    """Return the texts of all blocks with an id, closed or not."""
    text, blocks = "", []
    for chunk in chunks:
        if isinstance(chunk, kind) and chunk.id == block:
            text += chunk.delta
        elif getattr(chunk, "id", None) == block or isinstance(chunk, (c.StartStep, c.ResetStep)):
            blocks.append(text)
            text = ""
    return "|".join(filter(None, map(replace_surrogates, [*blocks, text])))


def requests(
    reader: Reader, chunks: list[Chunk], message: UIMessage | None, client_version: ClientVersion
) -> dict[str, int]:
    """Return how often each release requests that is new enough and continues automatically."""
    return {
        release: reader.requests(downgrade_all(chunks, release), message, release)
        for release in RELEASES
        if ClientVersion.parse(release) >= client_version
    }


@given(maybe_messages, st.sampled_from([ClientVersion(5), DEFAULT_CLIENT_VERSION]), st.data())
@settings(max_examples=80)
def test_no_published_client_repeats_a_request(
    reader: Reader, message: UIMessage | None, client_version: ClientVersion, data: st.DataObject
) -> None:
    _, sent = arbitrary_log(data, message, client_version)
    assert set(requests(reader, sent, message, client_version).values()) == {1}


@pytest.mark.parametrize("dynamic", [None, True])
@pytest.mark.parametrize("client_version", ["5.0.0", "5.0.92"])
def test_an_input_error_without_a_start_reaches_every_client(
    reader: Reader, client_version: str, dynamic: bool | None
) -> None:
    oldest = ClientVersion.parse(client_version)
    error = c.ToolInputError(
        tool_call_id="c", tool_name="t", input={}, error_text="", dynamic=dynamic
    )
    writer = Writer(message_id="m", client_version=oldest)
    chunks = [*writer.write(error), *writer.finish()]
    # Clients before 5.0.7 get a `tool-output-error`, which needs a call that has started.
    start = ["tool-input-start"] if client_version == "5.0.0" else []
    assert types(chunks) == [
        *("start", "start-step", *start, "tool-input-error", "finish-step", *EMPTY_STEP, "finish")
    ]
    assert set(requests(reader, chunks, None, oldest).values()) == {1}
    for release in filter(lambda release: ClientVersion.parse(release) >= oldest, RELEASES):
        result = reader.read(downgrade_all(chunks, release), release=release)
        assert result["error"] is None
        assert result["message"]["parts"][1]["state"] == "output-error"


@given(maybe_messages, st.data())
@settings(max_examples=80)
def test_the_oldest_client_reads_any_output(
    reader: Reader, message: UIMessage | None, data: st.DataObject
) -> None:
    _, sent = arbitrary_log(data, message, ClientVersion(5))
    error = next((chunk.error_text for chunk in sent if isinstance(chunk, c.Error)), None)
    assert reader.read(downgrade_all(sent, "5.0.0"), message, "5.0.0")["error"] == error


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.type)
@pytest.mark.parametrize("state", ["output-available", "output-error", "approval-responded"])
def test_a_continuation_without_content_ends_with_a_visible_step(
    reader: Reader, state: str, end: Chunk
) -> None:
    part = {"type": "tool-t", "toolCallId": "c", "state": state, "input": {}, "errorText": "e"}
    if state == "approval-responded":
        part["approval"] = {"id": "a", "approved": True}
    parts = [{"type": "step-start"}, part]
    message = UIMessage.from_object({"id": "m", "role": "assistant", "parts": parts})
    # Without the step, these clients really repeat the request.
    bare: list[Chunk] = [c.Start(message_id="m"), end]
    loops = {
        release for release, n in requests(reader, bare, message, ClientVersion(5)).items() if n > 1
    }
    expected = set(RELEASES) if state == "output-available" else set(RELEASES) - {"5.0.0"}
    if state == "approval-responded":
        expected = {release for release in RELEASES if release[0] != "5"}
    if isinstance(end, c.Error):
        expected &= {"5.0.0"}
    assert loops == expected

    sent = Writer(message=message).write(end)
    assert types(sent) == ["start", *EMPTY_STEP, end.type]
    assert set(requests(reader, sent, message, ClientVersion(5)).values()) == {1}
    # An `error` stops every client from the default client version on.
    sent = Writer(message=message, client_version=DEFAULT_CLIENT_VERSION).write(end)
    added = [] if isinstance(end, c.Error) else EMPTY_STEP
    assert types(sent) == ["start", *added, end.type]


@pytest.mark.parametrize(
    ("chunks", "client_version", "added"),
    [
        ([c.TextStart(id="0")], "5.0.0", False),
        # The client answers this call, and should then send a request.
        ([call()], "5.0.0", False),
        ([call(), call("d"), output("d")], "5.0.0", False),
        ([call(), output()], "7.0.173", True),
        ([call(), output(preliminary=True)], "5.0.92", True),
        # Web search: only clients before 5.0.86 treat it as a tool call of the client.
        ([call(provider_executed=True), output()], "5.0.0", True),
        ([call(provider_executed=True), output()], "5.0.92", False),
        ([call(provider_executed=True)], "5.0.0", False),
        ([call(dynamic=True), call("d", provider_executed=True), output("d")], "5.0.0", True),
        ([call(dynamic=True), call("d", provider_executed=True), output("d")], "5.0.92", False),
    ],
)
def test_a_step_is_added_only_where_a_client_would_continue(
    chunks: list[Chunk], client_version: str, added: bool
) -> None:
    writer = Writer(client_version=ClientVersion.parse(client_version))
    sent = write_all(writer, *chunks) + writer.finish()
    assert types(sent[-5:-1]) == EMPTY_STEP if added else types(sent).count("start-step") == 1


def test_missing_chunks_are_added() -> None:
    writer = Writer(message_id="m")
    sent = write_all(
        writer,
        c.ReasoningStart(id="0"),
        c.ReasoningDelta(id="0", delta="hm"),
        c.TextStart(id="0"),
        c.StartStep(),
        c.Data(name="x", data=1),
        c.Finish(),
    )
    assert types(sent) == [
        *("start", "start-step", "reasoning-start", "reasoning-delta", "text-start"),
        *("text-end", "reasoning-end", "finish-step"),
        *("start-step", "data-x", "finish-step", "finish"),
    ]
    assert sent[0] == c.Start(message_id="m")


def test_transient_data_is_sent_after_start() -> None:
    # It could come first, but whatever reads the stream again looks for `start`.
    data = c.Data(name="x", data=1, transient=True)
    assert Writer(message_id="m").write(data) == [c.Start(message_id="m"), data]


def test_nothing_is_added_to_a_complete_stream() -> None:
    chunks: list[Chunk] = [
        c.Start(message_id="own", message_metadata={"a": 1}),
        *(c.StartStep(), c.TextStart(id="0"), c.TextDelta(id="0", delta="a"), c.TextEnd(id="0")),
        *(c.FinishStep(), c.Finish(finish_reason="stop", message_metadata={"b": 2})),
    ]
    assert write_all(Writer(message_id="m"), *chunks) == chunks


def test_a_start_without_an_id_gets_the_message_id() -> None:
    message = UIMessage(id="m", role="assistant", parts=[])
    for writer in (Writer(message_id="m"), Writer(message=message, message_id="not this")):
        assert writer.write(c.Start(message_metadata=1)) == [
            c.Start(message_id="m", message_metadata=1)
        ]
    with pytest.raises(IllegalChunk, match="same-message"):
        Writer(message=message).write(c.Start(message_id="other"))


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.type)
def test_a_truncated_tool_input_ends_as_an_error_with_its_text(end: Chunk) -> None:
    writer = Writer(client_version=DEFAULT_CLIENT_VERSION)
    sent = write_all(
        writer,
        c.ToolInputStart(tool_call_id="c", tool_name="t", dynamic=True),
        c.ToolInputDelta(tool_call_id="c", input_text_delta='{"city'),
        c.ToolInputDelta(tool_call_id="c", input_text_delta='":"Pa'),
        end,
    )
    assert sent[5] == c.ToolInputError(
        tool_call_id="c",
        tool_name="t",
        dynamic=True,
        input='{"city":"Pa',
        error_text=TRUNCATED_INPUT,
    )
    assert sent[-1] == end
    assert writer.ended


@pytest.mark.parametrize("finish", ["finish", "error", "abort"])
def test_nothing_can_be_written_after_the_end(finish: str) -> None:
    writer = Writer()
    assert not writer.ended
    writer.error("An error occurred.")
    assert writer.ended
    for chunk in (c.TextStart(id="0"), c.Start(), c.Data(name="x", data=1), *ENDS):
        with pytest.raises(IllegalChunk, match="after the end"):
            writer.write(chunk)
    with pytest.raises(IllegalChunk):
        getattr(writer, finish)(*(["again"] if finish == "error" else []))


def test_the_ends_have_the_given_values() -> None:
    assert Writer().finish("length", {"a": 1})[-1] == c.Finish(
        finish_reason="length", message_metadata={"a": 1}
    )
    assert Writer().finish() == [c.Start(), c.Finish()]
    assert Writer().error("boom") == [c.Start(), c.Error(error_text="boom")]
    assert Writer().abort("stopped") == [c.Start(), c.Abort(reason="stopped")]


@pytest.mark.parametrize("dynamic", [None, True])
@pytest.mark.parametrize("wrong", [None, False, True])
def test_an_output_gets_the_flag_of_its_call(dynamic: bool | None, wrong: bool | None) -> None:
    part = {"type": "dynamic-tool" if dynamic else "tool-t", "toolName": "t", "toolCallId": "old"}
    parts = [{"type": "step-start"}, {**part, "state": "input-available", "input": {}}]
    message = UIMessage.from_object({"id": "m", "role": "assistant", "parts": parts})
    error = c.ToolOutputError(tool_call_id="c", error_text="e", dynamic=wrong)
    sent = write_all(Writer(message=message), output("old", dynamic=wrong), call(dynamic=dynamic))
    assert sent[1] == output("old", dynamic=dynamic)
    writer = Writer()
    result = write_all(writer, call(dynamic=dynamic), error)[-1]
    assert isinstance(result, c.ToolOutputError)
    assert result.dynamic is dynamic


def test_a_refused_chunk_changes_nothing() -> None:
    writer = Writer(message_id="m")
    with pytest.raises(IllegalChunk):
        writer.write(c.TextDelta(id="0", delta="a"))
    with pytest.raises(IllegalChunk):
        writer.write(c.FinishStep())
    assert types(writer.write(c.TextStart(id="0"))) == ["start", "start-step", "text-start"]
    with pytest.raises(IllegalChunk):
        writer.write(c.ToolInputDelta(tool_call_id="c", input_text_delta="{"))
    assert types(writer.finish()) == ["text-end", "finish-step", "finish"]


@pytest.mark.parametrize(
    ("deltas", "out"),
    [
        (["a\ud83d", "\ude00b"], ["a", "😀b"]),
        (["\ud83d", "\ude00"], ["😀"]),
        (["\ud83d", "", "\ude00"], ["😀"]),
        (["\ud83d\ude00"], ["😀"]),
        (["a\ud83d", "b"], ["a", "\ufffdb"]),
        (["a\ude00b"], ["a\ufffdb"]),
        (["a\ud83d"], ["a", "\ufffd"]),
        (["\ud83d", "\ud83d", "\ude00"], ["\ufffd", "😀"]),
    ],
)
def test_halves_of_surrogate_pairs_are_joined(deltas: list[str], out: list[str]) -> None:
    text: list[Chunk] = [c.TextDelta(id="0", delta=delta) for delta in deltas]
    reasoning: list[Chunk] = [c.ReasoningDelta(id="0", delta=delta) for delta in deltas]
    writer = Writer()
    sent = write_all(writer, c.TextStart(id="0"), c.ReasoningStart(id="0"))
    # Interleaved blocks do not affect each other.
    for pair in zip(text, reasoning, strict=True):
        sent += write_all(writer, *pair)
    sent += writer.finish()
    assert [chunk.delta for chunk in sent if isinstance(chunk, c.TextDelta)] == out
    assert [chunk.delta for chunk in sent if isinstance(chunk, c.ReasoningDelta)] == out


def test_halves_in_a_tool_input_are_joined() -> None:
    writer = Writer()
    writer.write(c.ToolInputStart(tool_call_id="c", tool_name="t"))
    pieces = ['"\ud83d', '\ude00"']
    sent = write_all(
        writer, *(c.ToolInputDelta(tool_call_id="c", input_text_delta=piece) for piece in pieces)
    )
    assert [chunk.input_text_delta for chunk in sent if isinstance(chunk, c.ToolInputDelta)] == [
        '"',
        '😀"',
    ]
    [error] = [chunk for chunk in writer.finish() if isinstance(chunk, c.ToolInputError)]
    assert not has_surrogate(replace_surrogates(error.input))
    assert b'"\\"\xf0\x9f\x98\x80\\""' in frame(error)


def test_a_signature_on_an_empty_delta_is_kept_beside_half_an_emoji() -> None:
    writer = Writer()
    signature = {"anthropic": {"signature": "s"}}
    writer.write(c.ReasoningStart(id="0"))
    writer.write(c.ReasoningDelta(id="0", delta="\ud83d"))
    signed = c.ReasoningDelta(id="0", delta="", provider_metadata=signature)
    assert writer.write(signed) == [signed]


@pytest.mark.parametrize(
    ("chunk", "started"),
    [
        (c.Start(), False),
        (c.StartStep(), False),
        (c.MessageMetadata(message_metadata={"a": 1}), False),
        (c.Data(name="x", data=1, transient=True), False),
        (c.Data(name="x", data=1), True),
        (c.TextStart(id="0"), True),
        (call(), True),
    ],
)
def test_started_is_whether_anything_visible_was_written(chunk: Chunk, started: bool) -> None:
    writer = Writer()
    assert not writer.started
    writer.write(chunk)
    assert writer.started is started
