"""A run's chunks in this process's memory: one task appends, any number of readers follow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from ui_message_stream.chunks import MessageMetadata, Start
from ui_message_stream.expand import expand
from ui_message_stream.messages import UIMessage
from ui_message_stream.reduce import reduce
from ui_message_stream.sse import DONE
from ui_message_stream.versions import NEWEST_FLOOR, Floor, Form, Ranged, project
from ui_message_stream.wire import UNSET

from usechat_server.logs.deltas import Deltas, plain_delta
from usechat_server.logs.frames import frames

__all__ = ["Log", "Reader"]

#: About how much one read brings to a reader that is behind: characters of text, bytes of frames.
READ_SIZE = 64 * 1024

#: How far a reader is: an item, and how many characters of it were read if it is a text.
Position = tuple[int, int]


class Log:
    """The chunks of one run, in order, append-only.

    Consecutive deltas of a block are one item, so what stays of a block is start, one delta, end,
    and a reader that is behind gets its deltas merged. The newest entry (what one provider read
    brought) is kept as it came as well: the readers that are caught up share its frames, which are
    made once for each floor.

    `continued` is the message that the run goes on with. A reader from the start gets it first, as
    the chunks that rebuild it; nothing is made of it until one asks.
    """

    def __init__(self, continued: UIMessage | None = None) -> None:
        self.ended = False
        self._continued = continued
        self._items: list[Form | Deltas] = []
        self._growing: Deltas | None = None
        self._end: Position = (0, 0)
        self._newest: Sequence[Form] = ()
        self._newest_at: Position | None = None
        self._newest_frames: dict[Floor, bytes] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def append(self, chunks: Sequence[Form]) -> None:
        """Adds one entry and wakes the readers that are caught up, each once."""
        before = self._end
        for chunk in chunks:
            if isinstance(chunk, Ranged) or (delta := plain_delta(chunk)) is None:
                self._fold()
                self._items.append(chunk)
                continue
            block, text = delta
            if not text:
                continue
            if self._growing is None or not self._growing.add(type(chunk), block, text):
                self._fold()
                self._growing = Deltas(type(chunk), block, text)
                self._items.append(self._growing)
        if self._growing is None:
            self._end = (len(self._items), 0)
        else:
            self._end = (len(self._items) - 1, self._growing.length)
        if self._end != before:
            self._newest, self._newest_at = chunks, before
            self._newest_frames = {}
            self._wake()

    def end(self) -> None:
        """Nothing more will come: the last chunk was `finish`, `abort` or `error`."""
        self.ended = True
        self._fold()
        self._wake()

    def said(self) -> int:
        """Bytes (UTF-8) of text, reasoning and tool input so far."""
        return sum(item.size() for item in self._items if isinstance(item, Deltas))

    def reader(self, floor: Floor, *, from_start: bool = False) -> Reader:
        """A view of the log for clients from `floor` on.

        It begins with what this run appended; with `from_start`, with the continued message.
        """
        if not from_start or self._continued is None:
            return Reader(self, floor)
        return Reader(self, floor, (1, 0), self._preamble(self._continued, floor))

    def message(self) -> UIMessage:
        """The message so far, as the newest client has it."""
        shown = (
            project(item.read(0, item.length) if isinstance(item, Deltas) else item, NEWEST_FLOOR)
            for item in self._items
        )
        return reduce((chunk for chunk in shown if chunk is not None), self._continued)

    def read(self, position: Position, floor: Floor) -> tuple[bytes, Position]:
        """Frames from a position on, and the position after them."""
        if position == self._newest_at:
            shared = self._newest_frames.get(floor)
            if shared is None:
                shared = self._newest_frames[floor] = frames(self._newest, floor)
            return shared, self._end
        behind = bytearray()
        while position < self._end and len(behind) < READ_SIZE:
            chunk, position = self._next(position)
            behind += frames((chunk,), floor)
        return bytes(behind), position

    def is_behind(self, position: Position) -> bool:
        """Whether there is something to read after a position."""
        return position < self._end

    async def more(self) -> None:
        """Waits until something is appended, or the end."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _next(self, position: Position) -> tuple[Form, Position]:
        index, offset = position
        item = self._items[index]
        if not isinstance(item, Deltas):
            return item, (index + 1, 0)
        if offset == item.length:
            # Read to its end while it grew; it has been folded since, and something follows.
            return self._next((index + 1, 0))
        return item.read(offset, READ_SIZE), (index, min(offset + READ_SIZE, item.length))

    def _fold(self) -> None:
        if self._growing is not None:
            self._growing.fold()
            self._growing = None

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _preamble(self, continued: UIMessage, floor: Floor) -> Iterator[Form]:
        yield from expand(continued, floor)
        # Its `start` stands for this run's own, of which only the metadata is left to say.
        start = self._items[0]
        if isinstance(start, Start) and start.message_metadata is not UNSET:
            yield MessageMetadata(message_metadata=start.message_metadata)


class Reader:
    """One response's position in a log."""

    def __init__(
        self,
        log: Log,
        floor: Floor,
        start: Position = (0, 0),
        preamble: Iterator[Form] | None = None,
    ) -> None:
        self._log = log
        self._floor = floor
        self._position = start
        self._preamble = preamble
        self._done = False

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
                data, self._position = log.read(self._position, self._floor)
            else:
                break
        if self._preamble is None and log.ended and not log.is_behind(self._position):
            self._done = True
            return data + DONE
        return data

    def _next_of_preamble(self, preamble: Iterator[Form]) -> bytes:
        piece = bytearray()
        for chunk in preamble:
            piece += frames((chunk,), self._floor)
            if len(piece) >= READ_SIZE:
                return bytes(piece)
        self._preamble = None
        return bytes(piece)
