"""The writer: whatever it is told, what comes out is legal, ends, and makes no page loop."""

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

from tests.protocol.reader import Reader
from tests.protocol.strategies import messages
from tests.protocol.wild import wild_chunks

RELEASES = ["5.0.0", "5.0.92", "5.0.216", "6.0.0", "6.0.230", "7.0.0", "7.0.31", "7.0.173"]
EMPTY_STEP = ["start-step", "text-start", "text-end", "finish-step"]
ENDS: list[Chunk] = [c.Finish(finish_reason="stop"), c.Abort(), c.Error(error_text="e")]

maybe_messages = st.one_of(st.none(), messages(interrupted=False), messages())


def types(chunks: list[Chunk]) -> list[str]:
    return [chunk.type for chunk in chunks]


def written(writer: Writer, *chunks: Chunk) -> list[Chunk]:
    return [out for chunk in chunks for out in writer.write(chunk)]


def call(tool_call_id: str = "c", **more: Any) -> c.ToolInputAvailable:
    return c.ToolInputAvailable(tool_call_id=tool_call_id, tool_name="t", input={}, **more)


def output(tool_call_id: str = "c", **more: Any) -> c.ToolOutputAvailable:
    return c.ToolOutputAvailable(tool_call_id=tool_call_id, output=1, **more)


def wild_log(
    data: st.DataObject, message: UIMessage | None, client_version: ClientVersion
) -> tuple[list[Chunk], list[Chunk]]:
    """What a writer took of any chunks and an end, and what it made of them."""
    writer = Writer(message_id="new", message=message, client_version=client_version)
    taken, made = [], []
    for chunk in [*data.draw(st.lists(wild_chunks(message), max_size=25)), *ENDS]:
        if writer.ended or (isinstance(chunk, tuple(map(type, ENDS))) and data.draw(st.booleans())):
            continue
        try:
            made += writer.write(chunk)
        except IllegalChunk:
            continue
        taken.append(chunk)
    if not writer.ended:
        made += writer.finish()
    return taken, made


@given(maybe_messages, st.sampled_from([ClientVersion(5), DEFAULT_CLIENT_VERSION]), st.data())
@settings(max_examples=150)
def test_whatever_is_written_comes_out_legal_and_whole(
    message: UIMessage | None, client_version: ClientVersion, data: st.DataObject
) -> None:
    taken, made = wild_log(data, message, client_version)

    grammar = StreamState(message, client_version=client_version)
    for chunk in made:
        grammar.check(chunk)
    assert grammar.state == "after the end"
    assert isinstance(made[0], c.Start)
    # Nothing that was taken is lost or out of order, and what was added has no text of its own.
    for block in ("0", "1"):
        for kind in (c.TextDelta, c.ReasoningDelta):
            assert _text(made, kind, block) == _text(taken, kind, block)
    whole = (*(c.TextDelta, c.ReasoningDelta, c.ToolInputDelta), *map(type, ENDS), c.Start)
    kept = [chunk for chunk in taken if not isinstance(chunk, whole)]
    left = map(_without_flag, made)
    assert all(any(_without_flag(chunk) == out for out in left) for chunk in kept)


def _without_flag(chunk: Chunk) -> Chunk:
    """An output without `dynamic`, which the writer corrects."""
    if isinstance(chunk, (c.ToolOutputAvailable, c.ToolOutputError)):
        return msgspec.structs.replace(chunk, dynamic=None)
    return chunk


def _text(chunks: list[Chunk], kind: Any, block: str) -> str:
    """The text of all blocks of an id, those that were closed or not."""
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
    """How often each release from the client version on asks that continues automatically."""
    return {
        release: reader.requests(
            [out for chunk in chunks if (out := downgrade(chunk, at)) is not None], message, release
        )
        for release in RELEASES
        if (at := ClientVersion.parse(release)) >= client_version
    }


