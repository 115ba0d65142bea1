"""What a tab of a browser was shown of one response."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ui_message_stream.chunks import parse_chunk
from ui_message_stream.messages import UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.state import IllegalChunk, StreamState

__all__ = ["Stream"]


@dataclass
class Stream:
    """A response that the tab has read."""

    method: str
    process: str
    began: float
    #: 0: there was no response
    status: int = 0
    #: the body of a response that is no stream
    text: str = ""
    chunks: list[dict[str, Any]] = field(default_factory=list)
    #: the time of each
    times: list[float] = field(default_factory=list)
    #: whether it was read to `[DONE]`
    is_complete: bool = False
    ended: float = 0.0
    #: the message that it continues; None: it has a message of its own
    continued: UIMessage | None = None

    @property
    def end(self) -> dict[str, Any] | None:
        """The last chunk of a complete stream."""
        return self.chunks[-1] if self.is_complete and self.chunks else None

    @property
    def has_good_end(self) -> bool:
        """Whether it is complete, without an error."""
        return self.end is not None and self.end["type"] != "error"

    @property
    def shows_error(self) -> bool:
        """Whether the client shows an error, or that the response was interrupted. A lost
        connection does not count: the client connects again."""
        if self.status >= 400:
            return True
        end = self.end or {}
        return end.get("type") == "error" or end.get("finishReason") == "interrupted"

    def message(self) -> UIMessage:
        """Return the message that its chunks make, which must be legal."""
        parsed = [parse_chunk(chunk) for chunk in self.chunks]
        grammar = StreamState(self.continued)
        for chunk in parsed:
            try:
                grammar.check(chunk)
            except IllegalChunk as illegal:
                # After an error, no client continues by itself.
                if chunk.type != "error" or illegal.rule.name != "request-loop":
                    raise
        return reduce(parsed, self.continued)
