"""Which call each delta of a tool call belongs to.

Servers leave out the index, the id or the name, repeat them in every delta, change them, or use
them twice. The rules are those of the AI SDK's own server:

- A delta belongs to the call with its id and index, else with its index, else to the only call.
- Another name, or a new id together with the start of an input, begins another call.
- What could belong to several calls is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.schema import ProviderMetadata
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.call_chunks import AppCallChunks
from usechat_server.providers.openai_chat.part_metadata import signature_metadata
from usechat_server.providers.openai_chat.response import events
from usechat_server.tools import DeclaredTool

__all__ = ["Call", "ToolCalls"]


class _CallChunks(AppCallChunks):
    signature: str | None = None

    @property
    def metadata(self) -> ProviderMetadata | None:
        return signature_metadata(self.signature) if self.signature else None


class Call:
    """One call. It begins for the client when its name is known."""

    def __init__(self, wire_id: str | None, index: int | None) -> None:
        self.ids: set[str] = {wire_id} if wire_id else set()
        self.index: int | None = index
        self.name: str | None = None
        self.signature: str | None = None
        #: the chunks, once the name is known
        self.chunks: _CallChunks | None = None
        #: pieces of the input before that
        self.early_pieces: list[str] = []
        self._input = _InputState()

    def fits(self, name: str | None) -> bool:
        return name is None or self.name is None or self.name == name

    @property
    def is_complete(self) -> bool:
        """Whether the input so far is a whole object or list. (It may still go on.)"""
        return self._input.is_complete(
            self.chunks.input_pieces if self.chunks else self.early_pieces
        )


class ToolCalls:
    """The calls of one response.

    Args:
        tools: The declared tools by name.
        assign_id: Returns a unique id for a server's id.
    """

    def __init__(self, tools: Mapping[str, DeclaredTool], assign_id: Callable[[str], str]) -> None:
        self._tools = tools
        self._assign_id = assign_id
        self._calls: list[Call] = []

    def __len__(self) -> int:
        return sum(call.chunks is not None for call in self._calls)

    def feed(self, delta: events.ToolCall, out: list[ChunkVariant]) -> tuple[Call, str] | None:
        """Begin the call of a delta if its name is known now.

        Returns:
            The call, and the piece of its input; None if there is nothing to append.
        """
        function = delta.function or events.Function()
        name, wire_id = _text(function.name), _text(delta.id)
        index = delta.index if type(delta.index) is int else None
        piece = _piece(function.arguments)
        starts = name is not None and piece.lstrip().startswith(("{", "["))
        matches = self._match(wire_id, index, name, starts=starts, is_empty=not piece.strip())
        if matches is None or (not matches and function.name == ""):
            return None
        call = matches[0] if matches else self._add(wire_id, index)
        if wire_id:
            call.ids.add(wire_id)
        call.index = index if call.index is None else call.index
        call.signature = call.signature or _signature(delta.extra_content)
        if call.chunks is None:
            call.early_pieces.append(piece)
            if name is None:
                return None
            piece = "".join(call.early_pieces)
            self._begin(call, name, wire_id, out)
        return (call, piece) if piece else None

    def finish(self, out: list[ChunkVariant]) -> bool:
        """Append the complete calls to `out`. Return whether one has never had a name."""
        calls: Iterable[Call] = self._calls
        if all(call.index is not None for call in calls):
            calls = sorted(calls, key=lambda call: call.index or 0)
        is_nameless = False
        for call in calls:
            if call.chunks is None:
                is_nameless = True
                continue
            call.chunks.signature = call.signature
            value, error = call.chunks.parse_input({})
            if error is None:
                out.append(call.chunks.input_chunk(value))
            else:
                out.append(call.chunks.error_chunk(value, error))
        return is_nameless

    def _add(self, wire_id: str | None, index: int | None) -> Call:
        call = Call(wire_id, index)
        self._calls.append(call)
        return call

    def _begin(self, call: Call, name: str, wire_id: str | None, out: list[ChunkVariant]) -> None:
        first_id = wire_id or next(iter(call.ids), "call")
        call.name = name
        call.chunks = _CallChunks(self._assign_id(first_id), name, self._tools)
        out.append(call.chunks.start_chunk())

    def _match(
        self,
        wire_id: str | None,
        index: int | None,
        name: str | None,
        *,
        starts: bool,
        is_empty: bool,
    ) -> Sequence[Call] | None:
        """Return the call of a delta, as the only item; nothing if it begins a call; None if that
        cannot be told."""
        calls = self._calls
        at_index = [] if index is None else [call for call in calls if call.index == index]
        with_id = [call for call in calls if wire_id in call.ids] if wire_id else []
        fitting_at_index = [call for call in at_index if call.fits(name)]
        if with_id:
            matches = [call for call in with_id if call.fits(name)]
            if index is not None:
                matches = [call for call in matches if call.index in (index, None)]
            if matches:
                return _only(matches, starts=starts)
            if name is not None:
                return ()
            return None if at_index else _only(with_id, starts=False)
        if wire_id:
            if starts or not fitting_at_index:
                return ()
            return _only(fitting_at_index, starts=name is not None and is_empty)
        if at_index:
            return _only(fitting_at_index, starts=starts)
        if name is not None or index is not None:
            # (A nameless call with an index of its own gets its name later.)
            named = [call for call in calls if call.name is None and call.index is None]
            return named[:1] if name is not None and len(named) == 1 else ()
        return _only(calls, starts=False)


def _only(calls: Sequence[Call], *, starts: bool) -> Sequence[Call] | None:
    """Return the one call that a delta may continue; nothing if it begins a call; None if there are
    several.

    Args:
        calls: The calls whose labels match.
        starts: Whether the delta has what a call begins with.
    """
    if len(calls) < 2 and not starts:
        return calls
    incomplete = [call for call in calls if not call.is_complete]
    if len(incomplete) == 1:
        return incomplete
    return None if incomplete or (calls and not starts) else ()


class _InputState:
    """Follows the brackets of a call's input. Each piece is read once."""

    def __init__(self) -> None:
        self._read = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._began = False

    def is_complete(self, pieces: Sequence[str]) -> bool:
        for piece in pieces[self._read :]:
            for character in piece:
                self._feed(character)
        self._read = len(pieces)
        return self._began and self._depth == 0

    def _feed(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif self._in_string:
            self._escaped = character == "\\"
            self._in_string = character != '"'
        elif character == '"':
            self._in_string = True
        elif character in "{[":
            self._began = True
            self._depth += 1
        elif character in "}]":
            self._depth -= 1


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _piece(arguments: Any) -> str:
    """Return the piece of an input. Some servers send the whole input as an object."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json_codec.encode(arguments).decode()


def _signature(extra_content: Any) -> str | None:
    google = extra_content.get("google") if isinstance(extra_content, dict) else None
    return _text(google.get("thought_signature")) if isinstance(google, dict) else None