@given(maybe_messages, st.sampled_from([ClientVersion(5), DEFAULT_CLIENT_VERSION]), st.data())
@settings(max_examples=80)
def test_no_published_client_sends_a_request_again(
    reader: Reader, message: UIMessage | None, client_version: ClientVersion, data: st.DataObject
) -> None:
    _, made = wild_log(data, message, client_version)
    assert set(requests(reader, made, message, client_version).values()) == {1}


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
        at = ClientVersion.parse(release)
        sent = [out for chunk in chunks if (out := downgrade(chunk, at)) is not None]
        result = reader.read(sent, release=release)
        assert result["error"] is None
        assert result["message"]["parts"][1]["state"] == "output-error"


@given(maybe_messages, st.data())
@settings(max_examples=80)
def test_the_oldest_client_reads_whatever_is_written_for_it(
    reader: Reader, message: UIMessage | None, data: st.DataObject
) -> None:
    oldest = ClientVersion(5)
    _, chunks = wild_log(data, message, oldest)
    sent = [out for chunk in chunks if (out := downgrade(chunk, oldest)) is not None]
    error = next((chunk.error_text for chunk in chunks if isinstance(chunk, c.Error)), None)
    assert reader.read(sent, message, str(oldest))["error"] == error


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.type)
@pytest.mark.parametrize("state", ["output-available", "output-error", "approval-responded"])
def test_a_continuation_that_brings_nothing_ends_with_a_step_that_shows(
    reader: Reader, state: str, end: Chunk
) -> None:
    part = {"type": "tool-t", "toolCallId": "c", "state": state, "input": {}, "errorText": "e"}
    if state == "approval-responded":
        part["approval"] = {"id": "a", "approved": True}
    parts = [{"type": "step-start"}, part]
    message = UIMessage.from_object({"id": "m", "role": "assistant", "parts": parts})
    # The clients are right that it is needed: without the step they go on and on.
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

    made = Writer(message=message).write(end)
    assert types(made) == ["start", *EMPTY_STEP, end.type]
    assert set(requests(reader, made, message, ClientVersion(5)).values()) == {1}
    # An `error` stops every client from the default client version on.
    made = Writer(message=message, client_version=DEFAULT_CLIENT_VERSION).write(end)
    added = [] if isinstance(end, c.Error) else EMPTY_STEP
    assert types(made) == ["start", *added, end.type]


@pytest.mark.parametrize(
    ("chunks", "client_version", "added"),
    [
        ([c.TextStart(id="0")], "5.0.0", False),
        # The page answers this one, and then shall ask.
        ([call()], "5.0.0", False),
        ([call(), call("d"), output("d")], "5.0.0", False),
        ([call(), output()], "7.0.173", True),
        ([call(), output(preliminary=True)], "5.0.92", True),
        # Web search: only clients before 5.0.86 take it for a tool call of the page.
        ([call(provider_executed=True), output()], "5.0.0", True),
        ([call(provider_executed=True), output()], "5.0.92", False),
        ([call(provider_executed=True)], "5.0.0", False),
        ([call(dynamic=True), call("d", provider_executed=True), output("d")], "5.0.0", True),
        ([call(dynamic=True), call("d", provider_executed=True), output("d")], "5.0.92", False),
    ],
)
def test_a_step_is_added_only_where_a_page_would_go_on(
    chunks: list[Chunk], client_version: str, added: bool
) -> None:
    writer = Writer(client_version=ClientVersion.parse(client_version))
    made = written(writer, *chunks) + writer.finish()
    assert types(made[-5:-1]) == EMPTY_STEP if added else types(made).count("start-step") == 1


def test_what_is_missing_is_added_in_front() -> None:
    writer = Writer(message_id="m")
    made = written(
        writer,
        c.ReasoningStart(id="0"),
        c.ReasoningDelta(id="0", delta="hm"),
        c.TextStart(id="0"),
        c.StartStep(),
        c.Data(name="x", data=1),
        c.Finish(),
    )
    assert types(made) == [
        *("start", "start-step", "reasoning-start", "reasoning-delta", "text-start"),
        *("text-end", "reasoning-end", "finish-step"),
        *("start-step", "data-x", "finish-step", "finish"),
    ]
    assert made[0] == c.Start(message_id="m")


