"""Hypothesis strategies of whole logs, and how a reader reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st
from ui_message_stream.chunks import Chunk
from ui_message_stream.state import IllegalChunk
from ui_message_stream.versions import ChunkVariant
from ui_message_stream.writer import Writer
from usechat_server.run_log.encoding import Encoding
from usechat_server.run_log.log import Log

from tests.harness.chunk_strategies import model_chunks

__all__ = ["Entries", "entries", "read", "reads"]

Entries = list[list[ChunkVariant]]


@st.composite
def entries(draw: st.DrawFn) -> Entries:
    """A legal log, in entries: what a writer makes of chunks, and one of its ends."""
    writer = Writer(message_id="m")
    logged: Entries = []
    for batch in draw(st.lists(st.lists(model_chunks, max_size=6), max_size=8)):
        entry: list[ChunkVariant] = []
        for chunk in batch:
            try:
                entry += writer.write_variant(chunk)
            except IllegalChunk:
                continue
        logged.append(entry)
    ends: list[Callable[[], Sequence[Chunk]]] = [
        writer.finish,
        writer.abort,
        lambda: writer.error("It failed."),
    ]
    return [*logged, [*draw(st.sampled_from(ends))()]]


async def read(encoding: Encoding, logged: Entries, reads: Sequence[bool]) -> bytes:
    """Append the entries to a log. After those that `reads` says, the reader reads."""
    log, data = Log(), b""
    reader = log.reader(encoding)
    for index, entry in enumerate(logged):
        log.append(entry)
        if index < len(reads) and reads[index]:
            data += reader.read_nowait() or b""
    log.end()
    while (piece := await reader.read()) is not None:
        data += piece
    return data


#: After which entries a reader reads.
reads = st.lists(st.booleans(), max_size=9)
