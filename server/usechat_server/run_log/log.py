"""A run's chunks in this process's memory: one task appends, any number of readers follow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Protocol

from ui_message_stream.chunks import (
    Error,
    FinishStep,
    MessageMetadata,
    ResetStep,
    Start,
    StartStep,
)
from ui_message_stream.messages import UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.replay import replay_chunks
from ui_message_stream.schema import UNSET
from ui_message_stream.sse import DONE, frames
from ui_message_stream.versions import (
    NEWEST_CLIENT_VERSION,
    ChunkVariant,
    ClientVersion,
    VersionedChunk,
    accepts,
    downgrade,
)

from usechat_server.run_log.text_buffer import TextBuffer, plain_delta

__all__ = ["Follower", "Log", "Reader"]

#: About how much one read brings to a reader that is behind: characters of text, bytes of frames.
READ_SIZE = 64 * 1024
#: What a chunk that is no plain delta counts for in it.
_CHUNK_SIZE = 64

#: What a reader gets that was shown what then was taken back: its client has no way to forget it.
BROKEN_OFF = "The answer began again. Reload the page to see it."

#: How far a reader is: an item, and how many characters of it were read if it is a text.
Position = tuple[int, int]


class Follower(Protocol):
    """Whoever follows a log while it grows."""

    def loses_by_reset(self) -> bool:
        """Whether the step that is being written can no longer be taken back for it."""
        ...


class Log:
    """The chunks of one run, in order, append-only.

    Consecutive deltas of a block are one item, so what stays of a block is start, one delta, end,
    and a reader that is behind gets its deltas merged. The newest entry (what one provider read
    brought) is kept as it came as well: the readers that are caught up share its frames, which are
    made once for each client version.

    `reset-step` supersedes what came since the last `start-step`. It says so for the readers that
    were sent some of it; all others, and the message, leave that out.

    `continued` is the message that the run goes on with. A reader from the start gets it first, as
    the chunks that rebuild it; nothing is made of it until one asks.
    """

    def __init__(self, continued: UIMessage | None = None) -> None:
        self.ended = False
        self._continued = continued
        self._items: list[ChunkVariant | TextBuffer] = []
        self._growing: TextBuffer | None = None
        self._end: Position = (0, 0)
        self._newest: Sequence[ChunkVariant] = ()
        self._newest_at: Position | None = None
        self._newest_frames: dict[ClientVersion, bytes] = {}
        self._waiting: list[asyncio.Future[None]] = []
        #: set when a step ended; whoever waits for it clears it
        self.step_ended = asyncio.Event()
        self._last: Sequence[ChunkVariant] = ()
        #: who follows it now
        self.followers: set[Follower] = set()
        #: the item from which on the next `reset-step` supersedes
        self._fresh = 0
        #: from which item on which `reset-step` superseded, oldest first
        self._resets: list[tuple[int, int]] = []

    def append(self, chunks: Sequence[ChunkVariant]) -> None:
        """Adds one entry and wakes the readers that are caught up, each once."""
        before = self._end
        for chunk in chunks:
            if isinstance(chunk, VersionedChunk) or (delta := plain_delta(chunk)) is None:
                self._fold()
                self._items.append(chunk)
                if isinstance(chunk, FinishStep):
                    self.step_ended.set()
                if isinstance(chunk, ResetStep):
                    self._resets.append((self._fresh, len(self._items) - 1))
                if isinstance(chunk, StartStep | ResetStep):
                    self._fresh = len(self._items)
                continue
            block, text = delta
            if not text:
                continue
            if self._growing is None or not self._growing.add(type(chunk), block, text):
                self._fold()
                self._growing = TextBuffer(type(chunk), block, text)
                self._items.append(self._growing)
        if self._growing is None:
            self._end = (len(self._items), 0)
        else:
            self._end = (len(self._items) - 1, self._growing.length)
        if self._end != before:
            # What a reset is for a reader depends on how far it is.
            reset = self._resets and self._resets[-1][1] >= before[0]
            self._newest, self._newest_at = chunks, None if reset else before
            self._newest_frames = {}
            self._wake()

    def close(self, chunks: Sequence[ChunkVariant]) -> None:
        """The last chunks, up to `finish`, `abort` or `error`. They are part of the message, but no
        reader sees them before `end`: what is to be done first, such as saving, can be done."""
        self._last = chunks

    def end(self) -> None:
        """Nothing more will come."""
        last, self._last = self._last, ()
        self.append(last)
        self.ended = True
        self._fold()
        self._wake()

    def said(self) -> int:
        """Bytes (UTF-8) of text, reasoning and tool input so far."""
        return sum(item.size() for item in self._items if isinstance(item, TextBuffer))

    def reader(self, client_version: ClientVersion, *, from_start: bool = False) -> Reader:
        """A view of the log for clients from `client_version` on.

        It begins with what this run appended; with `from_start`, with the continued message.
        """
        if not from_start or self._continued is None:
            return Reader(self, client_version)
        return Reader(self, client_version, (1, 0), self._preamble(self._continued, client_version))

    def message(self) -> UIMessage:
        """The message so far, as the newest client has it."""
        shown = (
            downgrade(
                item.read(0, item.length) if isinstance(item, TextBuffer) else item,
                NEWEST_CLIENT_VERSION,
            )
            for item in (*self._valid(), *self._last)
        )
        return reduce((chunk for chunk in shown if chunk is not None), self._continued)

    @property
    def can_reset(self) -> bool:
        """Whether the step that is being written can be taken back, and nobody loses by it."""
        return not any(follower.loses_by_reset() for follower in self.followers)

    def shown(self, position: Position) -> bool:
        """Whether a reader there was sent something that the next reset supersedes."""
        return position > (self._fresh, 0)

    def read(
        self, position: Position, client_version: ClientVersion
    ) -> tuple[bytes, Position | None]:
        """Frames from a position on, and the position after them; None: the reader can follow no
        further, because it was sent what has been superseded."""
        if position == self._newest_at:
            shared = self._newest_frames.get(client_version)
            if shared is None:
                shared = self._newest_frames[client_version] = frames(self._newest, client_version)
            return shared, self._end
        behind = bytearray()
        while (position := self._valid_from(position)) < self._end and len(behind) < READ_SIZE:
            chunk, position = self._next(position)
            if isinstance(chunk, ResetStep) and not accepts(client_version, chunk.type):
                return bytes(behind + frames((Error(error_text=BROKEN_OFF),), client_version)), None
            behind += frames((chunk,), client_version)
        return bytes(behind), position

    @property
    def at(self) -> Position:
        """The position after the last chunk."""
        return self._end

    def chunks(self, position: Position) -> tuple[list[ChunkVariant], Position]:
        """What was appended from a position on, superseded or not, and the position after it.

        Deltas are merged; of a long backlog it is a piece. The same chunks appended to another log,
        in order, make the same items and positions there.
        """
        found: list[ChunkVariant] = []
        index, offset = position
        size = 0
        while (index, offset) < self._end and size < READ_SIZE:
            item = self._items[index]
            if not isinstance(item, TextBuffer):
                found.append(item)
                index, offset = index + 1, 0
                size += _CHUNK_SIZE
            elif offset < item.length:
                found.append(item.read(offset, READ_SIZE))
                read = min(READ_SIZE, item.length - offset)
                offset += read
                size += read
            else:
                index, offset = index + 1, 0
        return found, (index, offset)

    def is_behind(self, position: Position) -> bool:
        """Whether there is something to read after a position."""
        return position < self._end

    async def more(self) -> None:
        """Waits until something is appended, or the end."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _next(self, position: Position) -> tuple[ChunkVariant, Position]:
        for first, reset in self._resets:
            if (first, 0) < position <= (reset, 0):
                return ResetStep(), (reset + 1, 0)
        index, offset = position
        item = self._items[index]
        if not isinstance(item, TextBuffer):
            return item, (index + 1, 0)
        if offset == item.length:
            # Read to its end while it grew; it has been folded since, and something follows.
            return self._next((index + 1, 0))
        return item.read(offset, READ_SIZE), (index, min(offset + READ_SIZE, item.length))

    def _valid_from(self, position: Position) -> Position:
        """The same, or after what was superseded since a reader came there."""
        for first, reset in self._resets:
            if position == (first, 0):
                position = (reset + 1, 0)
        return position

    def _valid(self) -> Iterator[ChunkVariant | TextBuffer]:
        """The items that were not superseded."""
        begin = 0
        for first, reset in self._resets:
            yield from self._items[begin:first]
            begin = reset + 1
        yield from self._items[begin:]

    def _fold(self) -> None:
        if self._growing is not None:
            self._growing.fold()
            self._growing = None

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _preamble(
        self, continued: UIMessage, client_version: ClientVersion
    ) -> Iterator[ChunkVariant]:
        yield from replay_chunks(continued, client_version)
        # Its `start` stands for this run's own, of which only the metadata is left to say.
        start = self._items[0]
        if isinstance(start, Start) and start.message_metadata is not UNSET:
            yield MessageMetadata(message_metadata=start.message_metadata)


