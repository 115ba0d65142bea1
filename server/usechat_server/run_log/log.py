"""A run's chunks in this process's memory: one task appends, any number of readers follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

from ui_message_stream.chunks import (
    Abort,
    Chunk,
    Error,
    Finish,
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
from ui_message_stream.versions import (
    NEWEST_CLIENT_VERSION,
    ChunkVariant,
    ClientVersion,
    VersionedChunk,
    accepts,
    downgrade,
)
from ui_message_stream.writer import Writer

from usechat_server.run_log.encoding import Encoding, ui_message_stream
from usechat_server.run_log.position import Position, position_id
from usechat_server.run_log.resets import Item, Reset, kept_chunks
from usechat_server.run_log.text_buffer import TextBuffer, plain_delta
from usechat_server.telemetry import metrics
from usechat_server.telemetry.instruments import LIVE_READERS

__all__ = ["Log", "Reader"]

#: About how much one read returns to a reader that is behind: characters of text, bytes.
READ_SIZE = 64 * 1024
#: What a chunk that is not a plain delta counts towards it.
_CHUNK_SIZE = 64

#: Error text for a reader that was sent what a reset took back, if its client does not know resets.
BROKEN_OFF = "The response was restarted. Reload the page to see it."


class Log:
    """The chunks of one run, in order, append-only.

    Consecutive deltas of a block are stored as one item, so that a finished block is start, one
    delta and end, and a reader that is behind gets merged deltas. The newest entry (what one read
    from the provider brought) is kept as it came as well: readers that are caught up share its
    bytes, which are encoded once for each encoding.

    `reset-step` supersedes what was appended since the last `start-step`. Readers that were sent
    some of that are sent the reset; all other readers, and the message, skip both. What clients
    keep of a step that was reset, such as the output of an earlier call, everyone gets.
    """

    def __init__(self, continued: UIMessage | None = None) -> None:
        """Create an empty log.

        Args:
            continued: The message that the run continues. A reader from the start gets it first, as
                the chunks that rebuild it.
        """
        self.has_ended: bool = False
        #: of the log, in all processes that have a copy: where it differs, positions mean nothing
        self.id: str = ""
        self._continued = continued
        self._items: list[Item] = []
        #: the last item, if it is a text that may still grow
        self._open_text: TextBuffer | None = None
        #: characters of all texts
        self.text_length: int = 0
        self._frozen_length = 0
        #: the position after the last chunk
        self.end_position: Position = (0, 0)
        self._newest: Sequence[ChunkVariant] = ()
        #: where the newest entry begins; None: caught-up readers cannot share it
        self._newest_position: Position | None = None
        self._newest_bytes: dict[Encoding, bytes] = {}
        self._waiters: list[asyncio.Future[None]] = []
        #: called when a step has ended
        self.on_step_ended: Callable[[], None] | None = None
        self._staged: Sequence[ChunkVariant] = ()
        #: when a reader was last given frames, in the time of `time.monotonic()`; None: never
        self.last_read: float | None = None
        #: called with that time, until it returns False
        self.on_read: Callable[[float], bool] | None = None
        #: the readers that were not closed
        self.readers: set[Reader] = set()
        #: index of the first item that the next `reset-step` supersedes
        self._step_start = 0
        #: oldest first
        self._resets: list[Reset] = []

    def append(self, chunks: Sequence[ChunkVariant]) -> None:
        """Append one entry and wake the readers that are caught up, each once."""
        before = self.end_position
        for chunk in chunks:
            if self._open_text is not None and self._open_text.try_append(chunk):
                continue
            if isinstance(chunk, VersionedChunk) or (delta := plain_delta(chunk)) is None:
                self._freeze_open_text()
                self._items.append(chunk)
                if isinstance(chunk, FinishStep) and self.on_step_ended is not None:
                    self.on_step_ended()
                if isinstance(chunk, ResetStep):
                    self._resets.append(self._new_reset())
                if isinstance(chunk, StartStep | ResetStep):
                    self._step_start = len(self._items)
                continue
            block, text = delta
            if text:
                self._freeze_open_text()
                self._open_text = TextBuffer(type(chunk), block, text)
                self._items.append(self._open_text)
        if self._open_text is None:
            self.end_position = (len(self._items), 0)
        else:
            self.end_position = (len(self._items) - 1, self._open_text.length)
            self.text_length = self._frozen_length + self._open_text.length
        if self.end_position != before:
            # What a reader is sent of a reset depends on its position.
            reset = self._resets and self._resets[-1].index >= before[0]
            self._newest, self._newest_position = chunks, None if reset else before
            self._newest_bytes = {}
        elif not self.has_ended:
            return
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def stage_end(self, chunks: Sequence[ChunkVariant]) -> None:
        """Set the last chunks, up to `finish`, `abort` or `error`, without showing them yet.

        They are part of the message at once, but readers see them only after `end`, so that the
        message can be stored first.
        """
        self._staged = chunks

    def stage_error(self, text: str) -> None:
        """Let the log end with an error instead of the staged chunk that ends it."""
        kept = [variant for variant in self._staged if not _is_end(variant)]
        self._staged = [*kept, Error(error_text=text)]

    def error_chunks(self, text: str, until: Position | None = None) -> list[Chunk]:
        """Return the chunks that would end the log with an error now, or before a position: the
        ends of what is open, and the error. There are none if it has its last chunk: what is
        missing is only that nothing more will come."""
        writer = Writer(message=self._continued)
        position, until = (0, 0), until or self.end_position
        while position < until:
            chunks, position = self.read_chunks(position, until)
            for chunk in chunks:
                writer.write_variant(chunk)
        return [] if writer.ended else writer.error(text)

    def end(self) -> None:
        """Append the staged chunks and end the log: nothing more will come."""
        staged, self._staged = self._staged, ()
        self.has_ended = True
        self.append(staged)
        self._freeze_open_text()

    def text_bytes(self) -> int:
        """Return the size of all text, reasoning and tool input so far, in bytes of UTF-8."""
        return sum(item.utf8_size() for item in self._items if isinstance(item, TextBuffer))

    def reader(
        self,
        encoding: Encoding | ClientVersion,
        *,
        from_start: bool = False,
        after: Position | None = None,
    ) -> Reader:
        """Create a reader.

        Args:
            encoding: What it reads; for a client version, its UI message stream.
            from_start: Begin with the continued message, not with what this run appended.
            after: Begin after this position, with the state that the encoding had there. If a reset
                has superseded what came before it, or there is no such position, the reader begins
                as without it.
        """
        if isinstance(encoding, ClientVersion):
            encoding = ui_message_stream(encoding)
        if after is not None and self._can_begin_after(after):
            for chunks, _ in self._chunks_until(after):
                encoding.encode(chunks)
            return Reader(self, encoding, after)
        if not from_start or self._continued is None:
            return Reader(self, encoding)
        prefix = self._replay_prefix(self._continued, encoding.client_version)
        return Reader(self, encoding, (1, 0), prefix)

    def message(self) -> UIMessage:
        """Return the message so far, as the newest client version represents it."""
        chunks = (
            downgrade(
                item.read(0, item.length) if isinstance(item, TextBuffer) else item,
                NEWEST_CLIENT_VERSION,
            )
            for item in (*self._current_items(), *self._staged)
        )
        return reduce((chunk for chunk in chunks if chunk is not None), self._continued)

    @property
    def can_reset(self) -> bool:
        """Whether a `reset-step` now would be understood by every reader that is sent it."""
        return not any(reader.blocks_reset() for reader in self.readers)

    def is_in_step(self, position: Position) -> bool:
        """Whether a reader at a position was sent something that the next reset supersedes."""
        return position > (self._step_start, 0)

    def read_bytes(self, position: Position, encoding: Encoding) -> tuple[bytes, Position | None]:
        """Return what a reader is sent from a position on, and the position after that.

        Args:
            position: Where to begin; it must be before `end_position`.
            encoding: What the reader reads.

        Returns:
            About `READ_SIZE` bytes at most, and the next position. The position is None if the
            reader cannot continue: it was sent what a reset has superseded, and its client does
            not know resets.
        """
        self.last_read = monotonic()
        if self.on_read is not None and not self.on_read(self.last_read):
            self.on_read = None
        if position == self._newest_position and encoding.cursor is None:
            shared = self._newest_bytes.get(encoding)
            if shared is None:
                shared = self._newest_bytes[encoding] = encoding.encode(self._newest)
            return shared, self.end_position
        data = bytearray()
        while position < self.end_position and len(data) < READ_SIZE:
            before = position
            chunks, position = self._next(position)
            if (
                chunks
                and isinstance(chunks[0], ResetStep)
                and not accepts(encoding.client_version, "reset-step")
            ):
                data += encoding.encode(self.error_chunks(BROKEN_OFF, before))
                return bytes(data), None
            if encoding.cursor is not None:
                encoding.cursor = f"{self.id}:{position_id(position)}"
            data += encoding.encode(chunks)
        return bytes(data), position

    @property
    def last_chunk(self) -> ChunkVariant | None:
        """The last chunk; None: the log is empty, or it is a delta."""
        last = self._items[-1] if self._items else None
        return None if isinstance(last, TextBuffer) else last

    def read_chunks(
        self, position: Position, end: Position | None = None
    ) -> tuple[list[ChunkVariant], Position]:
        """Return chunks from a position on, superseded or not, and the position after them. Nothing
        after `end` is returned, which is not inside of a text.

        Deltas are merged, and a long backlog comes in parts of about `READ_SIZE`. The same chunks
        appended to another log, in order, make the same items and positions there.
        """
        chunks: list[ChunkVariant] = []
        index, offset = position
        size, end = 0, end or self.end_position
        while (index, offset) < end and size < READ_SIZE:
            item = self._items[index]
            if not isinstance(item, TextBuffer):
                chunks.append(item)
                index, offset = index + 1, 0
                size += _CHUNK_SIZE
            elif offset < item.length:
                chunks.append(item.read(offset, READ_SIZE))
                length = min(READ_SIZE, item.length - offset)
                offset += length
                size += length
            else:
                index, offset = index + 1, 0
        return chunks, (index, offset)

    def is_behind(self, position: Position) -> bool:
        """Whether there is something to read after a position."""
        return position < self.end_position

    def wait_for_more(self) -> asyncio.Future[None]:
        """Return what is done once something is appended, or the log ends."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def _can_begin_after(self, position: Position) -> bool:
        """Whether a reader that was sent everything up to a position can go on there."""
        index, offset = position
        if not (0, 0) <= position <= self.end_position or any(
            reset.concerns(position) and position > (reset.first, 0) for reset in self._resets
        ):
            return False
        item = self._items[index] if index < len(self._items) else None
        return 0 <= offset <= (item.length if isinstance(item, TextBuffer) else 0)

    def _chunks_until(self, until: Position) -> Iterator[tuple[Sequence[ChunkVariant], Position]]:
        """Yield what a reader is sent up to a position."""
        position: Position = (0, 0)
        while position < until:
            before = position
            chunks, position = self._next(position)
            if position > until:
                item = self._items[until[0]]
                assert isinstance(item, TextBuffer)  # noqa: S101
                chunks, position = (item.read(before[1], until[1] - before[1]),), until
            yield chunks, position

    def _next(self, position: Position) -> tuple[Sequence[ChunkVariant], Position]:
        """Return the next chunks of a reader, and the position after them."""
        for reset in self._resets:
            if reset.concerns(position):
                return tuple(reset.chunks_from(position)), reset.end
        index, offset = position
        item = self._items[index]
        if not isinstance(item, TextBuffer):
            return (item,), (index + 1, 0)
        if offset == item.length:
            # The reader read all of it while it grew; since then, another item has followed.
            return self._next((index + 1, 0))
        return (item.read(offset, READ_SIZE),), (index, min(offset + READ_SIZE, item.length))

    def _current_items(self, end: int | None = None) -> Iterator[Item]:
        """Yield the items that count, up to an index: those that were not superseded, and what is
        kept of the others."""
        begin = 0
        for reset in self._resets:
            yield from self._items[begin : reset.first]
            yield from (chunk for _, chunk in reset.kept)
            begin = reset.index + 1
        yield from self._items[begin:end]

    def _new_reset(self) -> Reset:
        """Return the reset of the step that is open, which is the last item."""
        first, index = self._step_start, len(self._items) - 1
        step = ((i, self._items[i]) for i in range(first, index))
        return Reset(first, index, kept_chunks(step, self._current_items(first), self._continued))

    def _freeze_open_text(self) -> None:
        if self._open_text is not None:
            self._open_text.freeze()
            self._frozen_length += self._open_text.length
            self._open_text = None

    def _replay_prefix(
        self, continued: UIMessage, client_version: ClientVersion
    ) -> Iterator[ChunkVariant]:
        """Yield the chunks that rebuild the continued message for a client."""
        yield from replay_chunks(continued, client_version)
        # Its `start` replaces this run's own `start`, of which only the metadata is new.
        start = self._items[0]
        if isinstance(start, Start) and start.message_metadata is not UNSET:
            yield MessageMetadata(message_metadata=start.message_metadata)


