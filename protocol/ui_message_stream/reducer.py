"""Reduce chunks to a UI message: the one that `useChat` of AI SDK 7.0.173 has after them.

Older clients differ in a few fields only (see `versions`). A chunk takes the same time however long
the message is: texts and tool inputs stay in pieces, and a partial tool input is parsed only when
`Reducer.message` is read.

Source: `ai/src/ui/process-ui-message-stream.ts` and `util/merge-objects.ts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any

import msgspec

from ui_message_stream import chunks as c
from ui_message_stream import messages as m
from ui_message_stream.chunks import Chunk
from ui_message_stream.messages import UIMessage
from ui_message_stream.reduce_tools import TOOL_HANDLERS, ReduceError, ToolReducer, join_pieces
from ui_message_stream.schema import UNSET, JSONObject

__all__ = ["ReduceError", "Reducer", "reduce"]


def reduce(chunks: Iterable[Chunk], message: UIMessage | None = None) -> UIMessage:
    """Reduce chunks to a message.

    Args:
        chunks: The chunks of one response.
        message: The assistant message that they continue, which does not change.

    Returns:
        The message as the client has it after the chunks.

    Raises:
        ReduceError: A chunk refers to something that does not exist.
    """
    reducer = Reducer(message)
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


class _OpenText:
    """A text or reasoning part between its start and its end."""

    __slots__ = ("part", "pieces")

    def __init__(self, part: m.TextPart | m.ReasoningPart) -> None:
        self.part = part
        self.pieces: list[str] = []

    def flush(self) -> None:
        self.part.text = join_pieces(self.pieces)


class Reducer:
    """Reduces the chunks of a response one by one; `message` can be read at any time.

    Args:
        message: The assistant message that the chunks continue, if any. It does not change.
    """

    def __init__(self, message: UIMessage | None = None) -> None:
        #: the reason in `finish`
        self.finish_reason: c.FinishReason | None = None
        #: the text of `error`, after which a client reads no further
        self.error_text: str | None = None

        if message is None or message.role != "assistant":
            message = UIMessage(id="", role="assistant", parts=[])
        self._fields = copy(message)
        self._parts = [copy(part) for part in message.parts]
        self._texts: dict[str, _OpenText] = {}
        self._reasonings: dict[str, _OpenText] = {}
        self._index()

    @property
    def message(self) -> UIMessage:
        """The current message, as a snapshot that later chunks do not change."""
        self._flush()
        message = copy(self._fields)
        message.parts = [copy(part) for part in self._parts]
        return message

    def feed(self, chunk: Chunk) -> None:
        """Reduce the next chunk.

        Args:
            chunk: The chunk.

        Raises:
            ReduceError: The chunk refers to something that does not exist.
        """
        if self.error_text is not None:
            return
        if handler := _HANDLERS.get(type(chunk)):
            handler(self, chunk)
        elif tool_handler := TOOL_HANDLERS.get(type(chunk)):
            tool_handler(self._tools, chunk)

    def _text_start(self, chunk: c.TextStart) -> None:
        part = m.TextPart(text="", state="streaming", provider_metadata=chunk.provider_metadata)
        self._open(self._texts, chunk.id, part)

    def _reasoning_start(self, chunk: c.ReasoningStart) -> None:
        part = m.ReasoningPart(
            id=chunk.id, text="", state="streaming", provider_metadata=chunk.provider_metadata
        )
        self._open(self._reasonings, chunk.id, part)

    def _open(
        self, texts: dict[str, _OpenText], text_id: str, part: m.TextPart | m.ReasoningPart
    ) -> None:
        if superseded := texts.get(text_id):
            superseded.flush()
        texts[text_id] = _OpenText(part)
        self._parts.append(part)

    def _text_delta(self, chunk: c.TextDelta) -> None:
        text = self._texts.get(chunk.id) or _raise_not_open(chunk)
        text.pieces.append(chunk.delta)
        if chunk.provider_metadata is not None:
            text.part.provider_metadata = chunk.provider_metadata

    def _reasoning_delta(self, chunk: c.ReasoningDelta) -> None:
        text = self._reasonings.get(chunk.id) or _raise_not_open(chunk)
        text.pieces.append(chunk.delta)
        if chunk.provider_metadata is not None:
            text.part.provider_metadata = chunk.provider_metadata

    def _text_end(self, chunk: c.TextEnd) -> None:
        part = _close(self._texts, chunk)
        if chunk.citations is not None and isinstance(part, m.TextPart):
            part.citations = chunk.citations

    def _reasoning_end(self, chunk: c.ReasoningEnd) -> None:
        _close(self._reasonings, chunk)

    def _append_part(self, chunk: Chunk) -> None:
        fields = msgspec.structs.asdict(chunk)
        del fields["extra"]
        self._parts.append(_PART_CLASSES[type(chunk)](**fields))

    def _data(self, chunk: c.Data) -> None:
        if chunk.transient:
            return
        if chunk.id is not None and (existing := self._data_parts.get((chunk.name, chunk.id))):
            existing.data = chunk.data
            return
        part = m.DataPart(name=chunk.name, id=chunk.id, data=chunk.data, extra=chunk.extra)
        if chunk.transient is not None:
            # The client keeps the chunk itself as the part.
            part.extra = {**(part.extra or {}), "transient": chunk.transient}
        self._parts.append(part)
        self._data_parts.setdefault((part.name, part.id), part)

    def _start_step(self, _: c.StartStep) -> None:
        self._parts.append(m.StepStartPart())
        self._step_start = len(self._parts)
        self._tools.begin_step()

    def _reset_step(self, _: c.ResetStep) -> None:
        self._flush()
        self._texts.clear()
        self._reasonings.clear()
        del self._parts[self._step_start :]
        self._index()

    def _start(self, chunk: c.Start) -> None:
        if chunk.message_id is not None:
            self._fields.id = chunk.message_id
        self._merge_metadata(chunk)

    def _finish(self, chunk: c.Finish) -> None:
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
        self._merge_metadata(chunk)

    def _merge_metadata(self, chunk: c.Start | c.Finish | c.MessageMetadata) -> None:
        metadata = chunk.message_metadata
        if metadata is UNSET or metadata is None:
            return
        base = self._fields.metadata
        is_first = base is UNSET or base is None
        self._fields.metadata = metadata if is_first else merge_objects(base, metadata)

    def _error(self, chunk: c.Error) -> None:
        self.error_text = chunk.error_text

    def _index(self) -> None:
        """Index the parts that chunks can refer to."""
        steps = [i for i, part in enumerate(self._parts) if isinstance(part, m.StepStartPart)]
        self._step_start = steps[-1] + 1 if steps else 0
        self._tools = ToolReducer(self._parts, self._step_start)
        self._data_parts: dict[tuple[str, str | None], m.DataPart] = {}
        for part in self._parts:
            if isinstance(part, m.DataPart):
                self._data_parts.setdefault((part.name, part.id), part)

    def _flush(self) -> None:
        """Update all parts with what has arrived."""
        for text in (*self._texts.values(), *self._reasonings.values()):
            text.flush()
        self._tools.flush()


def _raise_not_open(
    chunk: c.TextDelta | c.TextEnd | c.ReasoningDelta | c.ReasoningEnd,
) -> _OpenText:
    raise ReduceError(f"{chunk.type} for {chunk.id!r}, which is not open")


def _close(
    texts: dict[str, _OpenText], chunk: c.TextEnd | c.ReasoningEnd
) -> m.TextPart | m.ReasoningPart:
    text = texts.pop(chunk.id, None) or _raise_not_open(chunk)
    text.flush()
    text.part.state = "done"
    if chunk.provider_metadata is not None:
        text.part.provider_metadata = chunk.provider_metadata
    return text.part


def merge_objects(base: Any, overrides: Any) -> JSONObject:
    """Merge two values as the client does: objects deeply; anything else is replaced, also by null.

    Raises:
        ReduceError: An object is merged into a value without keys.
    """
    merged = dict(_entries(base))
    for key, value in _entries(overrides).items():
        if not isinstance(base, (dict, list)):
            raise ReduceError(f"message metadata {base!r} cannot be merged with an object")
        if key in ("__proto__", "constructor", "prototype"):
            continue
        existing = merged.get(key)
        both = isinstance(existing, dict) and isinstance(value, dict)
        merged[key] = merge_objects(existing, value) if both else value
    return merged


def _entries(value: Any) -> JSONObject:
    """Return the entries that JavaScript's spread sees: a list or a string has indexes as keys."""
    if isinstance(value, dict):
        return value
    if isinstance(value, (list, str)):
        return {str(index): item for index, item in enumerate(value)}
    return {}