class Reader:
    """One response's position in a log."""

    def __init__(
        self,
        log: Log,
        client_version: ClientVersion,
        start: Position = (0, 0),
        preamble: Iterator[ChunkVariant] | None = None,
    ) -> None:
        self._log = log
        self._client_version = client_version
        self._position = start
        self._preamble = preamble
        self._done = False
        #: whether it read all of the log, and was not broken off
        self.has_all = False
        log.followers.add(self)

    def loses_by_reset(self) -> bool:
        """Whether its client was shown some of the step, and cannot be told to forget it."""
        knows = self._done or accepts(self._client_version, "reset-step")
        return not knows and self._log.shown(self._position)

    def close(self) -> None:
        """Nobody reads any more."""
        self._log.followers.discard(self)

    async def read(self) -> bytes | None:
        """The frames that are there, as soon as there are any (of a long backlog, a piece of it).

        The last ones come with `[DONE]`; None after them.
        """
        while (data := self.take()) == b"":
            await self._log.more()
        return data

    def take(self) -> bytes | None:
        """The same without waiting: empty if there are none yet."""
        if self._done:
            return None
        log, data = self._log, b""
        while not data:
            if self._preamble is not None:
                data = self._next_of_preamble(self._preamble)
            elif log.is_behind(self._position):
                data, position = log.read(self._position, self._client_version)
                if position is None:
                    self._done = True
                    return data + DONE
                self._position = position
            else:
                break
        if self._preamble is None and log.ended and not log.is_behind(self._position):
            self._done = self.has_all = True
            return data + DONE
        return data

    def _next_of_preamble(self, preamble: Iterator[ChunkVariant]) -> bytes:
        piece = bytearray()
        for chunk in preamble:
            piece += frames((chunk,), self._client_version)
            if len(piece) >= READ_SIZE:
                return bytes(piece)
        self._preamble = None
        return bytes(piece)