class Reader:
    """One client's position in a log."""

    def __init__(
        self,
        log: Log,
        encoding: Encoding,
        position: Position = (0, 0),
        replay_prefix: Iterator[ChunkVariant] | None = None,
    ) -> None:
        self._log = log
        self._encoding = encoding
        self._position = position
        self._replay_prefix = replay_prefix
        #: chunks of it that were read
        self._prefix_chunks = 0
        self._is_done = False
        #: whether it has read the whole log, without being broken off
        self.has_read_all: bool = False
        log.readers.add(self)
        metrics.change(LIVE_READERS, 1)

    def blocks_reset(self) -> bool:
        """Whether its client was sent part of the current step and does not know resets."""
        knows_resets = self._is_done or accepts(self._encoding.client_version, "reset-step")
        return not knows_resets and self._log.is_in_step(self._position)

    def close(self) -> None:
        """Stop reading. Idempotent."""
        if self in self._log.readers:
            self._log.readers.discard(self)
            metrics.change(LIVE_READERS, -1)

    async def read(self) -> bytes | None:
        """Wait for bytes and return them; a long backlog comes in parts.

        Returns:
            Bytes, with the last ones the end of the encoding; None after them.
        """
        while (data := self.read_nowait()) == b"":
            await self._log.wait_for_more()
        return data

    def read_nowait(self) -> bytes | None:
        """Return the same as `read` without waiting: empty if there is nothing to read yet."""
        if self._is_done:
            return None
        log, data = self._log, b""
        while not data:
            if self._replay_prefix is not None:
                data = self._read_replay_prefix(self._replay_prefix)
            elif self._position < log.end_position:
                data, position = log.read_bytes(self._position, self._encoding)
                if position is None:
                    self._is_done = True
                    return data + self._encoding.end() or None
                self._position = position
            else:
                break
        if self._replay_prefix is None and log.has_ended and self._position >= log.end_position:
            self._is_done = self.has_read_all = True
            return data + self._encoding.end() or None
        return data

    def _read_replay_prefix(self, replay_prefix: Iterator[ChunkVariant]) -> bytes:
        data = bytearray()
        for chunk in replay_prefix:
            if self._encoding.cursor is not None:  # no place to come back to
                self._prefix_chunks += 1
                self._encoding.cursor = f"{self._log.id}:start.{self._prefix_chunks}"
            data += self._encoding.encode((chunk,))
            if len(data) >= READ_SIZE:
                return bytes(data)
        self._replay_prefix = None
        return bytes(data)


def _is_end(variant: ChunkVariant) -> bool:
    chunk = variant.chunk if isinstance(variant, VersionedChunk) else variant
    return isinstance(chunk, Finish | Abort | Error)
