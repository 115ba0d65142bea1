"""A writer that cannot be misused: whatever chunks come, what goes out is within the grammar."""

from __future__ import annotations

from typing import Any

import msgspec

from ui_message_stream import grammar as rules
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
from ui_message_stream.state import IllegalChunk, StreamState, shows
from ui_message_stream.versions import (
    OLDEST_CLIENT_VERSION,
    ChunkVariant,
    ClientVersion,
    VersionedChunk,
    accepts,
)

__all__ = ["TRUNCATED_INPUT", "Writer"]

#: What a tool call says whose input was cut.
TRUNCATED_INPUT = "The input of this tool call is incomplete."

_Delta = TextDelta | ReasoningDelta | ToolInputDelta


class Writer:
    """Turns the chunks that an app or a model backend makes into a legal stream.

    `message` is the assistant message that is continued, which also gives the id; else `message_id`
    is the new message's. `client_version` is the oldest client release that reads the stream: with
    an older
    one a page may continue automatically (and forever) in more cases, which the end prevents.
    """

    def __init__(
        self,
        *,
        message_id: str | None = None,
        message: UIMessage | None = None,
        client_version: ClientVersion = OLDEST_CLIENT_VERSION,
    ) -> None:
        #: whether anything that a person sees was written
        self.started = False
        self._message_id = message.id if message is not None else message_id
        self._grammar = StreamState(message, client_version=client_version)
        # The same objects as the grammar's, at hand for the hot path.
        self._text = self._grammar.open_text
        self._reasoning = self._grammar.open_reasoning
        self._tools = self._grammar.open_inputs
        #: tool call id -> its input so far, in pieces
        self._pieces: dict[str, list[str]] = {}
        #: block or call -> the first half of a surrogate pair that its last delta ended with
        self._halves: dict[tuple[type[Chunk], str], str] = {}

    @property
    def ended(self) -> bool:
        """Whether the stream has its last chunk."""
        return self._grammar.state == rules.ENDED

    @property
    def in_step(self) -> bool:
        """Whether a step is open."""
        return self._grammar.state == rules.STEP

    def write(self, chunk: Chunk) -> list[Chunk]:
        """What to send for the chunk now: with a `start`, a `start-step` or ends before it that are
        missing. An output gets the `dynamic` flag of its call. The two halves of a surrogate pair
        are joined, a lone one becomes U+FFFD.

        Raises IllegalChunk, or TypeError if a value in the chunk has no JSON form, and then nothing
        has changed.
        """
        if isinstance(chunk, TextDelta):
            if chunk.id in self._text and chunk.provider_metadata is None:
                return self._delta(chunk, chunk.id, chunk.delta)
        elif isinstance(chunk, ToolInputDelta):
            if chunk.tool_call_id in self._tools:
                self._pieces[chunk.tool_call_id].append(chunk.input_text_delta)
                return self._delta(chunk, chunk.tool_call_id, chunk.input_text_delta)
        elif isinstance(chunk, ReasoningDelta):
            if chunk.id in self._reasoning and chunk.provider_metadata is None:
                return self._delta(chunk, chunk.id, chunk.delta)
        elif isinstance(chunk, Start) and chunk.message_id is None:
            chunk = msgspec.structs.replace(chunk, message_id=self._message_id)
        elif isinstance(chunk, (ToolOutputAvailable, ToolOutputError)) and (
            call := self._grammar.calls.get(chunk.tool_call_id)
        ):
            chunk = msgspec.structs.replace(chunk, dynamic=call.dynamic or None)
        encode_chunk(chunk)  # while it can still be refused
        out: list[Chunk] = []
        while rule := next(self._grammar.broken_by(chunk), None):
            missing = self._missing(rule)
            if not missing:
                raise IllegalChunk(self._grammar.state, chunk, rule)
            for added in missing:
                out += self._put(added)
        if isinstance(chunk, ToolInputError) and self._needs_start(chunk):
            out += self._put(_input_start(chunk))
        return out + self._put(chunk)

    def write_variant(self, variant: ChunkVariant) -> list[ChunkVariant]:
        """The same for a chunk that may be not for every client version. Only one for this stream's
        client version
        changes the state; any other stands beside it. Raises IllegalChunk, TypeError."""
        if not isinstance(variant, VersionedChunk):
            return [*self.write(variant)]
        if not variant.includes(self._grammar.client_version):
            encode_chunk(variant.chunk)
            return [variant]
        *missing, chunk = self.write(variant.chunk)
        return [*missing, msgspec.structs.replace(variant, chunk=chunk)]

    def finish(self, reason: FinishReason | None = None, metadata: Any = UNSET) -> list[Chunk]:
        """What ends the stream as complete, or as `reason` says."""
        return self.write(Finish(finish_reason=reason, message_metadata=metadata))

    def error(self, text: str) -> list[Chunk]:
        """What ends the stream with an error, which the client shows as it is."""
        return self.write(Error(error_text=text))

    def abort(self, reason: str | None = None) -> list[Chunk]:
        """What ends the stream that somebody stopped."""
        return self.write(Abort(reason=reason))

    def _missing(self, rule: Rule) -> list[Chunk]:
        """The chunks without which a chunk breaks the rule; none if it is plainly wrong.

        Only the first rule that a chunk breaks can be of the second kind, so nothing is ever sent
        for a chunk that is then refused.
        """
        if rule is rules.START_FIRST:
            return [Start(message_id=self._message_id)]
        if rule is rules.IN_STEP:
            return [StartStep()]
        if rule is rules.PART_OPEN:
            return self._ends()
        if rule is rules.STEP_OPEN:
            return [*self._ends(), FinishStep()]
        if rule is rules.REQUEST_LOOP:
            # A step that shows: the page then looks at its tool calls, and it has none.
            block = "end"
            step: list[Chunk] = [
                StartStep(),
                TextStart(id=block),
                TextEnd(id=block),
                FinishStep(),
            ]
            return [FinishStep(), *step] if self._grammar.state == rules.STEP else step
        return []

    def _needs_start(self, chunk: ToolInputError) -> bool:
        """Whether the oldest client throws on the error of a call that has no `tool-input-start`.

        Before 5.0.7 it gets a `tool-output-error` instead, which must be about a known call.
        """
        known = chunk.tool_call_id in self._grammar.calls
        return not known and not accepts(self._grammar.client_version, chunk.type)

    def _ends(self) -> list[Chunk]:
        """The ends of the open parts."""
        halves = [
            ToolInputError(
                tool_call_id=call.id,
                tool_name=call.name,
                input="".join(self._pieces[call.id]),
                provider_executed=call.provider_executed or None,
                dynamic=call.dynamic or None,
                error_text=TRUNCATED_INPUT,
            )
            for call in self._tools.values()
        ]
        return [
            *(TextEnd(id=block) for block in self._text),
            *(ReasoningEnd(id=block) for block in self._reasoning),
            *halves,
        ]

    def _put(self, chunk: Chunk) -> list[Chunk]:
        """Takes a legal chunk."""
        if isinstance(chunk, (TextDelta, ReasoningDelta)):
            return self._delta(chunk, chunk.id, chunk.delta)
        self._grammar.advance(chunk)
        self.started = self.started or (
            shows(chunk) and not isinstance(chunk, (MessageMetadata, Finish))
        )
        if isinstance(chunk, ToolInputStart):
            self._pieces[chunk.tool_call_id] = []
        elif isinstance(chunk, ResetStep):
            self._pieces.clear()
            self._halves.clear()
        elif isinstance(chunk, (ToolInputAvailable, ToolInputError, ToolOutputError)):
            # The deltas of a tool input only show it while it streams: here it is whole.
            self._pieces.pop(chunk.tool_call_id, None)
            self._halves.pop((ToolInputDelta, chunk.tool_call_id), None)
        elif isinstance(chunk, TextEnd) and self._halves.pop((TextDelta, chunk.id), ""):
            return [TextDelta(id=chunk.id, delta="\ufffd"), chunk]
        elif isinstance(chunk, ReasoningEnd) and self._halves.pop((ReasoningDelta, chunk.id), ""):
            return [ReasoningDelta(id=chunk.id, delta="\ufffd"), chunk]
        return [chunk]

    def _delta(self, chunk: _Delta, part: str, text: str) -> list[Chunk]:
        """A delta of an open part, without halves of surrogate pairs."""
        if not self._halves and (text.isascii() or not has_surrogate(text)):
            return [chunk]
        key = (type(chunk), part)
        text = self._halves.pop(key, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._halves[key] = text[-1]
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