def test_nothing_is_added_to_a_stream_that_has_all() -> None:
    chunks: list[Chunk] = [
        c.Start(message_id="own", message_metadata={"a": 1}),
        *(c.StartStep(), c.TextStart(id="0"), c.TextDelta(id="0", delta="a"), c.TextEnd(id="0")),
        *(c.FinishStep(), c.Finish(finish_reason="stop", message_metadata={"b": 2})),
    ]
    assert written(Writer(message_id="m"), *chunks) == chunks


def test_a_start_without_an_id_gets_the_message_s() -> None:
    message = UIMessage(id="m", role="assistant", parts=[])
    for writer in (Writer(message_id="m"), Writer(message=message, message_id="not this")):
        assert writer.write(c.Start(message_metadata=1)) == [
            c.Start(message_id="m", message_metadata=1)
        ]
    with pytest.raises(IllegalChunk, match="same-message"):
        Writer(message=message).write(c.Start(message_id="other"))


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.type)
def test_half_a_tool_input_ends_as_an_error_that_shows_it(end: Chunk) -> None:
    writer = Writer(client_version=DEFAULT_CLIENT_VERSION)
    made = written(
        writer,
        c.ToolInputStart(tool_call_id="c", tool_name="t", dynamic=True),
        c.ToolInputDelta(tool_call_id="c", input_text_delta='{"city'),
        c.ToolInputDelta(tool_call_id="c", input_text_delta='":"Pa'),
        end,
    )
    assert made[5] == c.ToolInputError(
        tool_call_id="c",
        tool_name="t",
        dynamic=True,
        input='{"city":"Pa',
        error_text=TRUNCATED_INPUT,
    )
    assert made[-1] == end
    assert writer.ended


@pytest.mark.parametrize("finish", ["finish", "error", "abort"])
def test_after_the_end_nothing_can_be_written(finish: str) -> None:
    writer = Writer()
    assert not writer.ended
    writer.error("An error occurred.")
    assert writer.ended
    for chunk in (c.TextStart(id="0"), c.Start(), c.Data(name="x", data=1), *ENDS):
        with pytest.raises(IllegalChunk, match="after the end"):
            writer.write(chunk)
    with pytest.raises(IllegalChunk):
        getattr(writer, finish)(*(["again"] if finish == "error" else []))


def test_the_ends_say_what_they_are_told() -> None:
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
    made = written(Writer(message=message), output("old", dynamic=wrong), call(dynamic=dynamic))
    assert made[1] == output("old", dynamic=dynamic)
    writer = Writer()
    told = written(writer, call(dynamic=dynamic), error)[-1]
    assert isinstance(told, c.ToolOutputError)
    assert told.dynamic is dynamic


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
    thought: list[Chunk] = [c.ReasoningDelta(id="0", delta=delta) for delta in deltas]
    writer = Writer()
    made = written(writer, c.TextStart(id="0"), c.ReasoningStart(id="0"))
    # Side by side, the blocks do not disturb each other.
    for pair in zip(text, thought, strict=True):
        made += written(writer, *pair)
    made += writer.finish()
    assert [chunk.delta for chunk in made if isinstance(chunk, c.TextDelta)] == out
    assert [chunk.delta for chunk in made if isinstance(chunk, c.ReasoningDelta)] == out


def test_halves_in_a_tool_input_are_joined() -> None:
    writer = Writer()
    writer.write(c.ToolInputStart(tool_call_id="c", tool_name="t"))
    pieces = ['"\ud83d', '\ude00"']
    made = written(
        writer, *(c.ToolInputDelta(tool_call_id="c", input_text_delta=piece) for piece in pieces)
    )
    assert [chunk.input_text_delta for chunk in made if isinstance(chunk, c.ToolInputDelta)] == [
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
def test_started_is_whether_a_person_saw_anything(chunk: Chunk, started: bool) -> None:
    writer = Writer()
    assert not writer.started
    writer.write(chunk)
    assert writer.started is started