#: Chunk class -> the part with the same fields.
_PART_CLASSES: Mapping[type[Chunk], type[m.Part]] = {
    c.Custom: m.CustomPart,
    c.SourceUrl: m.SourceUrlPart,
    c.SourceDocument: m.SourceDocumentPart,
    c.File: m.FilePart,
    c.ReasoningFile: m.ReasoningFilePart,
    c.SteeringMessage: m.SteeringMessagePart,
}

#: `finish-step` and `abort` change nothing.
_HANDLERS: Mapping[type[Chunk], Callable[[Reducer, Any], None]] = {
    c.TextStart: Reducer._text_start,
    c.TextDelta: Reducer._text_delta,
    c.TextEnd: Reducer._text_end,
    c.ReasoningStart: Reducer._reasoning_start,
    c.ReasoningDelta: Reducer._reasoning_delta,
    c.ReasoningEnd: Reducer._reasoning_end,
    **dict.fromkeys(_PART_CLASSES, Reducer._append_part),
    c.Data: Reducer._data,
    c.StartStep: Reducer._start_step,
    c.ResetStep: Reducer._reset_step,
    c.Start: Reducer._start,
    c.Finish: Reducer._finish,
    c.MessageMetadata: Reducer._merge_metadata,
    c.Error: Reducer._error,
}
