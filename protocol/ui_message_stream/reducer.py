"""Chunks to a UI message: what `useChat` of AI SDK 7.0.173 shows after the same chunks.

Source: `ai/src/ui/process-ui-message-stream.ts` and `util/merge-objects.ts`. Older clients differ
in a few fields only (`versions`). Feeding costs the same however long the message already is: texts
and tool inputs stay in pieces, and half a tool input is parsed when somebody looks.
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
from ui_message_stream.reduce_tools import TOOL_HANDLERS, ReduceError, ToolReducer, joined
from ui_message_stream.schema import UNSET, JSONObject

__all__ = ["ReduceError", "Reducer", "merge_objects", "reduce"]


def reduce(chunks: Iterable[Chunk], message: UIMessage | None = None) -> UIMessage:
    """The message that the chunks add up to, on top of the assistant message they continue.

    Raises ReduceError.
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

    def settle(self) -> None:
        self.part.text = joined(self.pieces)


class Reducer:
    """Feed it chunks, look at `message` at any time: each look is a snapshot of its own."""

    def __init__(self, message: UIMessage | None = None) -> None:
        """`message` is the assistant message that is continued, if any."""
        #: what `finish` said
        self.finish_reason: c.FinishReason | None = None
        #: what `error` said; the client reads no further
        self.error_text: str | None = None

        if message is None or message.role != "assistant":
            message = UIMessage(id="", role="assistant", parts=[])
        self._head = copy(message)
        self._parts = [copy(part) for part in message.parts]
        self._texts: dict[str, _OpenText] = {}
        self._reasonings: dict[str, _OpenText] = {}
        self._index()

    @property
    def message(self) -> UIMessage:
        """The message so far."""
        self._settle()
        made = copy(self._head)
        made.parts = [copy(part) for part in self._parts]
        return made

    def feed(self, chunk: Chunk) -> None:
        """Takes the next chunk. Raises ReduceError if it is about something that is not there."""
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
            superseded.settle()
        texts[text_id] = _OpenText(part)
        self._parts.append(part)

    def _text_delta(self, chunk: c.TextDelta) -> None:
        text = self._texts.get(chunk.id) or _not_open(chunk)
        text.pieces.append(chunk.delta)
        if chunk.provider_metadata is not None:
            text.part.provider_metadata = chunk.provider_metadata

    def _reasoning_delta(self, chunk: c.ReasoningDelta) -> None:
        text = self._reasonings.get(chunk.id) or _not_open(chunk)
        text.pieces.append(chunk.delta)
        if chunk.provider_metadata is not None:
            text.part.provider_metadata = chunk.provider_metadata

    def _text_end(self, chunk: c.TextEnd) -> None:
        part = _close(self._texts, chunk)
        if chunk.citations is not None and isinstance(part, m.TextPart):
            part.citations = chunk.citations

    def _reasoning_end(self, chunk: c.ReasoningEnd) -> None:
        _close(self._reasonings, chunk)

    def _whole_part(self, chunk: Chunk) -> None:
        fields = msgspec.structs.asdict(chunk)
        del fields["extra"]
        self._parts.append(_WHOLE_PARTS[type(chunk)](**fields))

    def _data(self, chunk: c.Data) -> None:
        if chunk.transient:
            return
        if chunk.id is not None and (there := self._data_parts.get((chunk.name, chunk.id))):
            there.data = chunk.data
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
        self._settle()
        self._texts.clear()
        self._reasonings.clear()
        del self._parts[self._step_start :]
        self._index()

    def _start(self, chunk: c.Start) -> None:
        if chunk.message_id is not None:
            self._head.id = chunk.message_id
        self._merge_metadata(chunk)

    def _finish(self, chunk: c.Finish) -> None:
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
        self._merge_metadata(chunk)

    def _merge_metadata(self, chunk: c.Start | c.Finish | c.MessageMetadata) -> None:
        metadata = chunk.message_metadata
        if metadata is UNSET or metadata is None:
            return
        base = self._head.metadata
        fresh = base is UNSET or base is None
        self._head.metadata = metadata if fresh else merge_objects(base, metadata)

    def _error(self, chunk: c.Error) -> None:
        self.error_text = chunk.error_text

    def _index(self) -> None:
        """Looks through all parts for what chunks can refer to."""
        steps = [i for i, part in enumerate(self._parts) if isinstance(part, m.StepStartPart)]
        self._step_start = steps[-1] + 1 if steps else 0
        self._tools = ToolReducer(self._parts, self._step_start)
        self._data_parts: dict[tuple[str, str | None], m.DataPart] = {}
        for part in self._parts:
            if isinstance(part, m.DataPart):
                self._data_parts.setdefault((part.name, part.id), part)

    def _settle(self) -> None:
        """Makes all parts show what arrived."""
        for text in (*self._texts.values(), *self._reasonings.values()):
            text.settle()
        self._tools.settle()


def _not_open(chunk: c.TextDelta | c.TextEnd | c.ReasoningDelta | c.ReasoningEnd) -> _OpenText:
    raise ReduceError(f"{chunk.type} for {chunk.id!r}, which is not open")


def _close(
    texts: dict[str, _OpenText], chunk: c.TextEnd | c.ReasoningEnd
) -> m.TextPart | m.ReasoningPart:
    text = texts.pop(chunk.id, None) or _not_open(chunk)
    text.settle()
    text.part.state = "done"
    if chunk.provider_metadata is not None:
        text.part.provider_metadata = chunk.provider_metadata
    return text.part


def merge_objects(base: Any, overrides: Any) -> JSONObject:
    """The client's deep merge: objects are merged, everything else is replaced, also by null.

    Raises ReduceError for keys that meet something without keys, as the client does.
    """
    merged = dict(_entries(base))
    for key, value in _entries(overrides).items():
        if not isinstance(base, (dict, list)):
            raise ReduceError(f"message metadata {base!r} cannot be merged with an object")
        if key in ("__proto__", "constructor", "prototype"):
            continue
        there = merged.get(key)
        both = isinstance(there, dict) and isinstance(value, dict)
        merged[key] = merge_objects(there, value) if both else value
    return merged


def _entries(value: Any) -> JSONObject:
    """What JavaScript's spread sees: a list or a string has its indexes as keys."""
    if isinstance(value, dict):
        return value
    if isinstance(value, (list, str)):
        return {str(index): item for index, item in enumerate(value)}
    return {}


#: Chunks that are a part at once, field by field.
_WHOLE_PARTS: Mapping[type[Chunk], type[m.Part]] = {
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
    **dict.fromkeys(_WHOLE_PARTS, Reducer._whole_part),
    c.Data: Reducer._data,
    c.StartStep: Reducer._start_step,
    c.ResetStep: Reducer._reset_step,
    c.Start: Reducer._start,
    c.Finish: Reducer._finish,
    c.MessageMetadata: Reducer._merge_metadata,
    c.Error: Reducer._error,
}
