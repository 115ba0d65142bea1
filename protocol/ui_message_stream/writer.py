"""`Writer`: turns any chunks into a stream that follows the grammar."""

from __future__ import annotations

from typing import Any

import msgspec

from ui_message_stream import grammar
from ui_message_stream.chunks import (
    Abort,
    Chunk,
    Error,
    Finish,
    FinishReason,
    FinishStep,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ResetStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    encode_chunk,
)
from ui_message_stream.grammar import Rule
from ui_message_stream.json_codec import has_surrogate, replace_surrogates
from ui_message_stream.messages import UIMessage
from ui_message_stream.schema import UNSET
from ui_message_stream.state import IllegalChunk, StreamState, is_visible
from ui_message_stream.versions import (
    OLDEST_CLIENT_VERSION,
    ChunkVariant,
    ClientVersion,
    VersionedChunk,
    accepts,
)

__all__ = ["TRUNCATED_INPUT", "Writer"]

#: Error text of a tool call whose input was truncated.
TRUNCATED_INPUT = "The input of this tool call is incomplete."

_Delta = TextDelta | ReasoningDelta | ToolInputDelta


class Writer:
    """Turns the chunks of an app or a model backend into a legal stream.

    Missing chunks are added: `start`, `start-step`, and the ends of open parts and steps. After a
    step with only completed tool calls, an empty step is added, so that no client repeats the
    request automatically.

    Args:
        message_id: The id of a new message; None lets the client choose it.
        message: The assistant message to continue, whose id takes precedence.
        client_version: The oldest client that reads the stream. Older clients repeat requests in
            more cases.
    """

    def __init__(
        self,
        *,
        message_id: str | None = None,
        message: UIMessage | None = None,
        client_version: ClientVersion = OLDEST_CLIENT_VERSION,
    ) -> None:
        #: whether anything visible to the user was written
        self.started: bool = False
        #: whether the last chunk was written
        self.ended: bool = False
        #: bytes of JSON of the chunks so far, without the deltas
        self.size: int = 0
        self._message_id = message.id if message is not None else message_id
        self._state = StreamState(message, client_version=client_version)
        # The same objects as the state's, one attribute away on the hot path.
        self._open_text = self._state.open_text
        self._open_reasoning = self._state.open_reasoning
        self._open_inputs = self._state.open_inputs
        #: tool call id -> pieces of its input so far
        self._input_pieces: dict[str, list[str]] = {}
        #: block or call -> the first half of a surrogate pair that ended its last delta
        self._high_surrogates: dict[tuple[type[Chunk], str], str] = {}

    @property
    def in_step(self) -> bool:
        """Whether a step is open."""
        return self._state.state == grammar.STEP

    def write(self, chunk: Chunk) -> list[Chunk]:
        """Write a chunk.

        Missing chunks are added before it. An output gets the `dynamic` flag of its call. The two
        halves of a surrogate pair are joined; a lone one becomes U+FFFD. If the chunk is refused,
        the state does not change.

        Args:
            chunk: The chunk.

        Returns:
            The chunks to send now; an empty list after a delta with only half a surrogate pair.

        Raises:
            IllegalChunk: The chunk must not come here, and no added chunk would help.
            TypeError: A value in the chunk has no JSON form.
        """
        if isinstance(chunk, TextDelta):
            if chunk.id in self._open_text and chunk.provider_metadata is None:
                if chunk.delta.isascii() and not self._high_surrogates:
                    return [chunk]
                return self._write_delta(chunk, chunk.id, chunk.delta)
        elif isinstance(chunk, ToolInputDelta):
            if chunk.tool_call_id in self._open_inputs:
                self._input_pieces[chunk.tool_call_id].append(chunk.input_text_delta)
                return self._write_delta(chunk, chunk.tool_call_id, chunk.input_text_delta)
        elif isinstance(chunk, ReasoningDelta):
            if chunk.id in self._open_reasoning and chunk.provider_metadata is None:
                return self._write_delta(chunk, chunk.id, chunk.delta)
        elif isinstance(chunk, Start) and chunk.message_id is None:
            chunk = msgspec.structs.replace(chunk, message_id=self._message_id)
        elif isinstance(chunk, (ToolOutputAvailable, ToolOutputError)) and (
            call := self._state.calls.get(chunk.tool_call_id)
        ):
            chunk = msgspec.structs.replace(chunk, dynamic=call.dynamic or None)
        size = len(encode_chunk(chunk))  # raises TypeError before anything changes
        out: list[Chunk] = []
        while rule := next(self._state.broken_by(chunk), None):
            missing = self._missing_chunks(rule)
            if not missing:
                raise IllegalChunk(self._state.state, chunk, rule)
            for missing_chunk in missing:
                out += self._emit(missing_chunk)
        if self._state.state == grammar.BEFORE and not isinstance(chunk, Start):
            # Transient data may come first, but a client that resumes looks for `start`.
            out += self._emit(Start(message_id=self._message_id))
        self.size += size
        if isinstance(chunk, ToolInputError) and self._needs_start(chunk):
            out += self._emit(_input_start(chunk))
        return out + self._emit(chunk)

    def write_variant(self, variant: ChunkVariant) -> list[ChunkVariant]:
        """Write a chunk that may be for some client versions only.

        Only a chunk for the client version of this stream changes the state. Any other is returned
        unchanged.

        Args:
            variant: The chunk, or one for some client versions only.

        Returns:
            The chunks to send now.

        Raises:
            IllegalChunk: See `write`.
            TypeError: See `write`.
        """
        if not isinstance(variant, VersionedChunk):
            return [*self.write(variant)]
        if not variant.includes(self._state.client_version):
            self.size += len(encode_chunk(variant.chunk))
            return [variant]
        *missing, chunk = self.write(variant.chunk)
        return [*missing, msgspec.structs.replace(variant, chunk=chunk)]

    def finish(self, reason: FinishReason | None = None, metadata: Any = UNSET) -> list[Chunk]:
        """End the stream.

        Args:
            reason: Why the model stopped.
            metadata: Metadata to merge into that of the message.

        Returns:
            The chunks to send.
        """
        return self.write(Finish(finish_reason=reason, message_metadata=metadata))

    def error(self, text: str) -> list[Chunk]:
        """End the stream with an error.

        Args:
            text: The error text, which the client shows unchanged.

        Args:
            variant: The chunk, or one for some client versions only.

        Returns:
            The chunks to send.
        """
        return self.write(Error(error_text=text))

    def abort(self, reason: str | None = None) -> list[Chunk]:
        """End a stream that was stopped.

        Args:
            reason: Why it was stopped, for the client (AI SDK 6.0.15 and later).

        Returns:
            The chunks to send.
        """
        return self.write(Abort(reason=reason))

    def _missing_chunks(self, rule: Rule) -> list[Chunk]:
        """Return the chunks to add so that the rule is not broken; none if nothing helps.

        Only the first rule that a chunk breaks can be one where nothing helps, so no chunks are
        added for a chunk that is then refused.
        """
        if rule is grammar.START_FIRST:
            return [Start(message_id=self._message_id)]
        if rule is grammar.IN_STEP:
            return [StartStep()]
        if rule is grammar.PART_OPEN:
            return self._closing_chunks()
        if rule is grammar.STEP_OPEN:
            return [*self._closing_chunks(), FinishStep()]
        if rule is grammar.REQUEST_LOOP:
            # A visible step: the client then checks the tool calls of this step, and it has none.
            block = "end"
            step: list[Chunk] = [
                StartStep(),
                TextStart(id=block),
                TextEnd(id=block),
                FinishStep(),
            ]
            return [FinishStep(), *step] if self._state.state == grammar.STEP else step
        return []

    def _needs_start(self, chunk: ToolInputError) -> bool:
        """Whether the oldest client throws on the error of a call that has no `tool-input-start`.

        Before 5.0.7 it gets a `tool-output-error` instead, which must be about a known call.
        """
        known = chunk.tool_call_id in self._state.calls
        return not known and not accepts(self._state.client_version, chunk.type)

    def _closing_chunks(self) -> list[Chunk]:
        """Return the chunks that end the open parts."""
        truncated_inputs = [
            ToolInputError(
                tool_call_id=call.id,
                tool_name=call.name,
                input="".join(self._input_pieces[call.id]),
                provider_executed=call.provider_executed or None,
                dynamic=call.dynamic or None,
                error_text=TRUNCATED_INPUT,
            )
            for call in self._open_inputs.values()
        ]
        return [
            *(TextEnd(id=block) for block in self._open_text),
            *(ReasoningEnd(id=block) for block in self._open_reasoning),
            *truncated_inputs,
        ]

    def _emit(self, chunk: Chunk) -> list[Chunk]:
        """Advance the state by a legal chunk and return the chunks to send."""
        if isinstance(chunk, (TextDelta, ReasoningDelta)):
            return self._write_delta(chunk, chunk.id, chunk.delta)
        self._state.advance(chunk)
        self.ended = self._state.state == grammar.ENDED
        self.started = self.started or (
            is_visible(chunk) and not isinstance(chunk, (MessageMetadata, Finish))
        )
        if isinstance(chunk, ToolInputStart):
            self._input_pieces[chunk.tool_call_id] = []
        elif isinstance(chunk, ResetStep):
            self._input_pieces.clear()
            self._high_surrogates.clear()
        elif isinstance(chunk, (ToolInputAvailable, ToolInputError, ToolOutputError)):
            # Deltas only show an input while it streams: this chunk has the whole input.
            self._input_pieces.pop(chunk.tool_call_id, None)
            self._high_surrogates.pop((ToolInputDelta, chunk.tool_call_id), None)
        elif isinstance(chunk, TextEnd) and self._high_surrogates.pop((TextDelta, chunk.id), ""):
            return [TextDelta(id=chunk.id, delta="\ufffd"), chunk]
        elif isinstance(chunk, ReasoningEnd) and self._high_surrogates.pop(
            (ReasoningDelta, chunk.id), ""
        ):
            return [ReasoningDelta(id=chunk.id, delta="\ufffd"), chunk]
        return [chunk]

    def _write_delta(self, chunk: _Delta, part: str, text: str) -> list[Chunk]:
        """Write a delta of an open part, without halves of surrogate pairs."""
        if not self._high_surrogates and (text.isascii() or not has_surrogate(text)):
            return [chunk]
        key = (type(chunk), part)
        text = self._high_surrogates.pop(key, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._high_surrogates[key] = text[-1]
            text = text[:-1]
        text = replace_surrogates(text)
        if isinstance(chunk, ToolInputDelta):
            return [msgspec.structs.replace(chunk, input_text_delta=text)] if text else []
        if not text and chunk.provider_metadata is None:
            return []
        return [msgspec.structs.replace(chunk, delta=text)]


def _input_start(chunk: ToolInputError) -> ToolInputStart:
    return ToolInputStart(
        tool_call_id=chunk.tool_call_id,
        tool_name=chunk.tool_name,
        provider_executed=chunk.provider_executed,
        tool_metadata=chunk.tool_metadata,
        dynamic=chunk.dynamic,
        title=chunk.title,
    )
