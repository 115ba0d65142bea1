"""What the provider sends in one stream: the client writes it into the prompt.

The prompt is the only thing that reaches the provider through every server unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

__all__ = ["DELTA_INTERVAL", "StreamSpec"]

#: Seconds between two deltas of a paced stream.
DELTA_INTERVAL = 0.02

_PROMPT = re.compile(rb"bench ((?:\w+=\w+ )+)end")


@dataclass(frozen=True)
class StreamSpec:
    """One stream of the provider."""

    #: "text", or the JSON type of the tool input that is streamed: "string" or "array"
    kind: str = "text"
    #: deltas sent at once when the stream begins
    initial_deltas: int = 0
    #: deltas sent after the initial ones
    deltas: int = 0
    #: 1: one delta every DELTA_INTERVAL; 0: as fast as they are read
    paced: int = 0
    #: the deltas after the initial ones wait until this gate is opened; 0: no gate
    gate: int = 0
    #: under which the provider reports when the stream's connection was closed; 0: not reported
    stream_id: int = 0

    def prompt(self) -> str:
        """Return the specification as a prompt, which JSON encodes without escapes."""
        words = (f"{field.name}={getattr(self, field.name)} " for field in fields(self))
        return f"bench {''.join(words)}end"

    @classmethod
    def from_request(cls, body: bytes) -> StreamSpec:
        """Return the specification in the body of a request.

        Raises:
            ValueError: the body contains none.
        """
        match = _PROMPT.search(body)
        if match is None:
            raise ValueError("expected a stream specification in the prompt, got none")
        values = dict(word.split("=") for word in match[1].decode().split())
        kind = values.pop("kind")
        return cls(kind=kind, **{name: int(value) for name, value in values.items()})
